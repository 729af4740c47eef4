import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { countBlocks, cutRanges, intersectRanges, joinRanges, subtractRanges } from './block-ranges.js'
import type { BlockRange } from './block-ranges.js'

const LAST = 40n
const anyRange = fc
  .tuple(fc.bigInt(0n, LAST), fc.bigInt(0n, LAST))
  .map(([one, other]): BlockRange => (one < other ? { from: one, to: other } : { from: other, to: one }))
const anyRanges = fc.array(anyRange, { maxLength: 6 })

describe('block ranges', () => {
  it('without others hold exactly the blocks that none of them has', () => {
    fc.assert(
      fc.property(anyRange, anyRanges, (range, taken) => {
        const expected = blocksOf([range]).filter((block) => !blocksOf(taken).includes(block))
        expect(blocksOf(subtractRanges(range, taken))).toEqual(expected)
      }),
    )
  })

  it('joined hold the same blocks, neither overlapping nor touching', () => {
    fc.assert(
      fc.property(anyRanges, (ranges) => {
        const joined = joinRanges(ranges)
        expect(blocksOf(joined)).toEqual([...new Set(blocksOf(ranges))].toSorted((one, other) => Number(one - other)))
        joined.slice(1).forEach((range, index) => expect(range.from).toBeGreaterThan((joined[index]?.to ?? 0n) + 1n))
        expect(countBlocks(joined)).toBe(BigInt(blocksOf(joined).length))
      }),
    )
  })

  it('cut hold the same blocks in pieces that are small enough', () => {
    fc.assert(
      fc.property(anyRanges, fc.bigInt(1n, 50n), (ranges, blocksMax) => {
        const pieces = cutRanges(ranges, blocksMax)
        expect(blocksOf(pieces)).toEqual(blocksOf(ranges))
        for (const piece of pieces) expect(countBlocks([piece])).toBeLessThanOrEqual(blocksMax)
      }),
    )
  })

  it('meet where both have a block', () => {
    fc.assert(
      fc.property(anyRange, anyRange, (one, other) => {
        const met = intersectRanges(one, other)
        const expected = blocksOf([one]).filter((block) => blocksOf([other]).includes(block))
        expect(met === null ? [] : blocksOf([met])).toEqual(expected)
      }),
    )
  })
})

function blocksOf(ranges: readonly BlockRange[]): readonly bigint[] {
  return ranges.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => from + BigInt(index)),
  )
}
