import type { BalanceCause } from './balance-cause.js'
import type { BlockHeader, BlockRef, FinalityCursors } from './block.js'
import type { Hash, Position, Token } from './position.js'
import type { TokenMetadata } from './token-metadata.js'

/** A watched position as the chain reader needs it: what to read, and what was last read. */
export interface WatchedPosition extends Position {
  /** The balance that the ledger holds; null before the first reading. */
  readonly lastBalance: bigint | null
  /** True for a token whose balances grow by themselves in every block: it is sampled, not recorded at each block. */
  readonly accruing: boolean
  /** Every block up to the cursor was read, so that the last balance is that of the cursor. */
  readonly covered?: boolean | undefined
}

/** What the chain answered for one position at one block. A failure is never a zero. */
export type BalanceReading =
  | { readonly kind: 'balance'; readonly position: Position; readonly balance: bigint }
  | { readonly kind: 'failed'; readonly position: Position; readonly reason: string }

/** What moved a position in one block, as far as it can be told. */
export interface Attribution {
  /** In block order; empty where none is known. */
  readonly transactionHashes: readonly Hash[]
  readonly cause: BalanceCause
  /** What of the change the found movements do not add up to, signed; 0 when they explain all of it. */
  readonly unexplained: bigint
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

/** How the blocks of an interval are known: each one's balance, or only that of some of them. */
export type CoverageKind = 'exact' | 'sampled'

/** The balance that a position has from one block on, found by searching a span of blocks. */
export interface SpanChange {
  readonly position: Position
  /** The block in which the balance became this; it was read at this very hash. */
  readonly block: BlockRef & { readonly timestampSeconds: number }
  readonly balance: bigint
  readonly attribution: Attribution
}

/** How a position stood in a span of blocks that was searched for changes instead of being read block by block. */
export interface SpanPosition {
  readonly position: Position
  /** `exact` where it is proven that `changes` has every change of the span, `sampled` where it may lack some. */
  readonly coverage: CoverageKind
  /** The balance at the block before the span; null where it was not known and could not be read. */
  readonly before?: bigint | null | undefined
  /** The balance at the span's last block. A failure leaves the position's blocks unseen. */
  readonly reading: BalanceReading
}

/** Blocks that were passed without being read one by one, and what became of every watched position meanwhile. */
export interface SpanObservation {
  /** The span's last block, the cursor from now on. */
  readonly target: BlockHeader
  /** Linked headers that end with the target: the target alone, or as many before it as are known. */
  readonly headers: readonly BlockHeader[]
  /** By ascending block. */
  readonly changes: readonly SpanChange[]
  readonly positions: readonly SpanPosition[]
  readonly finality: FinalityCursors
}

/** What a chain reader reports, in order. The consumer commits each one before it asks for the next. */
export type ChainEvent =
  | { readonly kind: 'started'; readonly genesisHash: Hash | null; readonly headers: readonly BlockHeader[] }
  | { readonly kind: 'block'; readonly observation: BlockObservation }
  /** The blocks from the one after the cursor to the span's target. */
  | { readonly kind: 'span'; readonly span: SpanObservation }
  | { readonly kind: 'reorg'; readonly ancestor: BlockHeader; readonly orphaned: readonly BlockRef[] }
  /** Blocks between the cursor and `resumeAt` cannot be read any more: coverage ends and begins anew. */
  | {
      readonly kind: 'gap'
      readonly resumeAt: BlockHeader
      readonly headers: readonly BlockHeader[]
      readonly reason: string
    }
  | { readonly kind: 'finality'; readonly finality: FinalityCursors }
