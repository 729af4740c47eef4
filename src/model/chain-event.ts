import type { BlockHeader, BlockRef, FinalityCursors } from './block.js'
import type { Hash, Position, Token } from './position.js'
import type { TokenMetadata } from './token-metadata.js'

/** A watched position as the chain reader needs it: what to read, and what was last read. */
export interface WatchedPosition extends Position {
  /** The balance that the ledger holds; null before the first reading. */
  readonly lastBalance: bigint | null
}

/** What the chain answered for one position at one block. A failure is never a zero. */
export type BalanceReading =
  | { readonly kind: 'balance'; readonly position: Position; readonly balance: bigint }
  | { readonly kind: 'failed'; readonly position: Position; readonly reason: string }

/** Which transactions of a block moved a position, and whether they explain all of the change. */
export interface Attribution {
  readonly transactionHashes: readonly Hash[]
  readonly explained: boolean
}

/** All watched positions read at one block, and what else was learned on the way. */
export interface BlockObservation {
  readonly header: BlockHeader
  readonly readings: readonly BalanceReading[]
  /** By `positionKey`, for positions whose balance differs from the last one. */
  readonly attributions: ReadonlyMap<string, Attribution>
  /** Metadata of tokens read at this block. */
  readonly metadata: ReadonlyMap<Token, TokenMetadata>
  readonly finality: FinalityCursors
}

/** What a chain reader reports, in order. The consumer commits each one before it asks for the next. */
export type ChainEvent =
  | { readonly kind: 'started'; readonly genesisHash: Hash | null; readonly headers: readonly BlockHeader[] }
  | { readonly kind: 'block'; readonly observation: BlockObservation }
  | { readonly kind: 'reorg'; readonly ancestor: BlockHeader; readonly orphaned: readonly BlockRef[] }
  /** Blocks between the cursor and `resumeAt` cannot be read any more: coverage ends and begins anew. */
  | {
      readonly kind: 'gap'
      readonly resumeAt: BlockHeader
      readonly headers: readonly BlockHeader[]
      readonly reason: string
    }
  | { readonly kind: 'finality'; readonly finality: FinalityCursors }
