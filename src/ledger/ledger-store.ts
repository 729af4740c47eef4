import type { BalanceCause } from '../model/balance-cause.js'
import type { BlockHeader, BlockRef, FinalityCursors } from '../model/block.js'
import type { CoverageKind, WatchedPosition } from '../model/chain-event.js'
import type { CoverageInterval } from '../model/coverage.js'
import { RetryableError, TidemarkError } from '../model/errors.js'
import type { LoggedEvent, TidemarkEvent } from '../model/event.js'
import type { Hash, Position, Token } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'

/** Canonical headers kept per chain: how far back a reorganisation can be linked. */
export const KEPT_HEADERS = 256

/** What the store knows of a chain when its watcher starts. */
export interface StoredChain {
  readonly genesisHash: Hash | null
  /** Canonical headers up to the cursor, oldest first, linked by parent hash; empty before the first start. */
  readonly headers: readonly BlockHeader[]
  readonly finality: FinalityCursors
}

/** A watched position with what its next reading is compared to. */
export interface StoredPosition extends WatchedPosition {
  readonly id: bigint
  /** True while a coverage interval is open: every block up to the cursor was read. */
  readonly covered: boolean
  /** True when the next reading is a start: the position is new, or was taken up again. */
  readonly fresh: boolean
  readonly staleReason: string | null
  readonly metadata: TokenMetadata
}

/** A balance record to write; the block comes from the commit. */
export interface RecordRow {
  readonly positionId: bigint
  readonly balance: bigint
  readonly previousBalance: bigint | null
  readonly transactionHashes: readonly Hash[]
  /** Null for a first record. */
  readonly cause: BalanceCause | null
  readonly unexplained: bigint
  readonly metadata: TokenMetadata
}

/** Everything that one block changes: stored in one transaction, or not at all. */
export interface BlockCommit {
  readonly chainId: bigint
  /** The cursor this block builds on, null for a chain's very first block. Another one in the store means another writer. */
  readonly parent: BlockRef | null
  readonly header: BlockHeader
  readonly finality: FinalityCursors
  readonly records: readonly RecordRow[]
  /** Positions whose coverage begins at this block; they are no longer stale. */
  readonly opened: readonly bigint[]
  /** Positions that could not be read: their coverage ends at the parent. */
  readonly stale: readonly { readonly positionId: bigint; readonly reason: string }[]
  readonly metadata: ReadonlyMap<Token, TokenMetadata>
  /** Tokens found to grow by themselves: from this block on their positions' coverage is `sampled`. */
  readonly accruing: readonly Token[]
  /** Tokens that do so no more: from this block on their positions' coverage is `exact`. */
  readonly settled: readonly Token[]
  readonly events: readonly TidemarkEvent[]
}

/** A record of a block other than the commit's own. */
export interface HistoryRow extends RecordRow {
  readonly block: BlockRef & { readonly timestampSeconds: number }
}

/** Moves the cursor over many blocks at once. */
export interface SpanCommit {
  readonly chainId: bigint
  /** The cursor this builds on. */
  readonly parent: BlockRef
  /** Linked headers, the last one becomes the cursor; they replace all kept ones when they do not link to them. */
  readonly headers: readonly BlockHeader[]
  readonly finality: FinalityCursors
  /** By ascending block, at most one per position and block. */
  readonly records: readonly HistoryRow[]
  /**
   * How each position's blocks after the parent are known. `exact` goes on with the open interval (or opens one after
   * the parent where the position has none and was not fresh); `sampled` ends it at the parent, adds a sampled interval
   * up to the block before the target and opens an exact one at the target.
   */
  readonly coverage: ReadonlyMap<bigint, CoverageKind>
  /** Positions that could not be read at the target: their coverage ends at the parent. */
  readonly stale: readonly { readonly positionId: bigint; readonly reason: string }[]
  /** Asked for once, while the records are stored. */
  readonly events: Iterable<TidemarkEvent>
}

/**
 * Writes a position's records of some past blocks anew: what stood there is replaced. The cursor stays where it is.
 *
 * Invariant kept by the store: `previousBalance` of each record is the balance of the record before it, and a record
 * that changes nothing goes, unless it is the position's first.
 */
export interface HistoryCommit {
  readonly chainId: bigint
  readonly positionId: bigint
  /** Inclusive bounds of what is replaced; `to` is at or below the cursor. */
  readonly from: bigint
  readonly to: BlockRef & { readonly timestampSeconds?: number | undefined }
  readonly records: readonly HistoryRow[]
  readonly coverage: CoverageKind
  readonly reason: 'backfill' | 'verify' | 'sync'
  /** Kept beside the history for audit, in words; one for each record found wrong, missing or too many. */
  readonly notes: readonly HistoryNote[]
  /**
   * The first block above `to` that was read, with its balance, where unseen blocks lie between. It gets a record when
   * it would otherwise seem to go on from another balance at `to`.
   */
  readonly next?: HistoryRow | undefined
  /**
   * The headers from the one after `to` on, each the child of the one before, up to one that is kept: what tells that
   * `to` is canonical where it is not final and no header of its own is kept.
   */
  readonly links?: readonly BlockHeader[] | undefined
}

export interface HistoryNote {
  readonly blockNumber: bigint
  readonly blockHash: Hash
  /** What stood there; null where a record was missing. */
  readonly stored: bigint | null
  /** What the chain answers at this block; null where there should be no record. */
  readonly found: bigint | null
  readonly note: string
}

/** A note as it was kept. */
export interface StoredCorrection extends HistoryNote {
  readonly reason: HistoryCommit['reason']
  readonly at: Date
}

/** A record that is about to be, or was, taken out of history. */
export interface StoredRecord {
  readonly positionId: bigint
  readonly position: Position
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly balance: bigint
}

export interface RollbackCommit {
  readonly chainId: bigint
  /** The cursor before the rollback. */
  readonly cursor: BlockRef
  readonly ancestor: BlockHeader
}

/** What a rollback takes back. */
export interface RollbackPlan {
  /** The records that stand again, by position; null where none is left. */
  readonly standing: ReadonlyMap<bigint, StoredRecord | null>
  readonly events: readonly TidemarkEvent[]
}

/** The records as they are while a rollback is under way. */
export type RollbackRecords = Pick<LedgerStore, 'recordsAbove' | 'recordsAt'>

export interface GapCommit {
  readonly chainId: bigint
  readonly cursor: BlockRef
  /** New linked headers; the last one becomes the cursor. */
  readonly headers: readonly BlockHeader[]
  readonly reason: string
}

/** How the ledger is kept. Every commit checks the cursor it builds on and throws `CursorMovedError` otherwise. */
export interface LedgerStore {
  /**
   * The same ledger for the one process that follows a chain: `loadChain` claims the chain for this epoch of its lease,
   * and from then on everything that is written under another epoch is refused with `LeaseLostError`, however late it
   * comes. Without this, as tools that work on what is past use it, writing is not bound to a lease.
   */
  underLease(epoch: bigint): LedgerStore
  /** Reads a chain, making its row when there is none. */
  loadChain(chain: { readonly chainId: bigint; readonly name: string }): Promise<StoredChain>
  /** The watched positions; with `inactive`, also those that were watched once and are not any more. */
  loadPositions(
    chainId: bigint,
    options?: { readonly inactive?: boolean | undefined },
  ): Promise<readonly StoredPosition[]>
  /** Stores the genesis hash and the first headers; the last of them, if any, becomes the cursor. */
  commitStart(chainId: bigint, genesisHash: Hash | null, headers: readonly BlockHeader[]): Promise<void>
  /** @returns the events as they stand in the log */
  commitBlock(commit: BlockCommit): Promise<readonly LoggedEvent[]>
  /** @param plan is made while nobody else can write records of the chain */
  commitRollback(
    commit: RollbackCommit,
    plan: (records: RollbackRecords) => Promise<RollbackPlan>,
  ): Promise<RollbackPlan>
  commitGap(commit: GapCommit): Promise<void>
  commitSpan(commit: SpanCommit): Promise<void>
  /**
   * Emits one `history.extended`, which the store fills in, when anything was added or removed or coverage grew.
   * `commitHistoryPieces` does the same for many in one transaction, and leaves it to `announceHistory` to tell of them.
   *
   * @throws {CursorMovedError} when `to` is no longer known to be canonical: a reorganisation came between.
   * @throws {HistoryContradictionError} when by a backfill the balance at `to` would change although blocks right after it, which were
   * read, are known to go on from what stood there. Whoever fills a gap ends with the first block that was read after it.
   */
  commitHistory(commit: HistoryCommit): Promise<{ readonly added: number; readonly removed: number }>
  commitHistoryPieces(
    chainId: bigint,
    commits: readonly HistoryCommit[],
  ): Promise<{ readonly added: number; readonly removed: number }>
  /**
   * Emits one `history.extended` for each position and reason of which pieces were stored since the last time, with all
   * their blocks. What is to be told is kept with the pieces: after a crash it is told by whoever calls this next.
   *
   * @returns the number of events.
   */
  announceHistory(chainId: bigint): Promise<number>
  /** Moves finality on; it concerns no block in particular, so no cursor is checked. */
  commitFinality(chainId: bigint, finality: FinalityCursors): Promise<void>
  /** Records above a block, newest first. */
  recordsAbove(chainId: bigint, blockNumber: bigint): Promise<readonly StoredRecord[]>
  /** The newest record of each position at or below a block. */
  recordsAt(positionIds: readonly bigint[], blockNumber: bigint): Promise<readonly StoredRecord[]>
  /** A position's records between two blocks, inclusive, oldest first, at most `limit`. */
  recordsBetween(
    positionId: bigint,
    bounds: { readonly from: bigint; readonly to: bigint; readonly limit: number },
  ): Promise<readonly StoredRecord[]>
  /** A position's coverage, oldest first, intervals of one kind that touch joined. */
  coverage(positionId: bigint): Promise<readonly CoverageInterval[]>
  /** What checks against the chain put right in a position's records, newest first. */
  corrections(positionId: bigint, limit: number): Promise<readonly StoredCorrection[]>
  /**
   * Blocks below a number whose hashes are stored, with records or headers, newest first: where a reorganisation deeper
   * than the kept headers can be looked for.
   */
  knownBlocks(chainId: bigint, below: bigint, limit: number): Promise<readonly BlockRef[]>
}

/** Another process moved the chain's cursor: what was about to be written is out of date. */
export class CursorMovedError extends RetryableError {
  readonly code = 'cursor_moved'
}

/** History was to end with a balance that what follows it contradicts. Nothing was written. */
export class HistoryContradictionError extends TidemarkError {
  readonly code = 'history_contradiction'
}
