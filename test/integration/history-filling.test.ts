import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { ChainLedger } from '../../src/ledger/chain-ledger.js'
import { announceHistory } from '../../src/ledger/history/announce-history.js'
import { fillHistory } from '../../src/ledger/history/fill-history.js'
import type { FillReport } from '../../src/ledger/history/fill-history.js'
import { openScope } from '../../src/ledger/history/history-scope.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Position } from '../../src/model/position.js'
import { PostgresBalanceReader } from '../../src/storage/postgres/balance-reader.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { PaperChain } from '../support/paper-chain.js'
import type { Step } from '../support/paper-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const chainId = 1n
const one: Position = { chainId, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const two: Position = { ...one, solver: `0x${'b2'.repeat(20)}` }
const both = [one, two]
/** History is filled in from here, and followed from a few blocks later. */
const FIRST = 1n
const FOLLOWED = 12n

let testDatabase: TestDatabase
let database: Database
let store: PostgresLedgerStore
let reader: PostgresBalanceReader

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.address, silentLogger)
  store = new PostgresLedgerStore(database)
  reader = new PostgresBalanceReader(database)
})

afterAll(async () => {
  await database.close()
  await testDatabase.drop()
})

/** Few balances, so that they come back often. */
const anySteps = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.bigInt(0n, 2n)), { minLength: 5, maxLength: 40, size: 'max' })
  .map((pieces) => {
    let block = 0n
    return pieces.map(([blocks, balance]): Step => [(block += BigInt(blocks)), balance])
  })
const anyAbsences = fc.array(
  fc.record({ away: fc.integer({ min: 1, max: 25 }), there: fc.integer({ min: 1, max: 4 }) }),
  {
    minLength: 1,
    maxLength: 3,
  },
)
const anyFill = fc.record({
  from: fc.integer({ min: 1, max: 60 }),
  blocks: fc.integer({ min: 0, max: 60 }),
  sliceBlocks: fc.integer({ min: 1, max: 9 }),
  coverage: fc.constantFrom('exact' as const, 'exact' as const, 'sampled' as const),
  /** Answers until the node goes away. */
  answers: fc.option(fc.integer({ min: 0, max: 30 }), { freq: 1 }),
  /** A position that cannot be read at some blocks. */
  hidden: fc.option(fc.integer({ min: 1, max: 60 }), { freq: 1 }),
})
type AnyFill = typeof anyFill extends fc.Arbitrary<infer Value> ? Value : never

it(
  'filling in gaps in any pieces, broken off anywhere, leads to what following block by block says',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(anySteps, anySteps),
        anyAbsences,
        fc.array(anyFill, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 9 }),
        async ([ofOne, ofTwo], absences, fills, sliceBlocks) => {
          await clear()
          const chain = new PaperChain([
            [one, ofOne],
            [two, ofTwo],
          ])
          const last = await follow(chain, absences)
          for (const each of fills) {
            await fillPartly(chain, each)
            await expectTrue(chain, last)
          }
          const report = await fill(chain, { from: FIRST, to: last, sliceBlocks: BigInt(sliceBlocks) })
          expect([...report.unreadable]).toEqual([])
          for (const position of both) {
            expect(await reader.coverage(position)).toEqual([{ from: FIRST, to: null, kind: 'exact' }])
            expect(await records(position)).toEqual(chain.expected(position, FIRST, last))
          }
        },
      ),
      { numRuns: times(30, 1000), seed: 7, endOnFailure: true },
    )
  },
  longTimeoutMs,
)

it('filling in a part of a gap takes nothing from what was read after it, when the balance came back', async () => {
  await clear()
  const left = [
    one,
    [
      [3n, 5n],
      [16n, 7n],
      [30n, 5n],
    ],
  ] as const
  const chain = new PaperChain([left, [two, []]])
  const last = await follow(chain, [{ away: 20, there: 2 }])
  const report = await fill(chain, { from: 14n, to: 20n, sliceBlocks: 3n })
  expect([...report.unreadable]).toEqual([])
  // What follows the blocks that are still unseen is a start: nothing says when it became so.
  expect(await records(one)).toEqual([
    [12n, 5n, null],
    [16n, 7n, 5n],
    [34n, 5n, null],
  ])
  await expectTrue(chain, last)
  await fill(chain, { from: 12n, to: last, sliceBlocks: 3n })
  expect(await records(one)).toEqual(chain.expected(one, 12n, last))
})

it('a run tells of each position once, and what a crashed run stored is told by the next one', async () => {
  await clear()
  const chain = new PaperChain([
    [
      one,
      [
        [3n, 1n],
        [9n, 2n],
        [15n, 1n],
      ],
    ],
    [two, []],
  ])
  const last = await follow(chain, [{ away: 20, there: 2 }])
  const log = new PostgresEventLog(database, silentLogger)
  const told = async () => {
    const { seq } = before
    return (await log.read(seq, 100)).map(({ type, data }) => ({ type, data }))
  }
  const before = await log.head()
  // Without the announcement at its end: the process is gone.
  await fillOnly(chain, { from: 8n, to: last, sliceBlocks: 3n })
  expect(await told()).toEqual([])
  await fill(chain, { from: FIRST, to: last, sliceBlocks: 4n })
  const common = { reason: 'backfill', fromBlock: FIRST, coverage: 'exact', removed: 0, balance: 1n }
  const extended = await told()
  expect(extended).toHaveLength(2)
  const expected = [
    {
      type: 'history.extended',
      data: expect.objectContaining({ ...common, solverAddress: one.solver, added: 2 }) as unknown,
    },
    {
      type: 'history.extended',
      data: expect.objectContaining({ ...common, solverAddress: two.solver, added: 0, balance: 0n }) as unknown,
    },
  ]
  for (const event of expected) expect(extended).toContainEqual(expect.objectContaining(event))
  await fill(chain, { from: FIRST, to: last, sliceBlocks: 4n })
  expect(await told()).toHaveLength(2)
})

async function clear(): Promise<void> {
  await database.query({
    name: 'clear',
    text: 'truncate tidemark.chain, tidemark.block, tidemark.coverage, tidemark.balance_record cascade',
  })
  await new PostgresWatchListStore(database).applyConfiguration({
    chains: [{ chainId, name: 'Paper', tokens: [] }],
    solvers: both.map(({ solver }) => ({ address: solver, label: null })),
  })
}

/** Follows the chain with absences that leave gaps. @returns the last block. */
async function follow(
  chain: PaperChain,
  absences: readonly { readonly away: number; readonly there: number }[],
): Promise<bigint> {
  const ledger = await ChainLedger.load({ chainId, name: 'Paper', store, source: chain.source, logger: silentLogger })
  await ledger.apply(chain.started(FOLLOWED - 1n))
  let next = FOLLOWED
  const read = async (blocks: number): Promise<void> => {
    for (const end = next + BigInt(blocks); next < end; next += 1n) {
      await ledger.positions()
      await ledger.apply(chain.block(next, both))
    }
  }
  await read(2)
  for (const { away, there } of absences) {
    next += BigInt(away)
    const headers = [chain.header(next - 1n)]
    await ledger.apply({ kind: 'gap', resumeAt: chain.header(next), headers, reason: 'away' })
    await read(there)
  }
  await store.commitFinality(chainId, { safe: null, finalized: next - 1n })
  return next - 1n
}

interface Range {
  readonly from: bigint
  readonly to: bigint
  readonly sliceBlocks: bigint
}

async function fillOnly(chain: PaperChain, { from, to, sliceBlocks }: Range): Promise<FillReport> {
  const scope = await openScope({ chainId, name: 'Paper', store, source: chain.source, logger: silentLogger })
  return fillHistory(scope, { positions: scope.positions, range: { from, to }, sliceBlocks })
}

async function fill(chain: PaperChain, range: Range): Promise<FillReport> {
  const report = await fillOnly(chain, range)
  await announceHistory({ store, chainId, logger: silentLogger })
  return report
}

async function fillPartly(
  chain: PaperChain,
  { from, blocks, sliceBlocks, coverage, answers, hidden }: AnyFill,
): Promise<void> {
  let left = answers ?? Number.POSITIVE_INFINITY
  chain.coverage = coverage
  chain.hides = (position, block) => position.solver === one.solver && block === BigInt(hidden ?? -1)
  chain.beforeAnswer = () => {
    left -= 1
    if (left < 0) throw new Error('the node went away')
  }
  try {
    const range = { from: BigInt(from), to: BigInt(from + blocks), sliceBlocks: BigInt(sliceBlocks) }
    const { unreadable } = await fill(chain, range)
    for (const reason of unreadable.values()) expect(reason).toBe('hidden')
  } catch (error) {
    expect(error).toMatchObject({ message: 'the node went away' })
  }
  chain.coverage = 'exact'
  chain.hides = () => false
  chain.beforeAnswer = () => undefined
}

/** Records are right at their blocks and linked; blocks known exactly have the balance that the chain says. */
async function expectTrue(chain: PaperChain, last: bigint): Promise<void> {
  for (const position of both) {
    const rows = await records(position)
    for (const [index, [block, balance, previous]] of rows.entries()) {
      expect([block, balance]).toEqual([block, chain.balance(position, block)])
      if (previous !== null) expect(previous).toBe(rows[index - 1]?.[1])
    }
    for (const { from, to, kind } of (await reader.coverage(position)) ?? []) {
      for (let block = from; block <= (to ?? last) && kind === 'exact'; block += 1n) {
        const held = rows.findLast(([number]) => number <= block)?.[1]
        expect([block, held]).toEqual([block, chain.balance(position, block)])
      }
    }
  }
}

async function records(position: Position): Promise<readonly (readonly [bigint, bigint, bigint | null])[]> {
  const page = await reader.history({ position, limit: 500 })
  return (page?.items ?? [])
    .toReversed()
    .map((item): [bigint, bigint, bigint | null] => [item.blockNumber, item.balance, item.previousBalance])
}
