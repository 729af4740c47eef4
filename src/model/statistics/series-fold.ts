import type { BalanceBucket, BalancePoint, BalanceSeries } from '../balance-statistics.js'
import type { TimedInterval } from '../coverage.js'
import { bucketWidthMs } from './bucket-width.js'
import { coveredSpans, earlierOf, laterOf } from './covered-time.js'
import type { FoldedRecord } from './stats-fold.js'

const firstTime = new Date(0)

export interface SeriesRange {
  /** The first record's time when no other was asked for. What lies before 1970 is left out: no block is that old. */
  readonly from: Date
  /** At most the cursor's time, at least `from`. */
  readonly to: Date
  /** Buckets at most. */
  readonly points: number
  readonly intervals: readonly TimedInterval[]
}

/**
 * A series out of records that come one by one, oldest first, the newest one before the range among them. Keeps the
 * buckets alone.
 */
export class SeriesFold {
  readonly #range: SeriesRange
  readonly #bucketMs: number
  readonly #buckets: BalanceBucket[] = []
  #before: BalancePoint | null = null

  constructor(range: SeriesRange) {
    const from = earlierOf(laterOf(range.from, firstTime), range.to)
    this.#range = { ...range, from }
    this.#bucketMs = bucketWidthMs({ fromMs: from.getTime(), toMs: range.to.getTime() }, range.points)
  }

  /** Records after the end are passed over. */
  add({ balance, blockNumber, timestamp }: FoldedRecord): void {
    const point: BalancePoint = { balance, blockNumber, timestamp }
    const atMs = timestamp.getTime()
    if (atMs > this.#range.to.getTime()) return
    if (atMs < this.#range.from.getTime()) {
      this.#before = point
      return
    }
    const startMs = Math.floor(atMs / this.#bucketMs) * this.#bucketMs
    const last = this.#buckets.at(-1)
    if (last === undefined || last.start.getTime() !== startMs) {
      this.#buckets.push({ start: new Date(startMs), count: 1, first: point, last: point, min: point, max: point })
      return
    }
    this.#buckets[this.#buckets.length - 1] = {
      ...last,
      count: last.count + 1,
      last: point,
      min: balance < last.min.balance ? point : last.min,
      max: balance > last.max.balance ? point : last.max,
    }
  }

  finish(): BalanceSeries {
    const { from, to, intervals } = this.#range
    return {
      from,
      to,
      bucketMs: this.#bucketMs,
      before: this.#before,
      buckets: this.#buckets,
      coverage: coveredSpans(intervals, { from, to }),
    }
  }
}
