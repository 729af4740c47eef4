import { inspect } from 'node:util'

import type { Instant } from '../model/instant.js'
import { parseAddress } from '../model/address.js'
import type { Address } from '../model/address.js'
import { parseToken } from '../model/position.js'
import type { Position, Token } from '../model/position.js'
import { InvalidArgumentError, UnknownChainError } from './manager-errors.js'

/** What fits into the database. */
const CHAIN_ID_MAX = 2n ** 63n - 1n
/** The last year of four digits: the database goes little further back, and nothing is known beyond. */
const YEAR_MAX = 9999
const labelPattern = /^[^\p{Cc}]{1,64}$/u

/** @throws {InvalidArgumentError} */
export function requireChainId(chainId: bigint): bigint {
  // Callers without types pass what they have: a number, a text, nothing.
  if (typeof chainId === 'bigint' && chainId > 0n && chainId <= CHAIN_ID_MAX) return chainId
  throw new InvalidArgumentError(`chainId: expected a positive bigint below 2^63, such as 1n, got ${shown(chainId)}`)
}

/** @throws {InvalidArgumentError} */
export function requireAddress(text: string, argument: string): Address {
  const address = typeof text === 'string' ? parseAddress(text) : null
  if (address === null) {
    throw new InvalidArgumentError(`${argument}: expected an address of 20 bytes, got ${shown(text)}`)
  }
  return address
}

/** @throws {InvalidArgumentError} */
function requireToken(text: string): Token {
  const token = typeof text === 'string' ? parseToken(text) : null
  if (token === null) {
    throw new InvalidArgumentError(`token: expected 'native' or an address of 20 bytes, got ${shown(text)}`)
  }
  return token
}

/** @throws {InvalidArgumentError} */
export function requireAddresses(texts: readonly string[], argument: string): readonly Address[] {
  if (!Array.isArray(texts)) {
    throw new InvalidArgumentError(`${argument}: expected a list of addresses, got ${shown(texts)}`)
  }
  return texts.map((text, index) => requireAddress(text, `${argument}.${index}`))
}

/**
 * @returns undefined where the label that is there is to stay
 * @throws {InvalidArgumentError}
 */
export function requireLabel(label: string | null | undefined): string | null | undefined {
  if (label === undefined || label === null) return label
  const text = typeof label === 'string' ? label.trim() : ''
  if (labelPattern.test(text)) return text
  throw new InvalidArgumentError(`label: expected 1 to 64 characters without control characters, got ${shown(label)}`)
}

/** @throws {InvalidArgumentError} */
export function requirePosition(chainId: bigint, token: string, solver: string): Position {
  return {
    chainId: requireChainId(chainId),
    token: requireToken(token),
    solver: requireAddress(solver, 'solver'),
  }
}

/** As it stands in a message. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 64, maxArrayLength: 3, breakLength: Infinity })
}

/** Which positions are meant; addresses in any letter case. */
export interface PositionFilter {
  readonly chainId?: bigint | undefined
  readonly token?: string | undefined
  readonly solver?: string | undefined
}

/** @throws {InvalidArgumentError} */
export function requireFilter({ chainId, token, solver }: PositionFilter): {
  readonly chainId: bigint | undefined
  readonly token: Token | undefined
  readonly solver: Address | undefined
} {
  return {
    chainId: chainId === undefined ? undefined : requireChainId(chainId),
    token: token === undefined ? undefined : requireToken(token),
    solver: solver === undefined ? undefined : requireAddress(solver, 'solver'),
  }
}

/** @throws {InvalidArgumentError} */
export function requireTime(time: Date, argument: string): Date {
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError(`${argument}: expected a time as a Date, got ${shown(time)}`)
  }
  const year = time.getUTCFullYear()
  if (year >= 0 && year <= YEAR_MAX) return time
  throw new InvalidArgumentError(
    `${argument}: expected a time of the years 0 to ${YEAR_MAX}, got ${time.toISOString()}`,
  )
}

/**
 * @returns what it was given
 * @throws {InvalidArgumentError} for a time that is none, and for bounds in the wrong order
 */
export function requireTimes<Given extends { readonly from?: Date | undefined; readonly to?: Date | undefined }>(
  given: Given,
): Given {
  const { from, to } = given
  if (from !== undefined) requireTime(from, 'from')
  if (to !== undefined) requireTime(to, 'to')
  if (from !== undefined && to !== undefined && from > to) {
    throw new InvalidArgumentError(
      `from: expected a time that is not after "to" (${to.toISOString()}), got ${from.toISOString()}`,
    )
  }
  return given
}

/**
 * @returns what it was given
 * @throws {InvalidArgumentError} for block numbers in the wrong order
 */
export function requireBlocks<
  Given extends { readonly fromBlock?: bigint | undefined; readonly toBlock?: bigint | undefined },
>(given: Given): Given {
  const { fromBlock, toBlock } = given
  if (fromBlock !== undefined) requireBlock(fromBlock, 'fromBlock')
  if (toBlock !== undefined) requireBlock(toBlock, 'toBlock')
  if (fromBlock === undefined || toBlock === undefined || fromBlock <= toBlock) return given
  throw new InvalidArgumentError(
    `fromBlock: expected a block that is not after "toBlock" (${toBlock}), got ${fromBlock}`,
  )
}

/** @throws {InvalidArgumentError} */
function requireBlock(block: bigint, argument: string): bigint {
  if (typeof block === 'bigint' && block >= 0n) return block
  throw new InvalidArgumentError(`${argument}: expected a block number as a bigint, got ${shown(block)}`)
}

/** @throws {InvalidArgumentError} */
export function requireInstant(instant: Instant): Instant {
  const { block, time }: { readonly block?: bigint; readonly time?: Date } = instant
  if (block !== undefined && time !== undefined) {
    throw new InvalidArgumentError('block: expected a block or a time, got both')
  }
  if (time !== undefined) return { time: requireTime(time, 'time') }
  if (block !== undefined) return { block: requireBlock(block, 'block') }
  throw new InvalidArgumentError('block: expected a block or a time, got neither')
}

/** @throws {InvalidArgumentError} */
export function requireGrouping(by: 'token' | 'solver-token'): 'token' | 'solver-token' {
  if (by === 'token' || by === 'solver-token') return by
  throw new InvalidArgumentError(`by: expected 'token' or 'solver-token', got ${shown(by)}`)
}

/** @throws {InvalidArgumentError} */
export function requireInteger(value: number, argument: string, bounds: { min: number; max: number }): number {
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value
  throw new InvalidArgumentError(
    `${argument}: expected a whole number from ${bounds.min} to ${bounds.max}, got ${value}`,
  )
}

/** What of the history is meant, as far as it can be wrong. */
interface Selection {
  readonly chainId?: bigint | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
  readonly fromTime?: Date | undefined
}

/**
 * @param chains the configured ones
 * @throws {InvalidArgumentError | UnknownChainError}
 */
export function requireSelection<Given extends Selection>(
  selection: Given,
  chains: readonly { readonly chainId: bigint }[],
): Given {
  const { chainId, fromBlock, toBlock, fromTime } = selection
  if (fromTime !== undefined && Number.isNaN(fromTime.getTime())) {
    throw new InvalidArgumentError('fromTime: expected a time, got an invalid Date')
  }
  if (chainId !== undefined && !chains.some((chain) => chain.chainId === chainId)) {
    throw new UnknownChainError(`expected a configured chain, got chain id ${chainId}`)
  }
  if (chainId === undefined && chains.length > 1 && (fromBlock !== undefined || toBlock !== undefined)) {
    throw new InvalidArgumentError('chainId: expected a chain id, because block numbers differ from chain to chain')
  }
  return selection
}
