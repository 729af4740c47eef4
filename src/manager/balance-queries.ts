import type { BalanceReader, Page } from '../ledger/balance-reader.js'
import type { RecordReader } from '../ledger/record-reader.js'
import type { Instant } from '../model/instant.js'
import { formatAmount } from '../model/amount.js'
import type { BalanceRecord } from '../model/balance-record.js'
import type { BalanceSeries, BalanceStats, BalanceTotal, PastBalance } from '../model/balance-statistics.js'
import type { CoverageInterval } from '../model/coverage.js'
import type { CurrentBalanceView } from './manager-answers.js'
import {
  requireBlocks,
  requireFilter,
  requireGrouping,
  requireInstant,
  requireInteger,
  requirePosition,
  requireTime,
  requireTimes,
} from './require-argument.js'
import type { PositionFilter } from './require-argument.js'

/** Records, or positions, in one answer: what is longer is read as a stream, or page by page. */
const LIMIT_MAX = 10_000
const LIMIT_DEFAULT = 100
/** Buckets of a series: more than a screen has columns. */
const POINTS_MAX = 10_000

/** Bounds are inclusive. */
export interface TimeRange {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

/** Bounds are inclusive. */
export interface HistoryBounds extends TimeRange {
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
}

export interface SeriesOptions extends TimeRange {
  /** Buckets at most. */
  readonly points: number
}

export interface BalancesAtOptions extends PositionFilter {
  readonly time: Date
  /** Balances per page; 100 unless told. */
  readonly limit?: number | undefined
  /** The `nextCursor` of the page before. */
  readonly after?: bigint | undefined
}

export interface TotalsOptions extends PositionFilter {
  /** `token`: over all solvers; `solver-token`: for each solver. */
  readonly by: 'token' | 'solver-token'
  /** Sums per page; 100 unless told. */
  readonly limit?: number | undefined
  /** The `nextCursor` of the page before. */
  readonly after?: bigint | undefined
}

/**
 * The questions about balances. They are answered from what is stored: no method here asks a node. Each one fails with
 * `InvalidArgumentError` for an argument that cannot be meant, and says which.
 */
export abstract class BalanceQueries {
  /** Newest balances, chains and coverage. */
  abstract get reader(): BalanceReader
  /** Balances over time. */
  abstract get records(): RecordReader

  /** The newest balance of a position, from the database; null when there is none yet. */
  async getCurrentBalance(chainId: bigint, token: string, solver: string): Promise<CurrentBalanceView | null> {
    const balance = await this.reader.currentBalance(requirePosition(chainId, token, solver))
    return balance === null ? null : { ...balance, formatted: formatAmount(balance.balance, balance.decimals) }
  }

  /** Records of a position, newest first; `streamBalanceHistory` gives more of them than a list can hold. */
  async getBalanceHistory(
    chainId: bigint,
    token: string,
    solver: string,
    limit: number = LIMIT_DEFAULT,
  ): Promise<readonly BalanceRecord[]> {
    const position = requirePosition(chainId, token, solver)
    requireInteger(limit, 'limit', { min: 1, max: LIMIT_MAX })
    const page = await this.records.history({ position, limit })
    return page?.items ?? []
  }

  /**
   * Records of a position, newest first, however many there are: a few hundred at a time are in memory. Nothing for a
   * position that was never watched.
   */
  streamBalanceHistory(
    chainId: bigint,
    token: string,
    solver: string,
    range: HistoryBounds = {},
  ): AsyncIterable<BalanceRecord> {
    const position = requirePosition(chainId, token, solver)
    const { from, to, fromBlock, toBlock } = requireBlocks(requireTimes(range))
    return this.records.streamHistory({ position, from, to, fromBlock, toBlock })
  }

  /** What a position did between two times, exact; null when it was never watched. */
  async getBalanceStats(
    chainId: bigint,
    token: string,
    solver: string,
    range: TimeRange = {},
  ): Promise<BalanceStats | null> {
    const position = requirePosition(chainId, token, solver)
    const { from, to } = requireTimes(range)
    return await this.records.stats({ position, from, to })
  }

  /** A position's balance over time in at most so many buckets; null when it was never watched. */
  async getBalanceSeries(
    chainId: bigint,
    token: string,
    solver: string,
    options: SeriesOptions,
  ): Promise<BalanceSeries | null> {
    const position = requirePosition(chainId, token, solver)
    const { from, to } = requireTimes(options)
    const points = requireInteger(options.points, 'points', { min: 2, max: POINTS_MAX })
    return await this.records.series({ position, from, to, points })
  }

  /** What a position held at a block, or at a time; null when nothing is known of it by then. */
  async getBalanceAt(chainId: bigint, token: string, solver: string, instant: Instant): Promise<PastBalance | null> {
    const position = requirePosition(chainId, token, solver)
    return await this.records.balanceAt(position, requireInstant(instant))
  }

  /** What every position held at one time, page by page; positions of which nothing was known by then are left out. */
  async getBalancesAt(options: BalancesAtOptions): Promise<Page<PastBalance>> {
    const filter = requireFilter(options)
    const time = requireTime(options.time, 'time')
    const limit = requireInteger(options.limit ?? LIMIT_DEFAULT, 'limit', { min: 1, max: LIMIT_MAX })
    return await this.records.balancesAt({ ...filter, time, limit, after: options.after })
  }

  /** Newest balances summed up by token and chain, page by page. */
  async getBalanceTotals(options: TotalsOptions): Promise<Page<BalanceTotal>> {
    const limit = requireInteger(options.limit ?? LIMIT_DEFAULT, 'limit', { min: 1, max: LIMIT_MAX })
    return await this.reader.totals({
      ...requireFilter(options),
      by: requireGrouping(options.by),
      limit,
      after: options.after,
    })
  }

  /**
   * Which blocks of a position are known, oldest first: `exact` where every change has its record, `sampled` where there
   * may be changes without one. What lies between was not seen. Null when the position was never watched.
   */
  coverage(chainId: bigint, token: string, solver: string): Promise<readonly CoverageInterval[] | null> {
    return this.reader.coverage(requirePosition(chainId, token, solver))
  }
}
