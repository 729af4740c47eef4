import type { BalanceRecord } from '../balance-record.js'
import type { BalanceStats } from '../balance-statistics.js'
import type { TimedInterval } from '../coverage.js'
import { contains, coveredSpans, earlierOf, follows, joinIntervals } from './covered-time.js'
import { deriveStats } from './derive-stats.js'

export const DAY_MS = 86_400_000

/** What statistics and series look at of a record. */
export type FoldedRecord = Pick<BalanceRecord, 'balance' | 'previousBalance' | 'blockNumber' | 'timestamp'>

export interface FoldRange {
  /** Null: from the first record on. */
  readonly from: Date | null
  /** At most the cursor's time. */
  readonly to: Date
  /** The position's coverage, oldest first, disjoint. */
  readonly intervals: readonly TimedInterval[]
}

/** Exact coverage with its bounds in milliseconds. */
interface ExactStretch {
  readonly interval: TimedInterval
  readonly startMs: number
  readonly endMs: number
}

/**
 * How far back statistics look at records: to the newest one before this time, and all from it on.
 *
 * @returns null when all are needed
 */
export function statsReachBack({ from, to }: Pick<FoldRange, 'from' | 'to'>): Date | null {
  return from === null ? null : new Date(Math.min(from.getTime(), to.getTime() - DAY_MS))
}

/** Statistics out of records that come one by one, oldest first. Keeps none of them. */
export class StatsFold {
  readonly #range: FoldRange
  readonly #fromMs: number
  readonly #toMs: number
  readonly #exact: readonly ExactStretch[]
  /** First blocks of what was seen without a break before: a change that is noticed there happened unseen. */
  readonly #firstSeen: ReadonlySet<bigint>
  #stretch = 0
  #interval = 0
  #last: FoldedRecord | null = null
  #firstTime: Date | null = null
  #totalRecords = 0
  #oldest: bigint | null = null
  #dayAgo: bigint | null = null
  #min: bigint | null = null
  #max: bigint | null = null
  #inflow = 0n
  #outflow = 0n
  #weightMs = 0n
  #weighted = 0n
  #netOutflow = 0n

  constructor(range: FoldRange) {
    this.#range = range
    this.#toMs = range.to.getTime()
    this.#fromMs = range.from === null ? Number.NEGATIVE_INFINITY : Math.min(range.from.getTime(), this.#toMs)
    this.#exact = joinIntervals(range.intervals).flatMap((interval) => {
      const { kind, fromTime, toTime } = interval
      if (kind !== 'exact' || fromTime === null || toTime === null) return []
      return [{ interval, startMs: Math.max(fromTime.getTime(), this.#fromMs), endMs: toTime.getTime() }]
    })
    const starts = range.intervals.filter((interval, index) => !follows(interval, range.intervals[index - 1]))
    this.#firstSeen = new Set(starts.map(({ from }) => from))
  }

  /** Records after the end are passed over. */
  add(record: FoldedRecord): void {
    const last = this.#last
    const atMs = record.timestamp.getTime()
    if (last !== null && record.blockNumber <= last.blockNumber) {
      throw new Error(`invariant: records oldest first, got block ${record.blockNumber} after ${last.blockNumber}`)
    }
    if (atMs > this.#toMs) return
    if (last !== null) this.#hold(last, atMs, record)
    this.#firstTime ??= record.timestamp
    this.#look(record, atMs)
    this.#flow(record, atMs)
    if (atMs <= this.#toMs - DAY_MS) this.#dayAgo = record.balance
    this.#last = record
  }

  finish(): BalanceStats {
    if (this.#last !== null) this.#hold(this.#last, this.#toMs, null)
    // A balance that held when the range began and all through it.
    if (this.#oldest === null && this.#last !== null) this.#reach(this.#last.balance)
    const { to, intervals } = this.#range
    const from = earlierOf(this.#range.from ?? this.#firstTime ?? to, to)
    return deriveStats({
      from,
      to,
      totalRecords: this.#totalRecords,
      latestBalance: this.#last?.balance ?? null,
      oldestBalance: this.#oldest,
      minBalance: this.#min,
      maxBalance: this.#max,
      dayAgoBalance: this.#dayAgo,
      inflow: this.#inflow,
      outflow: this.#outflow,
      weightMs: this.#weightMs,
      weighted: this.#weighted,
      netOutflow: this.#netOutflow,
      coverage: coveredSpans(intervals, { from, to }),
    })
  }

  /** A balance held up to a time, where the next record stands, if there is one. */
  #hold(held: FoldedRecord, untilMs: number, next: FoldedRecord | null): void {
    for (; ; this.#stretch += 1) {
      const stretch = this.#exact[this.#stretch]
      if (stretch === undefined) return
      const { interval, startMs, endMs } = stretch
      const weight = BigInt(Math.max(0, Math.min(untilMs, endMs) - Math.max(held.timestamp.getTime(), startMs)))
      this.#weightMs += weight
      this.#weighted += weight * held.balance
      if (next === null) continue
      if (contains(interval, next.blockNumber) && untilMs > startMs) this.#netOutflow += held.balance - next.balance
      if (interval.to === null || next.blockNumber <= interval.to) return
    }
  }

  #look({ balance }: FoldedRecord, atMs: number): void {
    if (atMs < this.#fromMs) return
    this.#totalRecords += 1
    if (atMs === this.#fromMs) {
      // Another record of the same second may follow: what holds then is the last of them.
      this.#reach(balance, false)
      return
    }
    if (this.#oldest === null) this.#reach(this.#last?.balance ?? balance)
    this.#reach(balance)
  }

  #reach(balance: bigint, opens = true): void {
    if (opens) this.#oldest ??= balance
    if (this.#min === null || balance < this.#min) this.#min = balance
    if (this.#max === null || balance > this.#max) this.#max = balance
  }

  #flow({ balance, previousBalance, blockNumber }: FoldedRecord, atMs: number): void {
    if (previousBalance === null || atMs <= this.#fromMs || !this.#isSeen(blockNumber)) return
    if (balance > previousBalance) this.#inflow += balance - previousBalance
    else this.#outflow += previousBalance - balance
  }

  /** Whether the block is covered, and the one before it, too. */
  #isSeen(blockNumber: bigint): boolean {
    const { intervals } = this.#range
    for (; this.#interval < intervals.length; this.#interval += 1) {
      const interval = intervals[this.#interval]
      if (interval === undefined || interval.to === null || blockNumber <= interval.to) break
    }
    const interval = intervals[this.#interval]
    return interval !== undefined && contains(interval, blockNumber) && !this.#firstSeen.has(blockNumber)
  }
}
