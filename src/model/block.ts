import type { Hash } from './position.js'

/** A block by number and hash: the two together are the only safe way to name one. */
export interface BlockRef {
  readonly number: bigint
  readonly hash: Hash
}

/** What Tidemark keeps of a block header. */
export interface BlockHeader extends BlockRef {
  readonly parentHash: Hash
  /** Unix time in whole seconds, as the chain has it. Several blocks may share one. */
  readonly timestampSeconds: number
}

/** A processed block together with its time: where a balance is known to have held. */
export interface BlockPoint extends BlockRef {
  readonly timestamp: Date
}

/** How firmly a block stands, derived from the chain's cursors. */
export type Finality = 'latest' | 'safe' | 'finalized'

/** The newest safe and finalized block numbers that a node reported; null where the chain has no such tag. */
export interface FinalityCursors {
  readonly safe: bigint | null
  readonly finalized: bigint | null
}

/** @returns the finality of a block number under the given cursors. */
export function finalityOf(blockNumber: bigint, cursors: FinalityCursors): Finality {
  if (cursors.finalized !== null && blockNumber <= cursors.finalized) return 'finalized'
  if (cursors.safe !== null && blockNumber <= cursors.safe) return 'safe'
  return 'latest'
}

export function blockTime(header: Pick<BlockHeader, 'timestampSeconds'>): Date {
  return new Date(header.timestampSeconds * 1000)
}
