import fc from 'fast-check'

import type { FoldedRecord } from '../../src/model/statistics/stats-fold.js'
import type { CoverageKind } from '../../src/model/chain-event.js'
import type { TimedInterval } from '../../src/model/coverage.js'

/** A position's records and coverage on a chain of a few dozen blocks, of which some share a second. */
export interface PlayedHistory {
  readonly blocks: readonly { readonly number: bigint; readonly time: Date }[]
  readonly records: readonly FoldedRecord[]
  /** As stored: neighbours of one kind may touch. Times as they are known without looking at records. */
  readonly rows: readonly TimedInterval[]
}

/** Where texts of numbers sort wrongly. */
const FIRST_BLOCK = 9_999_980n
const FIRST_SECOND = 1_700_000_000
const LARGEST = 10n ** 78n - 1n

interface Draft {
  readonly steps: readonly number[]
  readonly stretches: readonly {
    readonly length: number
    readonly kind: CoverageKind | 'unseen'
    readonly split: boolean
  }[]
  readonly balances: readonly (bigint | null)[]
  readonly starts: readonly boolean[]
  readonly forgotten: readonly boolean[]
  readonly open: boolean
}

const balance = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 5n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: LARGEST - 5n, max: LARGEST }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: LARGEST }) },
)

const draft: fc.Arbitrary<Draft> = fc.integer({ min: 1, max: 40 }).chain((count) => {
  const each = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
    fc.array(arbitrary, { minLength: count, maxLength: count })
  return fc.record({
    steps: each(fc.constantFrom(0, 0, 1, 2, 12, 40_000)),
    stretches: each(
      fc.record({
        length: fc.integer({ min: 1, max: 9 }),
        kind: fc.constantFrom('exact' as const, 'exact' as const, 'sampled' as const, 'unseen' as const),
        split: fc.boolean(),
      }),
    ),
    balances: each(fc.option(balance, { freq: 2 })),
    starts: each(fc.integer({ min: 0, max: 9 }).map((n) => n === 0)),
    forgotten: each(fc.integer({ min: 0, max: 4 }).map((n) => n === 0)),
    open: fc.boolean(),
  })
})

export const playedHistory: fc.Arbitrary<PlayedHistory> = draft.map(play)

function play(drawn: Draft): PlayedHistory {
  let second = FIRST_SECOND
  const blocks = drawn.steps.map((step, index) => {
    second += step
    return { number: FIRST_BLOCK + BigInt(index), time: new Date(second * 1000) }
  })
  const records: FoldedRecord[] = []
  for (const [index, { number, time }] of blocks.entries()) {
    const held = drawn.balances[index] ?? null
    if (held === null) continue
    const before = records.at(-1)
    const previousBalance = before === undefined || drawn.starts[index] === true ? null : before.balance
    records.push({ balance: held, previousBalance, blockNumber: number, timestamp: time })
  }
  return { blocks, records, rows: rowsOf(drawn, blocks) }
}

function rowsOf(drawn: Draft, blocks: PlayedHistory['blocks']): readonly TimedInterval[] {
  const rows: TimedInterval[] = []
  const timeOf = (index: number): Date | null =>
    drawn.forgotten[index] === true ? null : (blocks[index]?.time ?? null)
  let first = 0
  for (const { length, kind, split } of drawn.stretches) {
    const last = Math.min(first + length, blocks.length) - 1
    if (first > last) break
    const cuts =
      split && kind === 'exact' && last > first
        ? [
            [first, first],
            [first + 1, last],
          ]
        : [[first, last]]
    for (const [from = 0, to = 0] of cuts) {
      if (kind === 'unseen') continue
      const isOpen = drawn.open && to === blocks.length - 1
      rows.push({
        from: FIRST_BLOCK + BigInt(from),
        to: isOpen ? null : FIRST_BLOCK + BigInt(to),
        kind,
        fromTime: timeOf(from),
        toTime: isOpen ? (blocks.at(-1)?.time ?? null) : timeOf(to),
      })
    }
    first = last + 1
  }
  return rows
}

/** Times to ask for: of blocks, a little beside them, and far away; or none. */
export function askedTime({ blocks }: PlayedHistory): fc.Arbitrary<Date | undefined> {
  const near = fc
    .tuple(fc.constantFrom(...blocks), fc.constantFrom(0, 0, 1, -1, 500, 1000, -1000, 86_400_000))
    .map(([block, beside]) => new Date(block.time.getTime() + beside))
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 6, arbitrary: near },
    { weight: 1, arbitrary: fc.constantFrom(new Date(0), new Date('2500-01-01')) },
  )
}
