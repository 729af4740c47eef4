import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'

/** Call data of ERC-20 `balanceOf(holder)`. */
export function balanceOfCall(holder: Address): Hex {
  return `0x70a08231${holder.slice(2).padStart(64, '0')}`
}

/** A word and what a generous compiler may put behind it; a megabyte is an attack, not an answer. */
const ANSWER_BYTES_MAX = 1024

/** The balance in an answer of `balanceOf`; null when the answer is too short or far too long to be one. */
export function decodeBalanceOf(data: Hex): bigint | null {
  if (data.length < 2 + 64 || data.length > 2 + 2 * ANSWER_BYTES_MAX) return null
  return BigInt(data.slice(0, 2 + 64))
}
