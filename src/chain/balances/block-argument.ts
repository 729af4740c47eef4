import type { BlockRef } from '../../model/block.js'
import type { Hash, Hex } from '../../model/position.js'
import { decodeObject, encodeQuantity } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'

const MEMORY_KEY = 'names blocks by number'

type BlockByHash = { readonly blockHash: Hash; readonly requireCanonical: true }

/** The block parameter of EIP-1898: a node that does not have this very block canonical must refuse to answer. */
export function atBlock(block: BlockRef): BlockByHash {
  return { blockHash: block.hash, requireCanonical: true }
}

/** The block parameter in the form that this endpoint takes; what is read by number needs `requireUnmoved` after it. */
export function blockArgument(session: EndpointSession, block: BlockRef): BlockByHash | Hex {
  return namesBlocksByNumber(session) ? encodeQuantity(block.number) : atBlock(block)
}

/** True for an endpoint that was found to take no hashes for blocks. */
export function namesBlocksByNumber(session: EndpointSession): boolean {
  return session.memory.get(MEMORY_KEY) === true
}

/** Remembers that an endpoint takes no hashes for blocks, or that it does. */
export function nameBlocksByNumber(session: EndpointSession, byNumber: boolean): void {
  session.memory.set(MEMORY_KEY, byNumber)
}

/**
 * Where an endpoint takes numbers only, what was read holds for the block that has this hash only if it still has it
 * afterwards.
 *
 * @throws {BlockUnavailableError} when the number names another block by now.
 */
export async function requireUnmoved(session: EndpointSession, block: BlockRef): Promise<void> {
  if (namesBlocksByNumber(session)) await requireSameBlock(session, block)
}

/** @throws {BlockUnavailableError} when the endpoint has another block, or none, under the block's number. */
export async function requireSameBlock(session: EndpointSession, block: BlockRef): Promise<void> {
  const answer = await session.request('eth_getBlockByNumber', [encodeQuantity(block.number), false])
  const hash = answer === null ? null : decodeObject(answer, 'block')['hash']
  if (hash !== block.hash) {
    throw new BlockUnavailableError(`the endpoint no longer has block ${block.number} as ${block.hash}`)
  }
}
