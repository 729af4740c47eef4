import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { HOUR_MS, MINUTE_MS, SUM_WIDTHS, cutRange, widestSum } from './range-pieces.js'
import type { Span } from './range-pieces.js'

const time = fc.oneof(
  fc.integer({ min: 0, max: 6 * HOUR_MS }),
  fc.integer({ min: 0, max: 6 }).map((hours) => hours * HOUR_MS),
  fc.integer({ min: 0, max: 36 }).map((tens) => tens * 10 * MINUTE_MS),
  fc.integer({ min: 0, max: 360 }).map((minutes) => minutes * MINUTE_MS),
)
const widest = fc.constantFrom(0 as const, ...SUM_WIDTHS)

describe('cutting a time range', () => {
  it('puts every instant into one piece, and only whole sums where they belong', () => {
    fc.assert(
      fc.property(time, time, widest, (from, end, widestMinutes) => {
        const { rows, sums } = cutRange({ from, end }, widestMinutes)
        expect(sums.map(({ widthMinutes }) => widthMinutes)).toEqual([1, 10, 60, 10, 1])
        for (const { from: first, end: last, widthMinutes } of sums.filter((piece) => piece.from !== piece.end)) {
          expect(widthMinutes).toBeLessThanOrEqual(widestMinutes)
          expect([first % (widthMinutes * MINUTE_MS), last % (widthMinutes * MINUTE_MS)]).toEqual([0, 0])
        }
        const pieces: readonly Span[] = [rows[0], ...sums, rows[1]].filter((span) => span.from !== span.end)
        for (const piece of pieces) expect(piece.from).toBeLessThan(piece.end)
        if (from >= end) {
          expect(pieces).toEqual([])
          return
        }
        expect([pieces[0]?.from, pieces.at(-1)?.end]).toEqual([from, end])
        pieces.slice(1).forEach((piece, index) => expect(piece.from).toBe(pieces[index]?.end))
      }),
    )
  })

  it('leaves to rows and narrow sums only what does not fill wider ones', () => {
    fc.assert(
      fc.property(time, time, (from, end) => {
        const { rows, sums } = cutRange({ from, end }, 60)
        const total = (spans: readonly Span[]): number => spans.reduce((sum, span) => sum + span.end - span.from, 0)
        expect(total(rows)).toBeLessThan(2 * MINUTE_MS)
        expect(total(sums.filter(({ widthMinutes }) => widthMinutes === 1))).toBeLessThan(20 * MINUTE_MS)
        expect(total(sums.filter(({ widthMinutes }) => widthMinutes === 10))).toBeLessThan(2 * HOUR_MS)
      }),
    )
  })

  it('takes the widest sums that go into a bucket', () => {
    expect([1, 59_999, MINUTE_MS, 9 * MINUTE_MS, 30 * MINUTE_MS, 3 * HOUR_MS].map(widestSum)).toEqual([
      0, 0, 1, 1, 10, 60,
    ])
  })
})
