import type { BlockHeader, BlockRef, FinalityCursors } from '../model/block.js'
import type { WatchedPosition } from '../model/chain-event.js'
import type { Hash } from '../model/position.js'

/**
 * What a chain reader sees of the ledger it reports to: always the state after the last committed event, because the
 * reader asks for the next step only when the one before is done.
 */
export interface ChainView {
  /** Null before the chain was started, and for chains whose nodes do not serve block 0. */
  readonly genesisHash: Hash | null
  /** Canonical headers up to the cursor, oldest first, contiguous and linked by parent hash. */
  readonly headers: readonly BlockHeader[]
  readonly finality: FinalityCursors
  /** Watched positions by `positionKey`. */
  positions(): Promise<ReadonlyMap<string, WatchedPosition>>
  /** Stored blocks below a number, newest first, for a reorganisation deeper than the kept headers. */
  knownBlocks(below: bigint, limit: number): Promise<readonly BlockRef[]>
}
