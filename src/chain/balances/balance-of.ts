import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'

/** Call data of ERC-20 `balanceOf(holder)`. */
export function balanceOfCall(holder: Address): Hex {
  return `0x70a08231${holder.slice(2).padStart(64, '0')}`
}
