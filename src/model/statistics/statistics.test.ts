import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { times } from '../../../test/support/long.js'
import {
  naiveAtBlock,
  naiveAtTime,
  naiveIntervals,
  naiveSeries,
  naiveStats,
} from '../../../test/support/naive-statistics.js'
import { askedTime, playedHistory } from '../../../test/support/played-history.js'
import type { PlayedHistory } from '../../../test/support/played-history.js'
import { bucketWidthMs, bucketWidthsMs } from './bucket-width.js'
import { certaintyAt } from './certainty.js'
import { deriveStats } from './derive-stats.js'
import { SeriesFold } from './series-fold.js'
import { StatsFold, statsReachBack } from './stats-fold.js'

const runs = { numRuns: times(2000, 50_000) }

const asked = playedHistory.chain((history) =>
  fc.record({
    history: fc.constant(history),
    from: askedTime(history),
    to: askedTime(history),
    points: fc.integer({ min: 1, max: 30 }),
  }),
)

/** The end of what is asked for, as far as the chain was read. */
function endOf({ blocks }: PlayedHistory, to: Date | undefined): Date {
  const last = blocks.at(-1)?.time ?? new Date(0)
  return to === undefined || to > last ? last : to
}

describe('folded statistics', () => {
  it('are what every stretch of time weighed by itself gives', () => {
    fc.assert(
      fc.property(asked, ({ history, from, to }) => {
        const range = { from: from ?? null, to: endOf(history, to), intervals: naiveIntervals(history) }
        const fold = new StatsFold(range)
        for (const record of history.records) fold.add(record)
        expect(fold.finish()).toEqual(naiveStats(history, { from, to }))
      }),
      runs,
    )
  })

  it('need no record before the newest one that is older than what they reach back to', () => {
    fc.assert(
      fc.property(asked, ({ history, from, to }) => {
        const range = { from: from ?? null, to: endOf(history, to), intervals: naiveIntervals(history) }
        const since = statsReachBack(range)
        const oldest = history.records.findLastIndex(({ timestamp }) => since !== null && timestamp < since)
        const fold = new StatsFold(range)
        for (const record of history.records.slice(Math.max(0, oldest))) fold.add(record)
        expect(fold.finish()).toEqual(naiveStats(history, { from, to }))
      }),
      runs,
    )
  })
})

describe('a folded series', () => {
  it('has first, last, least and greatest balance of each bucket, and no more buckets than asked for', () => {
    fc.assert(
      fc.property(asked, ({ history, from, to, points }) => {
        const end = endOf(history, to)
        const first = history.records.find(({ timestamp }) => timestamp <= end)?.timestamp ?? end
        const begin = from === undefined ? first : from > end ? end : from
        const fold = new SeriesFold({ from: begin, to: end, points, intervals: naiveIntervals(history) })
        for (const record of history.records) fold.add(record)
        const series = fold.finish()
        expect(series).toEqual(naiveSeries(history, { from, to }, series.bucketMs))
        expect(series.buckets.length).toBeLessThanOrEqual(points)
      }),
      runs,
    )
  })

  it('keeps its buckets while the range moves and zooms a little', () => {
    const day = 86_400_000
    expect(bucketWidthMs({ fromMs: 100 * day, toMs: 465 * day }, 2000)).toBe(6 * 3_600_000)
    expect(bucketWidthMs({ fromMs: 100 * day + 12_345, toMs: 465 * day + 54_321 }, 2000)).toBe(6 * 3_600_000)
    expect(bucketWidthMs({ fromMs: 120 * day, toMs: 465 * day }, 2000)).toBe(6 * 3_600_000)
    expect(bucketWidthMs({ fromMs: 7, toMs: 7 }, 1)).toBe(1000)
    expect(bucketWidthMs({ fromMs: 0, toMs: Date.UTC(9999, 11, 31) }, 1)).toBe(bucketWidthsMs.at(-1))
  })
})

describe('a range before 1970', () => {
  const narrow = { points: 5, intervals: [] }
  const day = (text: string): Date => new Date(`${text}T00:00:00Z`)

  it('begins with 1970, and ends where it was meant to', () => {
    const long = new SeriesFold({ ...narrow, from: day('1960-01-01'), to: day('2000-01-01') })
    long.add({ balance: 5n, previousBalance: null, blockNumber: 1n, timestamp: day('1999-01-01') })
    expect(long.finish()).toMatchObject({ from: day('1970-01-01'), to: day('2000-01-01'), buckets: [{ count: 1 }] })
    const early = new SeriesFold({ ...narrow, from: day('1950-01-01'), to: day('1960-01-01') })
    expect(early.finish()).toMatchObject({ from: day('1960-01-01'), to: day('1960-01-01'), buckets: [] })
  })
})

describe('certainty', () => {
  it('is what was seen of the block, or of the newest block by the time', () => {
    fc.assert(
      fc.property(asked, ({ history: { blocks, records, rows }, to }) => {
        const timeOf = (number: bigint | null): Date | null =>
          (number === null ? blocks.at(-1) : blocks.find((block) => block.number === number))?.time ?? null
        const timed = rows.map((row) => ({ ...row, fromTime: timeOf(row.from), toTime: timeOf(row.to) }))
        const history = { blocks, records, rows: timed }
        const time = endOf(history, to)
        const held = naiveAtTime(history, time)
        if (held !== null) expect(certaintyAt(timed, { time })).toBe(held.certainty)
        for (const { number } of blocks) {
          const at = naiveAtBlock(history, number)
          if (at !== null) expect(certaintyAt(timed, { block: number })).toBe(at.certainty)
        }
      }),
      runs,
    )
  })
})

describe('divisions', () => {
  const sums = {
    from: new Date(0),
    to: new Date(1_000_000),
    totalRecords: 2,
    latestBalance: 10n,
    oldestBalance: 20n,
    minBalance: 10n,
    maxBalance: 20n,
    dayAgoBalance: 30n,
    inflow: 0n,
    outflow: 10n,
    weightMs: 7_200_000n,
    weighted: 7_200_000n * 15n + 7_199_999n,
    netOutflow: 3n,
    coverage: [],
  }

  it('round toward zero', () => {
    const stats = deriveStats(sums)
    expect(stats.averageBalance).toBe(15n)
    expect(stats.burnRatePerHour).toBe(1n)
    expect(stats.balanceChangePercent24h).toBe('-66.6666')
    expect(stats.emptyAt).toEqual(new Date(1_000_000 + 24_000_000))
    expect(deriveStats({ ...sums, dayAgoBalance: 3_000_000_000n, latestBalance: 2_999_999_999n })).toMatchObject({
      balanceChange24h: -1n,
      balanceChangePercent24h: '0.0000',
    })
  })

  it('by nothing give nothing', () => {
    const stats = deriveStats({ ...sums, dayAgoBalance: 0n, weightMs: 0n, weighted: 0n, netOutflow: 0n })
    expect(stats).toMatchObject({ averageBalance: null, burnRatePerHour: null, emptyAt: null })
    expect(stats).toMatchObject({ balanceChange24h: 10n, balanceChangePercent24h: null })
    expect(deriveStats({ ...sums, netOutflow: -5n })).toMatchObject({ burnRatePerHour: 0n, emptyAt: null })
  })

  it('name no day without a four-digit year', () => {
    expect(deriveStats({ ...sums, latestBalance: 10n ** 77n, netOutflow: 1n }).emptyAt).toBeNull()
  })
})
