import type { BlockHeader, BlockRef } from '../../model/block.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import type { HeaderSource } from './link-head.js'

/** Stored blocks that are looked at in one step. */
const PAGE_BLOCKS = 500

/** What is known of the chain below and among the kept headers. */
export interface KnownChain {
  /** Canonical headers up to the cursor, oldest first. */
  readonly headers: readonly BlockHeader[]
  /** Stored blocks below a number, newest first. */
  knownBlocks(below: bigint, limit: number): Promise<readonly BlockRef[]>
}

export interface DeepReorg {
  readonly ancestor: BlockHeader
  /** The ancestor's child on the present chain. */
  readonly branch: BlockHeader
  /** Known blocks above the ancestor, newest first. */
  readonly orphaned: readonly BlockRef[]
}

/**
 * Finds the newest known block that still is canonical, for a reorganisation that goes below the kept headers. Stored
 * blocks have holes between them, so what is compared is hashes by number, by bisection: below a canonical block all
 * blocks are. When no known block is canonical any more, the ancestor is the block before the oldest known one.
 *
 * @returns null when the node shows no other block in the place of a known one: there is nothing to take back
 * @throws {BlockUnavailableError} when the node cannot show the blocks to compare with
 */
export async function findAncestor(known: KnownChain, source: HeaderSource): Promise<DeepReorg | null> {
  const orphaned: BlockRef[] = []
  let page: readonly BlockRef[] = known.headers.toReversed()
  while (page.length > 0) {
    const canonical = await firstCanonical(page, source)
    orphaned.push(...page.slice(0, canonical ?? page.length))
    const found = canonical === null ? undefined : page[canonical]
    if (found !== undefined) return settle(found.number, orphaned, source)
    const oldest = page.at(-1)
    page = oldest === undefined ? [] : await known.knownBlocks(oldest.number, PAGE_BLOCKS)
    const [next] = page
    if (oldest !== undefined && next !== undefined && next.number >= oldest.number) {
      throw new Error(`invariant: known blocks below ${oldest.number}, got ${next.number}`)
    }
  }
  const oldest = orphaned.at(-1)
  if (oldest === undefined) return null
  // Below the first block of the chain there is none: the genesis block is compared elsewhere, and never rolled back.
  if (oldest.number === 0n) throw new BlockUnavailableError('the first block of the chain is not the known one')
  return settle(oldest.number - 1n, orphaned, source)
}

/** The index of the first block, from the newest on, that the node still has under its number; null when none is. */
async function firstCanonical(page: readonly BlockRef[], source: HeaderSource): Promise<number | null> {
  const oldest = page.at(-1)
  if (oldest === undefined || !(await isCanonical(oldest, source))) return null
  let orphanedBelow = 0
  let canonicalFrom = page.length - 1
  while (orphanedBelow < canonicalFrom) {
    const middle = Math.floor((orphanedBelow + canonicalFrom) / 2)
    const block = page[middle]
    if (block === undefined) throw new Error('invariant: the middle lies within the page')
    if (await isCanonical(block, source)) canonicalFrom = middle
    else orphanedBelow = middle + 1
  }
  return canonicalFrom
}

/** A block above the node's present chain, which may have become shorter, is not canonical. */
async function isCanonical(block: BlockRef, source: HeaderSource): Promise<boolean> {
  const [present] = await source.byNumber(block.number, 1)
  return present?.hash === block.hash
}

/** Only another hash proves a reorganisation: a node that lacks the known blocks is behind. */
async function settle(
  ancestorNumber: bigint,
  orphaned: readonly BlockRef[],
  source: HeaderSource,
): Promise<DeepReorg | null> {
  const lowest = orphaned.at(-1)
  if (lowest === undefined) return null
  const [present] = await source.byNumber(lowest.number, 1)
  if (present === undefined || present.hash === lowest.hash) return null
  const [ancestor, branch] = await source.byNumber(ancestorNumber, 2)
  if (ancestor === undefined || branch === undefined || branch.parentHash !== ancestor.hash) {
    throw new BlockUnavailableError(`the node does not show blocks ${ancestorNumber} and the next one, linked`)
  }
  return { ancestor, branch, orphaned }
}
