import type { BlockHeader, BlockRef } from '../../model/block.js'
import { RetryableError } from '../../model/errors.js'
import type { Hash } from '../../model/position.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'

/** Headers fetched at once while catching up. */
export const LINK_BATCH = 32

/** The fork lies below the kept headers. */
export class DeepReorgError extends RetryableError {
  readonly code = 'reorg_too_deep'
}

/** Where headers come from. */
export interface HeaderSource {
  byHash(hash: Hash): Promise<BlockHeader>
  /** Consecutive headers from `first` on; shorter when the node does not have them all. */
  byNumber(first: bigint, count: number): Promise<readonly BlockHeader[]>
}

/** What a head means for the chain that is kept. */
export type HeadStep =
  /** The head is known already, or an older block of the same chain: a lagging node is no reorganisation. */
  | { readonly kind: 'none' }
  /** Headers that follow the cursor, linked. */
  | { readonly kind: 'extend'; readonly headers: readonly BlockHeader[] }
  /** Blocks above the ancestor are no longer canonical, as parent hashes prove. */
  | {
      readonly kind: 'reorg'
      readonly ancestor: BlockHeader
      /** The ancestor's child on the other branch. */
      readonly branch: BlockHeader
      /** Newest first. */
      readonly orphaned: readonly BlockRef[]
    }

/**
 * Works out the next step from the kept chain towards a head.
 *
 * @param kept canonical headers up to the cursor, oldest first, contiguous
 * @throws {DeepReorgError} when no kept header is an ancestor of the head
 * @throws {BlockUnavailableError} when the node cannot show the headers between
 */
export async function linkHead(
  kept: readonly BlockHeader[],
  head: BlockHeader,
  source: HeaderSource,
): Promise<HeadStep> {
  const cursor = kept.at(-1)
  if (cursor === undefined) return { kind: 'extend', headers: [head] }
  if (keptAt(kept, head.number)?.hash === head.hash) return { kind: 'none' }
  if (head.number <= cursor.number) return findReorg(kept, head, source)

  const between = Number(head.number - cursor.number - 1n)
  const fetched = between === 0 ? [head] : await source.byNumber(cursor.number + 1n, Math.min(LINK_BATCH, between))
  const [first] = fetched
  if (first === undefined) throw new BlockUnavailableError(`the node does not have block ${cursor.number + 1n} yet`)
  if (first.parentHash !== cursor.hash) return findReorg(kept, first, source)
  const linked = linkedPrefix(fetched)
  const last = linked.at(-1)
  if (last?.hash === head.parentHash) return { kind: 'extend', headers: [...linked, head] }
  return { kind: 'extend', headers: linked }
}

/** Walks back by parent hash until a kept header is met. */
async function findReorg(kept: readonly BlockHeader[], branch: BlockHeader, source: HeaderSource): Promise<HeadStep> {
  const oldest = kept[0]
  let header = branch
  while (oldest !== undefined && header.number > oldest.number) {
    const candidate = keptAt(kept, header.number - 1n)
    if (candidate !== undefined && candidate.hash === header.parentHash) {
      const orphaned = kept.filter((old) => old.number > candidate.number).toReversed()
      return { kind: 'reorg', ancestor: candidate, branch: header, orphaned }
    }
    header = await source.byHash(header.parentHash)
  }
  throw new DeepReorgError(
    `block ${branch.number} (${branch.hash}) has no ancestor among the last ${kept.length} kept headers`,
    {
      hint: 'The chain was reorganised deeper than the headers that are kept; nothing is overwritten until it is settled.',
    },
  )
}

/** A reorganisation between two answers shows as a broken link: what comes after it is left for the next step. */
export function linkedPrefix(headers: readonly BlockHeader[]): BlockHeader[] {
  const linked: BlockHeader[] = []
  for (const header of headers) {
    const last = linked.at(-1)
    if (last !== undefined && (header.parentHash !== last.hash || header.number !== last.number + 1n)) break
    linked.push(header)
  }
  return linked
}

function keptAt(kept: readonly BlockHeader[], number: bigint): BlockHeader | undefined {
  const oldest = kept[0]
  if (oldest === undefined || number < oldest.number) return undefined
  return kept[Number(number - oldest.number)]
}
