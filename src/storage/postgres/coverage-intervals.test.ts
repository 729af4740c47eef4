import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { CoverageInterval } from '../../model/coverage.js'
import { joinTouching, mergeCoverage } from './coverage-intervals.js'

const CURSOR = 30n

/** Each block's kind up to the cursor: `e`xact, `s`ampled or unseen. */
function paint(intervals: readonly CoverageInterval[]): string {
  return Array.from({ length: Number(CURSOR) + 1 }, (_, index) => {
    const number = BigInt(index)
    const found = intervals.filter(({ from, to }) => from <= number && (to ?? CURSOR) >= number)
    if (found.length > 1) throw new Error(`block ${number} is in two intervals`)
    return found[0]?.kind.slice(0, 1) ?? '.'
  }).join('')
}

/** Intervals that a picture shows, the last one open if it reaches the cursor and is to be. */
function intervalsOf(picture: string, open: boolean): CoverageInterval[] {
  const intervals = joinTouching(
    [...picture].flatMap((letter, index) =>
      letter === '.'
        ? []
        : [
            {
              from: BigInt(index),
              to: BigInt(index),
              kind: letter === 'e' ? ('exact' as const) : ('sampled' as const),
            },
          ],
    ),
  )
  const last = intervals.at(-1)
  return open && last?.to === CURSOR ? [...intervals.slice(0, -1), { ...last, to: null }] : intervals
}

const pictures = fc
  .array(fc.constantFrom('.', 'e', 's'), { minLength: Number(CURSOR) + 1, maxLength: Number(CURSOR) + 1 })
  .map((letters) => letters.join(''))

describe('coverage intervals', () => {
  it('are never worse after an addition, and know every block that was added', () => {
    fc.assert(
      fc.property(
        pictures,
        fc.boolean(),
        fc.nat(Number(CURSOR)),
        fc.nat(Number(CURSOR)),
        fc.constantFrom('exact' as const, 'sampled' as const),
        (picture, open, one, two, kind) => {
          const before = intervalsOf(picture, open)
          const [from, to] = one < two ? [one, two] : [two, one]
          const after = mergeCoverage(before, { from: BigInt(from), to: BigInt(to), kind }, CURSOR)
          const painted = paint(after)
          const wasOpen = before.at(-1)?.to === null
          for (let block = 0; block < painted.length; block += 1) {
            const inside = block >= from && block <= to
            const keeps = !inside || picture[block] === 'e' || (wasOpen && block === Number(CURSOR))
            const expected = keeps ? picture[block] : kind.slice(0, 1)
            expect([block, painted[block]]).toEqual([block, expected])
          }
          expect(after.filter((interval) => interval.to === null)).toHaveLength(wasOpen ? 1 : 0)
          expect(joinTouching(after)).toEqual(after)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('go on to be open and exact where an exact addition touches the open interval', () => {
    expect(
      mergeCoverage([{ from: 20n, to: null, kind: 'exact' }], { from: 5n, to: 19n, kind: 'exact' }, CURSOR),
    ).toEqual([{ from: 5n, to: null, kind: 'exact' }])
  })

  it('leave the block at the cursor to an open sampled interval', () => {
    expect(
      mergeCoverage([{ from: 20n, to: null, kind: 'sampled' }], { from: 5n, to: 30n, kind: 'exact' }, CURSOR),
    ).toEqual([
      { from: 5n, to: 29n, kind: 'exact' },
      { from: 30n, to: null, kind: 'sampled' },
    ])
  })
})
