import type { BlockRef } from '../../model/block.js'
import type { Hash } from '../../model/position.js'

/** The block parameter of EIP-1898: a node that does not have this very block canonical must refuse to answer. */
export function atBlock(block: BlockRef): { readonly blockHash: Hash; readonly requireCanonical: true } {
  return { blockHash: block.hash, requireCanonical: true }
}
