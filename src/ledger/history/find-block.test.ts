import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { findBlockAt } from './find-block.js'
import type { HistorySource } from './history-source.js'

describe('findBlockAt', () => {
  it('finds the first block at or after a time, also among blocks of one second', async () => {
    const anyTimes = fc
      .array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 30 })
      .map((times) => times.toSorted((one, other) => one - other))
    await fc.assert(
      fc.asyncProperty(anyTimes, fc.integer({ min: -1, max: 45 }), async (times, seconds) => {
        const index = times.findIndex((time) => time >= seconds)
        const expected = BigInt(index === -1 ? times.length : index)
        expect(await findBlockAt(sourceOf(times), new Date(seconds * 1000), BigInt(times.length - 1))).toBe(expected)
      }),
    )
  })
})

function sourceOf(times: readonly number[]): Pick<HistorySource, 'header'> {
  return {
    header: (number) => {
      const timestampSeconds = times[Number(number)]
      if (timestampSeconds === undefined) throw new Error(`there is no block ${number}`)
      return Promise.resolve({ number, hash: '0x', parentHash: '0x', timestampSeconds })
    },
  }
}
