import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { HOUR_MS, MINUTE_MS, cutRange } from './range-pieces.js'
import type { Span } from './range-pieces.js'

const time = fc.oneof(
  fc.integer({ min: 0, max: 6 * HOUR_MS }),
  fc.integer({ min: 0, max: 6 }).map((hours) => hours * HOUR_MS),
  fc.integer({ min: 0, max: 360 }).map((minutes) => minutes * MINUTE_MS),
)
const widest = fc.constantFrom<1 | typeof MINUTE_MS | typeof HOUR_MS>(1, MINUTE_MS, HOUR_MS)

describe('cutting a time range', () => {
  it('puts every instant into one piece, and whole minutes and hours where they belong', () => {
    fc.assert(
      fc.property(time, time, widest, (from, end, width) => {
        const { rows, minutes, hours } = cutRange({ from, end }, width)
        const pieces: Span[] = [rows[0], minutes[0], hours, minutes[1], rows[1]].filter(
          (span) => span.from !== span.end,
        )
        for (const piece of pieces) expect(piece.from).toBeLessThan(piece.end)
        if (from >= end) {
          expect(pieces).toEqual([])
          return
        }
        expect(pieces[0]?.from).toBe(from)
        expect(pieces.at(-1)?.end).toBe(end)
        pieces.slice(1).forEach((piece, index) => expect(piece.from).toBe(pieces[index]?.end))
        const aligned = (span: Span, unit: number): boolean =>
          span.from === span.end || (span.from % unit === 0 && span.end % unit === 0)
        expect([...minutes, hours].every((span) => aligned(span, MINUTE_MS)) && aligned(hours, HOUR_MS)).toBe(true)
      }),
    )
  })

  it('leaves at most what does not fill a minute to the rows, and what does not fill an hour to the minutes', () => {
    fc.assert(
      fc.property(time, time, (from, end) => {
        const { rows, minutes } = cutRange({ from, end }, HOUR_MS)
        const total = (spans: readonly Span[]): number => spans.reduce((sum, span) => sum + span.end - span.from, 0)
        expect(total(rows)).toBeLessThan(2 * MINUTE_MS)
        expect(total(minutes)).toBeLessThan(2 * HOUR_MS)
      }),
    )
  })
})
