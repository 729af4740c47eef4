import fc from 'fast-check'
import { expect, it } from 'vitest'

import type { TimedInterval } from '../../model/coverage.js'
import { withoutSpans } from './announced-coverage.js'

const BLOCKS = 40

const spanArbitrary = fc
  .tuple(fc.integer({ min: 0, max: BLOCKS }), fc.integer({ min: 0, max: 12 }))
  .map(([from, length]) => ({ from: BigInt(from), to: BigInt(from + length) }))

/** Disjoint and in order: one begins behind the end of the one before. */
const intervalsArbitrary = fc
  .array(
    fc.record({ gap: fc.integer({ min: 0, max: 6 }), length: fc.integer({ min: 0, max: 9 }), exact: fc.boolean() }),
    {
      maxLength: 5,
    },
  )
  .chain((pieces) => fc.tuple(fc.constant(pieces), fc.boolean()))
  .map(([pieces, isOpen]) => {
    let next = 0n
    return pieces.map(({ gap, length, exact }, index): TimedInterval => {
      const from = next + BigInt(gap)
      const to = from + BigInt(length)
      next = to + 1n
      const isLast = index === pieces.length - 1
      return {
        from,
        to: isOpen && isLast ? null : to,
        kind: exact ? 'exact' : 'sampled',
        fromTime: new Date(Number(from) * 1000),
        toTime: new Date(Number(to) * 1000),
      }
    })
  })

it('leaves of coverage exactly the blocks that are in no unannounced span, each known as before', () => {
  fc.assert(
    fc.property(intervalsArbitrary, fc.array(spanArbitrary, { maxLength: 4 }), (intervals, spans) => {
      const left = withoutSpans(intervals, spans)
      for (let block = 0n; block < 100n; block += 1n) {
        const isTold = !spans.some(({ from, to }) => from <= block && block <= to)
        expect(kindAt(left, block), `block ${block}`).toBe(isTold ? kindAt(intervals, block) : undefined)
      }
      for (const { from, to, fromTime, toTime } of left) {
        const before = intervals.find(
          (interval) => interval.from <= from && (interval.to === null || from <= interval.to),
        )
        expect(fromTime).toEqual(before?.from === from ? before.fromTime : null)
        expect(toTime).toEqual(before?.to === to ? before.toTime : null)
      }
    }),
  )
})

function kindAt(intervals: readonly TimedInterval[], block: bigint): string | undefined {
  return intervals.find(({ from, to }) => from <= block && (to === null || block <= to))?.kind
}
