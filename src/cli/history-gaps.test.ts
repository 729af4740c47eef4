import { describe, expect, it } from 'vitest'

import type { WireCoverageInterval } from '../client/index.js'
import { gapsOf, timeGapsOf } from './history-gaps.js'

function interval(fromBlock: number, toBlock: number | null, kind: 'exact' | 'sampled'): WireCoverageInterval {
  return { fromBlock: String(fromBlock), toBlock: toBlock === null ? null : String(toBlock), kind }
}

const intervals = [interval(10, 19, 'exact'), interval(20, 29, 'sampled'), interval(40, null, 'exact')]

describe('gapsOf', () => {
  it.each([
    [10n, 19n, []],
    [40n, null, []],
    [45n, 50n, []],
    [25n, 27n, ['blocks 25 to 27, which were only sampled']],
    [15n, 45n, ['blocks 20 to 29, which were only sampled', 'blocks 30 to 39, which nobody watched']],
    [5n, 12n, ['blocks 5 to 9, which nobody watched']],
    [32n, 33n, ['blocks 32 to 33, which nobody watched']],
  ])('tells what of blocks %s to %s is not known exactly', (from, to, gaps) => {
    expect(gapsOf(intervals, from, to)).toEqual(gaps)
  })

  it('tells an end that is open, and that nothing is known', () => {
    expect(gapsOf([interval(10, null, 'sampled')], 12n, null)).toEqual(['blocks 12 and later, which were only sampled'])
    expect(gapsOf([], 1n, 2n)).toEqual(['blocks 1 to 2, which nobody watched'])
    expect(gapsOf([interval(1, 5, 'exact')], 4n, 9n)).toEqual(['blocks 6 to 9, which nobody watched'])
  })
})

describe('timeGapsOf', () => {
  const at = (minute: number): string => `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`
  const spans = [
    { from: at(10), to: at(20), kind: 'exact' },
    { from: at(20), to: at(30), kind: 'sampled' },
    { from: at(40), to: at(50), kind: 'exact' },
  ] as const
  const text = (first: number, last: number, why: string): string =>
    `the time from 2026-01-01 00:${first}:00 to 2026-01-01 00:${last}:00 UTC, ${why}`

  it('tells what of a time is not known exactly, at its ends, too', () => {
    expect(timeGapsOf(spans.slice(0, 1), at(10), at(20))).toEqual([])
    expect(timeGapsOf(spans, at(10), at(55))).toEqual([
      text(20, 30, 'which was only sampled'),
      text(30, 40, 'when nobody watched'),
      text(50, 55, 'when nobody watched'),
    ])
    expect(timeGapsOf([], at(31), at(39))).toEqual([text(31, 39, 'when nobody watched')])
    expect(timeGapsOf([], at(31), at(31))).toEqual([])
  })
})
