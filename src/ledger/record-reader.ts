import type { BalanceRecord } from '../model/balance-record.js'
import type { BalanceSeries, BalanceStats, PastBalance } from '../model/balance-statistics.js'
import type { BlockPoint } from '../model/block.js'
import type { TimedInterval } from '../model/coverage.js'
import type { Instant } from '../model/instant.js'
import type { Position } from '../model/position.js'
import type { BalanceFilter, HistoryRequest, Page } from './balance-reader.js'

export interface RecordRange {
  readonly position: Position
  /** Inclusive bounds. */
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
}

export interface StatsRequest {
  readonly position: Position
  /** The position's first record unless told. */
  readonly from?: Date | undefined
  /** The newest processed block unless told. */
  readonly to?: Date | undefined
}

export interface SeriesRequest extends StatsRequest {
  /** Buckets at most. */
  readonly points: number
}

export interface PastBalancesRequest extends BalanceFilter {
  readonly time: Date
  readonly limit: number
  /** The `nextCursor` of the page before. */
  readonly after?: bigint | undefined
}

/**
 * Balances over time, answered from the records alone: PostgreSQL's, or those that MongoDB keeps. Null stands for a
 * position that was never watched, and for statistics and series also while no block of its chain was processed.
 */
export interface RecordReader {
  /** Newest first. */
  history(request: HistoryRequest): Promise<Page<BalanceRecord> | null>
  /** Newest first, of any length, a few hundred in memory at a time. Nothing for a position that was never watched. */
  streamHistory(range: RecordRange): AsyncIterable<BalanceRecord>
  /** Null also when nothing was known by then. */
  balanceAt(position: Position, instant: Instant): Promise<PastBalance | null>
  /** Of every position of which something was known by then. */
  balancesAt(request: PastBalancesRequest): Promise<Page<PastBalance>>
  stats(request: StatsRequest): Promise<BalanceStats | null>
  series(request: SeriesRequest): Promise<BalanceSeries | null>
}

/** How a position is known, at the state of its chain at the same moment. */
export interface PositionCoverage {
  /** The cursor; null while no block was processed. */
  readonly processed: BlockPoint | null
  /** Oldest first, disjoint; a time is known, too, by the interval's own records. */
  readonly intervals: readonly TimedInterval[]
}

/** What is in PostgreSQL alone, wherever the records are read. */
export interface CoverageReader {
  /** In the order of the positions; null for one that was never watched. */
  timedCoverage(positions: readonly Position[]): Promise<readonly (PositionCoverage | null)[]>
}
