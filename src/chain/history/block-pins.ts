import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { Logger } from '../../model/logger.js'
import type { Hash } from '../../model/position.js'
import { fetchHeadersByNumber } from '../head/fetch-headers.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import { ANCESTORS_MAX, readAncestors } from './read-past.js'

/** Headers in one batch. */
const HEADERS_MAX = 64n

export interface PinnedSpan {
  /** The block before the span. */
  readonly from: BlockRef
  readonly to: BlockHeader
}

/** The hashes of a span's blocks, so that every reading can be pinned to one. */
export interface BlockPins extends PinnedSpan {
  /** @param number from the span's first block, or the one before it, to its last */
  at(number: bigint): BlockRef
  /** The header of a block whose time is known. */
  header(number: bigint, timestampSeconds: number): BlockHeader
}

/**
 * Learns a span's block hashes from the EVM, 256 in one call. They must lead from the last block to the one before the
 * span. That alone proves none between, but a reading pinned to a hash that no block has is refused by the node.
 *
 * @returns null where the node cannot tell, or told what does not fit
 * @throws {TidemarkError} when no endpoint answers
 */
export async function pinByAncestors(client: RpcClient, span: PinnedSpan, logger: Logger): Promise<BlockPins | null> {
  const { from, to } = span
  const hashes: Hash[] = [to.hash]
  let top: BlockRef = to
  while (top.number > from.number) {
    const left = top.number - from.number
    const ancestors = await hearsayOf(client, top, { count: left < ANCESTORS_MAX ? left : ANCESTORS_MAX, logger })
    const lowest = ancestors?.at(-1)
    if (ancestors === null || lowest === undefined) return null
    hashes.push(...ancestors)
    // Rollups may answer with zeros, or with another chain's blocks: nothing may be asked at such a hash.
    if (hashes[1] !== to.parentHash) return null
    top = { number: top.number - BigInt(ancestors.length), hash: lowest }
  }
  if (top.hash !== from.hash) return null
  return pinsOf(span, hashes.toReversed())
}

/** Null where no endpoint has the block: the hash came from the EVM, so that tells nothing of the chain. */
async function hearsayOf(
  client: RpcClient,
  block: BlockRef,
  { count, logger }: { readonly count: bigint; readonly logger: Logger },
): Promise<readonly Hash[] | null> {
  try {
    return await readAncestors(client, block, count, logger)
  } catch (error) {
    if (error instanceof BlockUnavailableError) return null
    throw error
  }
}

/**
 * Learns the hashes from the headers themselves, one request each.
 *
 * @throws {BlockUnavailableError} when they do not link the span's ends: the chain was reorganised, or the node lacks some
 */
export async function pinByHeaders(client: RpcClient, span: PinnedSpan): Promise<BlockPins> {
  const { from, to } = span
  const hashes: Hash[] = [from.hash]
  for (let first = from.number + 1n; first <= to.number; first += HEADERS_MAX) {
    const left = to.number - first + 1n
    for (const header of await fetchHeadersByNumber(client, first, Number(left < HEADERS_MAX ? left : HEADERS_MAX))) {
      if (header.parentHash !== hashes.at(-1)) {
        throw new BlockUnavailableError(
          `block ${header.number} does not follow block ${header.number - 1n} of the search`,
        )
      }
      hashes.push(header.hash)
    }
  }
  if (hashes.at(-1) !== to.hash || BigInt(hashes.length) !== to.number - from.number + 1n) {
    throw new BlockUnavailableError(`the blocks after ${from.number} do not lead to block ${to.number} (${to.hash})`)
  }
  return pinsOf(span, hashes)
}

/** @param hashes from the block before the span on, ascending */
function pinsOf(span: PinnedSpan, hashes: readonly Hash[]): BlockPins {
  const at = (number: bigint): BlockRef => {
    const hash = hashes[Number(number - span.from.number)]
    if (hash === undefined) throw new Error(`invariant: block ${number} is not of the span`)
    return { number, hash }
  }
  return {
    ...span,
    at,
    header: (number, timestampSeconds) => ({ ...at(number), parentHash: at(number - 1n).hash, timestampSeconds }),
  }
}
