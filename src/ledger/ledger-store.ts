import type { BlockHeader, BlockRef, FinalityCursors } from '../model/block.js'
import type { WatchedPosition } from '../model/chain-event.js'
import { RetryableError } from '../model/errors.js'
import type { TidemarkEvent } from '../model/event.js'
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
  readonly explained: boolean
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
  readonly events: readonly TidemarkEvent[]
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
  /** The records that stand again, by position; null where none is left. */
  readonly standing: ReadonlyMap<bigint, StoredRecord | null>
  readonly events: readonly TidemarkEvent[]
}

export interface GapCommit {
  readonly chainId: bigint
  readonly cursor: BlockRef
  /** New linked headers; the last one becomes the cursor. */
  readonly headers: readonly BlockHeader[]
  readonly reason: string
}

/** How the ledger is kept. Every commit checks the cursor it builds on and throws `CursorMovedError` otherwise. */
export interface LedgerStore {
  /** Reads a chain, making its row when there is none. */
  loadChain(chain: { readonly chainId: bigint; readonly name: string }): Promise<StoredChain>
  loadPositions(chainId: bigint): Promise<readonly StoredPosition[]>
  /** Stores the genesis hash and the first headers; the last of them, if any, becomes the cursor. */
  commitStart(chainId: bigint, genesisHash: Hash | null, headers: readonly BlockHeader[]): Promise<void>
  commitBlock(commit: BlockCommit): Promise<void>
  commitRollback(commit: RollbackCommit): Promise<void>
  commitGap(commit: GapCommit): Promise<void>
  /** Moves finality on; it concerns no block in particular, so no cursor is checked. */
  commitFinality(chainId: bigint, finality: FinalityCursors): Promise<void>
  /** Records above a block, newest first. */
  recordsAbove(chainId: bigint, blockNumber: bigint): Promise<readonly StoredRecord[]>
  /** The newest record of each position at or below a block. */
  recordsAt(positionIds: readonly bigint[], blockNumber: bigint): Promise<readonly StoredRecord[]>
}

/** Another process moved the chain's cursor: what was about to be written is out of date. */
export class CursorMovedError extends RetryableError {
  readonly code = 'cursor_moved'
}
