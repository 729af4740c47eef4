import { MalformedAnswerError } from './rpc-errors.js'
import type { Hash, Hex } from '../../model/position.js'

const quantityPattern = /^0x[0-9a-fA-F]{1,64}$/
const hashPattern = /^0x[0-9a-fA-F]{64}$/
const dataPattern = /^0x([0-9a-fA-F]{2})*$/

/**
 * Decodes a JSON-RPC quantity of at most 32 bytes. Nothing else is a number: `0x` is not zero.
 *
 * @throws {MalformedAnswerError}
 */
export function decodeQuantity(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !quantityPattern.test(value)) throw malformed(what, 'a hexadecimal quantity', value)
  return BigInt(value)
}

export function decodeHash(value: unknown, what: string): Hash {
  if (typeof value !== 'string' || !hashPattern.test(value)) throw malformed(what, 'a 32-byte hash', value)
  return value.toLowerCase() as Hash
}

export function decodeData(value: unknown, what: string): Hex {
  if (typeof value !== 'string' || !dataPattern.test(value)) throw malformed(what, 'hexadecimal bytes', value)
  return value.toLowerCase() as Hex
}

export function decodeArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(what, 'a list', value)
  return value
}

export function decodeObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw malformed(what, 'an object', value)
  return value
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function encodeQuantity(value: bigint): Hex {
  return `0x${value.toString(16)}`
}

function malformed(what: string, expected: string, value: unknown): MalformedAnswerError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : value === null ? 'null' : typeof value
  return new MalformedAnswerError(`${what}: expected ${expected}, got ${shown}`)
}
