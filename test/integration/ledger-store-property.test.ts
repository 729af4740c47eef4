import fc from 'fast-check'
import { expect, it } from 'vitest'

import { decideBlock } from '../../src/ledger/decide-block.js'
import type { CoverageKind } from '../../src/model/chain-event.js'
import type { BlockHeader } from '../../src/model/block.js'
import { HistoryContradictionError } from '../../src/ledger/ledger-store.js'
import type { HistoryRow, StoredPosition } from '../../src/ledger/ledger-store.js'
import { blockTime } from '../../src/model/block.js'
import { positionKey } from '../../src/model/position.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { longTimeoutMs, times } from '../support/long.js'
import { naiveSeries, naiveStats } from '../support/naive-statistics.js'
import { storedHistory } from '../support/stored-history.js'
import {
  blockCommit,
  chainId,
  header,
  historyCommit,
  openStore,
  row,
  solver,
  spanCommit,
} from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'

type Step =
  | { readonly kind: 'block'; readonly balance: number; readonly fails: boolean }
  | { readonly kind: 'span'; readonly balances: readonly number[]; readonly known: CoverageKind | 'not' }
  | { readonly kind: 'rollback'; readonly depth: number }
  | { readonly kind: 'history'; readonly from: number; readonly length: number; readonly known: CoverageKind }

const FIRST = 9
const balance = fc.nat(2)
const known = fc.constantFrom('exact' as const, 'sampled' as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('block' as const), balance, fails: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('span' as const),
      balances: fc.array(balance, { minLength: 1, maxLength: 6 }),
      known: fc.constantFrom('exact' as const, 'sampled' as const, 'not' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rollback' as const), depth: fc.nat(12) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('history' as const), from: fc.nat(20), length: fc.nat(8), known }),
  },
)

/** The chain as it is, and which blocks of it the store was told. */
class Model {
  /** By block number: what the chain answers, and the block. */
  readonly truth = new Map<number, { balance: bigint; header: BlockHeader }>()
  readonly seen = new Map<number, CoverageKind>()
  cursor = FIRST
  #branch = 0

  constructor() {
    for (let number = 0; number <= FIRST; number += 1) {
      this.truth.set(number, { balance: BigInt(number % 2), header: header(BigInt(number)) })
    }
  }

  at(number: number): { balance: bigint; header: BlockHeader } {
    const block = this.truth.get(number)
    if (block === undefined) throw new Error(`block ${number} was never made`)
    return block
  }

  add(value: number): void {
    const parent = this.at(this.cursor).header
    this.cursor += 1
    const next = header(BigInt(this.cursor), (this.#branch % 16).toString(16))
    // Blocks of another branch have other times, too.
    const timestampSeconds = next.timestampSeconds + (this.#branch % 3)
    this.truth.set(this.cursor, {
      balance: BigInt(value),
      header: { ...next, parentHash: parent.hash, timestampSeconds },
    })
  }

  cutTo(number: number): void {
    for (let above = this.cursor; above > number; above -= 1) {
      this.truth.delete(above)
      this.seen.delete(above)
    }
    this.cursor = number
    // The next blocks have other hashes than the ones that went.
    this.#branch += 1
  }
}

async function position(fixture: StoreFixture): Promise<StoredPosition> {
  const found = (await fixture.store.loadPositions(chainId)).find((entry) => entry.id === fixture.native)
  if (found === undefined) throw new Error('the position is watched')
  return found
}

async function takeBlock(fixture: StoreFixture, model: Model, next: Extract<Step, { kind: 'block' }>): Promise<void> {
  const parent = model.at(model.cursor).header
  model.add(next.balance)
  const at = model.at(model.cursor)
  const stored = await position(fixture)
  const decision = decideBlock(new Map([[positionKey(stored), stored]]), {
    header: at.header,
    readings: [
      next.fails
        ? { kind: 'failed', position: stored, reason: 'it failed' }
        : { kind: 'balance', position: stored, balance: at.balance },
    ],
    attributions: new Map(),
    metadata: new Map(),
    finality: { safe: null, finalized: null },
  })
  await fixture.store.commitBlock(blockCommit(parent, at.header, decision))
  if (!next.fails) model.seen.set(model.cursor, 'exact')
}

async function takeSpan(fixture: StoreFixture, model: Model, next: Extract<Step, { kind: 'span' }>): Promise<void> {
  const before = model.cursor
  const parent = model.at(before).header
  for (const value of next.balances) model.add(value)
  const target = model.at(model.cursor)
  const stored = await position(fixture)
  if (next.known === 'not') {
    const stale = [{ positionId: stored.id, reason: 'it failed' }]
    await fixture.store.commitSpan(spanCommit(parent, [target.header], { stale }))
    return
  }
  const records: HistoryRow[] = []
  let last = stored.fresh ? null : stored.lastBalance
  for (let number = before + 1; number <= model.cursor; number += 1) {
    const told = number === model.cursor || (next.known === 'exact' && !stored.fresh)
    const at = model.at(number)
    if (told && at.balance !== last) {
      records.push(row(stored.id, at.header, at.balance, last))
      last = at.balance
    }
    if (number === model.cursor) model.seen.set(number, 'exact')
    else if (!stored.fresh) model.seen.set(number, next.known)
  }
  const coverage = new Map([[stored.id, next.known]])
  await fixture.store.commitSpan(spanCommit(parent, [target.header], { records, coverage }))
}

async function takeHistory(
  fixture: StoreFixture,
  model: Model,
  next: Extract<Step, { kind: 'history' }>,
): Promise<void> {
  const from = Math.min(next.from, model.cursor)
  // Where blocks that were read afterwards contradict the end, history is rewritten up to the cursor.
  const written = await rewrite(fixture, model, {
    from,
    to: Math.min(from + next.length, model.cursor),
    known: next.known,
  })
  if (!written) expect(await rewrite(fixture, model, { from, to: model.cursor, known: next.known })).toBe(true)
}

async function rewrite(
  fixture: StoreFixture,
  model: Model,
  range: { readonly from: number; readonly to: number; readonly known: CoverageKind },
): Promise<boolean> {
  const { from, to } = range
  const blocks = Array.from({ length: to - from + 1 }, (_, index) => from + index)
  // Nobody replaces what is known exactly by samples.
  const kind = blocks.some((number) => model.seen.get(number) === 'exact') ? 'exact' : range.known
  const records: HistoryRow[] = []
  let last: bigint | null = null
  for (const number of blocks) {
    const at = model.at(number)
    if (at.balance !== last && (kind === 'exact' || number === from || number === to)) {
      records.push(row(fixture.native, at.header, at.balance, last))
      last = at.balance
    }
  }
  // Finality says that the blocks are canonical.
  await fixture.database.query({
    name: 'test-finality',
    text: 'update tidemark.chain set finalized_number = $1',
    values: [to],
  })
  const commit = historyCommit(fixture.native, BigInt(from), model.at(to).header, { records, coverage: kind })
  try {
    await fixture.store.commitHistory(commit)
  } catch (error) {
    if (error instanceof HistoryContradictionError) return false
    throw error
  }
  for (const number of blocks) if (model.seen.get(number) !== 'exact') model.seen.set(number, kind)
  return true
}

async function take(fixture: StoreFixture, model: Model, next: Step): Promise<void> {
  switch (next.kind) {
    case 'block':
      return takeBlock(fixture, model, next)
    case 'span':
      return takeSpan(fixture, model, next)
    case 'history':
      return takeHistory(fixture, model, next)
    case 'rollback': {
      const ancestor = Math.max(FIRST - 2, model.cursor - next.depth)
      if (ancestor === model.cursor) return
      await fixture.rollBack(model.at(model.cursor).header, model.at(ancestor).header)
      model.cutTo(ancestor)
    }
  }
}

async function check(fixture: StoreFixture, model: Model): Promise<void> {
  const records = await fixture.records(fixture.native)
  const stored = await fixture.store.recordsBetween(fixture.native, { from: 0n, to: 1_000_000n, limit: 1000 })
  for (const [index, [number, value, previous]] of records.entries()) {
    const before = records[index - 1]
    if (previous !== null) expect([number, previous]).toEqual([number, before?.[1]])
    expect(previous).not.toBe(value)
    expect(stored[index]?.blockHash).toBe(model.at(Number(number)).header.hash)
    expect(value).toBe(model.at(Number(number)).balance)
  }
  expect((await position(fixture)).lastBalance).toBe(records.at(-1)?.[1] ?? null)

  const painted = new Map<number, CoverageKind>()
  const intervals = await fixture.store.coverage(fixture.native)
  expect(intervals.filter((interval) => interval.to === null).length).toBeLessThanOrEqual(1)
  for (const { from, to, kind } of intervals) {
    expect(to ?? BigInt(model.cursor)).toBeLessThanOrEqual(BigInt(model.cursor))
    for (let number = Number(from); number <= Number(to ?? model.cursor); number += 1) {
      expect(painted.has(number)).toBe(false)
      painted.set(number, kind)
      const newest = records.findLast(([block]) => block <= number)
      if (kind === 'exact') expect([number, newest?.[1]]).toEqual([number, model.at(number).balance])
    }
  }
  const order = (entries: ReadonlyMap<number, CoverageKind>): unknown => [...entries].toSorted(([a], [b]) => a - b)
  expect(order(painted)).toEqual(order(model.seen))
}

/** What is answered over time is what the records and the coverage say that stand now, with times of these blocks. */
async function checkAnswers(fixture: StoreFixture, model: Model): Promise<void> {
  const history = await storedHistory(fixture.database, fixture.native)
  for (const { from, to, fromTime, toTime } of history.rows) {
    const timeOf = (number: bigint): Date => blockTime(model.at(Number(number)).header)
    if (fromTime !== null) expect([from, fromTime]).toEqual([from, timeOf(from)])
    if (to !== null && toTime !== null) expect([to, toTime]).toEqual([to, timeOf(to)])
  }
  const reader = new PostgresRecordReader(fixture.database)
  const asked = { position: { chainId, token: 'native' as const, solver } }
  const range = { from: blockTime(model.at(Math.max(0, model.cursor - 6)).header) }
  expect(await reader.stats(asked)).toEqual(naiveStats(history, {}))
  expect(await reader.stats({ ...asked, ...range })).toEqual(naiveStats(history, range))
  expect(await reader.series({ ...asked, ...range, points: 9 })).toEqual(naiveSeries(history, range, 10_000))
}

it(
  'keeps records linked and exact blocks right through any blocks, spans, rollbacks and rewritings',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const fixture = await openStore()
        try {
          const model = new Model()
          for (const next of steps) {
            await take(fixture, model, next)
            await check(fixture, model)
            if (next.kind === 'rollback' || next.kind === 'history') await checkAnswers(fixture, model)
          }
          await checkAnswers(fixture, model)
        } finally {
          await fixture.close()
        }
      }),
      { numRuns: times(15, 2000), seed: 20, endOnFailure: true },
    )
  },
  longTimeoutMs,
)
