import { keccak256, toRlp } from 'viem/utils'

import type { Hash, Hex } from '../../model/position.js'
import { decodeData, decodeHash } from '../rpc/quantity.js'

/** How a header's field goes into the hash: as bytes, or as a number without leading zeros. */
type FieldKind = 'data' | 'number'

/** A header's fields in the order of its encoding, as the Ethereum yellow paper and the later forks list them. */
const fields: readonly (readonly [name: string, kind: FieldKind])[] = [
  ['parentHash', 'data'],
  ['sha3Uncles', 'data'],
  ['miner', 'data'],
  ['stateRoot', 'data'],
  ['transactionsRoot', 'data'],
  ['receiptsRoot', 'data'],
  ['logsBloom', 'data'],
  ['difficulty', 'number'],
  ['number', 'number'],
  ['gasLimit', 'number'],
  ['gasUsed', 'number'],
  ['timestamp', 'number'],
  ['extraData', 'data'],
  ['mixHash', 'data'],
  ['nonce', 'data'],
]

/** Fields that came with London, Shanghai, Cancun and Prague, in this order; a chain has them up to some point. */
const laterFields: readonly (readonly [name: string, kind: FieldKind])[] = [
  ['baseFeePerGas', 'number'],
  ['withdrawalsRoot', 'data'],
  ['blobGasUsed', 'number'],
  ['excessBlobGas', 'number'],
  ['parentBeaconBlockRoot', 'data'],
  ['requestsHash', 'data'],
]

/**
 * The state root that a block's hash commits to.
 *
 * @param block the node's answer to `eth_getBlockByHash`
 * @param hash the hash that is trusted
 * @returns null when the fields do not hash to it: the chain makes its hashes in another way, or the node altered a field.
 */
export function stateRootOf(block: Readonly<Record<string, unknown>>, hash: Hash): Hash | null {
  const present = laterFields.filter(([name]) => block[name] !== undefined && block[name] !== null)
  const encoded = [...fields, ...present].map(([name, kind]) => encodeField(block[name], name, kind))
  return keccak256(toRlp(encoded)) === hash ? decodeHash(block['stateRoot'], 'state root') : null
}

function encodeField(value: unknown, name: string, kind: FieldKind): Hex {
  const data = decodeData(kind === 'number' ? evenDigits(value) : value, `header field ${name}`)
  if (kind === 'data') return data
  const digits = data.slice(2).replace(/^(00)+/, '')
  return `0x${digits}`
}

/** Quantities come without leading zeros, so also with an odd number of digits. */
function evenDigits(value: unknown): unknown {
  return typeof value === 'string' && value.length % 2 === 1 ? `0x0${value.slice(2)}` : value
}
