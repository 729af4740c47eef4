import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { certaintyAt } from '../../src/model/statistics/certainty.js'
import { SeriesFold } from '../../src/model/statistics/series-fold.js'
import type { Address } from '../../src/model/address.js'
import { silentLogger } from '../../src/model/logger.js'
import type { PastBalance } from '../../src/model/balance-statistics.js'
import type { Position } from '../../src/model/position.js'
import { PostgresCoverageReader } from '../../src/storage/postgres/coverage-runs.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { longTimeoutMs, times } from '../support/long.js'
import { naiveAtBlock, naiveAtTime, naiveIntervals, naiveSeries, naiveStats } from '../support/naive-statistics.js'
import type { NaiveHolding } from '../support/naive-statistics.js'
import { askedTime, playedHistory } from '../support/played-history.js'
import type { PlayedHistory } from '../support/played-history.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const solver: Address = `0x${'a1'.repeat(20)}`
const asked = playedHistory.chain((history) =>
  fc.record({
    history: fc.constant(history),
    ranges: fc.array(fc.record({ from: askedTime(history), to: askedTime(history) }), { minLength: 3, maxLength: 3 }),
    instants: fc.array(
      askedTime(history).map((time) => time ?? new Date('2400-01-01')),
      { minLength: 4, maxLength: 4 },
    ),
    points: fc.integer({ min: 1, max: 30 }),
  }),
)

let testDatabase: TestDatabase
let database: Database
let reader: PostgresRecordReader
let coverage: PostgresCoverageReader
let chains = 0n

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.address, silentLogger)
  reader = new PostgresRecordReader(database)
  coverage = new PostgresCoverageReader(database)
})

afterAll(async () => {
  await database.close()
  await testDatabase.drop()
})

/** Stores a history as it is, on a chain of its own. */
async function store({ blocks, records, rows }: PlayedHistory): Promise<Position> {
  chains += 1n
  const cursor = blocks.at(-1)
  await database.query({
    name: 'play-chain',
    text: `insert into tidemark.chain (chain_id, name, cursor_number, cursor_hash, cursor_timestamp)
           values ($1, 'Played', $2, $3, $4)`,
    values: [chains, cursor?.number, Buffer.alloc(32), cursor?.time],
  })
  const positions = await database.query<{ id: string }>({
    name: 'play-position',
    text: `insert into tidemark.position (chain_id, token, solver, active)
           values ($1, '', decode($2, 'hex'), true) returning id`,
    values: [chains, solver.slice(2)],
  })
  await database.query({
    name: 'play-records',
    text: `insert into tidemark.balance_record
             (position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes)
           select $1, number, sha256(number::text::bytea), at, balance, previous, '{}'
           from unnest($2::bigint[], $3::timestamptz[], $4::numeric[], $5::numeric[])
             as entry (number, at, balance, previous)`,
    values: [
      positions[0]?.id,
      records.map((record) => record.blockNumber),
      records.map((record) => record.timestamp),
      records.map((record) => record.balance.toString()),
      records.map((record) => record.previousBalance?.toString() ?? null),
    ],
  })
  await database.query({
    name: 'play-coverage',
    text: `insert into tidemark.coverage (position_id, from_number, to_number, kind, from_timestamp, to_timestamp)
           select $1, * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[])`,
    values: [
      positions[0]?.id,
      rows.map((row) => row.from),
      rows.map((row) => row.to),
      rows.map((row) => row.kind),
      rows.map((row) => row.fromTime),
      rows.map((row) => (row.to === null ? null : row.toTime)),
    ],
  })
  return { chainId: chains, token: 'native', solver }
}

/** A position of a chain of which no block was processed yet. */
async function storeUnprocessed(): Promise<Position> {
  chains += 1n
  await database.query({
    name: 'unprocessed-chain',
    text: `with chain as (insert into tidemark.chain (chain_id, name) values ($1::bigint, 'New') returning chain_id)
           insert into tidemark.position (chain_id, token, solver, active)
           select chain_id, '', decode($2, 'hex'), true from chain`,
    values: [chains, solver.slice(2)],
  })
  return { chainId: chains, token: 'native', solver }
}

const told = (held: PastBalance | null): NaiveHolding | null =>
  held === null ? null : { balance: held.balance, blockNumber: held.blockNumber, certainty: held.certainty }

describe('answers from PostgreSQL', () => {
  it(
    'are what the plainest way to work them out gives, for any history: statistics and series',
    async () => {
      await fc.assert(
        fc.asyncProperty(asked, async ({ history, ranges, points }) => {
          const position = await store(history)
          for (const range of ranges) {
            expect(await reader.stats({ position, ...range })).toEqual(naiveStats(history, range))
            const series = await reader.series({ position, ...range, points })
            expect(series).toEqual(naiveSeries(history, range, series?.bucketMs ?? 1))
            expect(series?.buckets.length).toBeLessThanOrEqual(points)
          }
          const early = { from: new Date('1950-01-01'), to: new Date('1960-01-01') }
          const nothing = new SeriesFold({ ...early, points, intervals: [] }).finish()
          expect(await reader.series({ position, ...early, points })).toEqual(nothing)
        }),
        { numRuns: times(80, 2000) },
      )
    },
    longTimeoutMs,
  )

  it(
    'are what the plainest way to work them out gives, for any history: balances as of a block and a time',
    async () => {
      await fc.assert(
        fc.asyncProperty(asked, async ({ history: { blocks, records, rows }, instants }) => {
          const timeOf = (number: bigint): Date | null => blocks.find((block) => block.number === number)?.time ?? null
          const timed = rows.map((row) => ({
            ...row,
            fromTime: timeOf(row.from),
            toTime: row.to === null ? row.toTime : timeOf(row.to),
          }))
          const history = { blocks, records, rows: timed }
          const position = await store(history)
          const numbers = [0n, ...blocks.map(({ number }) => number), 10_000_100n, 2n ** 70n]
          for (const block of numbers.filter((_, index) => index % 7 === 0 || index > numbers.length - 3)) {
            expect([block, told(await reader.balanceAt(position, { block }))]).toEqual([
              block,
              naiveAtBlock(history, block),
            ])
          }
          for (const time of instants) {
            const expected = naiveAtTime(history, time)
            expect([time, told(await reader.balanceAt(position, { time }))]).toEqual([time, expected])
            const page = await reader.balancesAt({ chainId: position.chainId, time, limit: 10 })
            expect(page.items.map(told)).toEqual(expected === null ? [] : [expected])
          }
        }),
        { numRuns: times(80, 2000) },
      )
    },
    longTimeoutMs,
  )

  it(
    'on coverage are the intervals joined, with the times of their bounds as far as they are known',
    async () => {
      await fc.assert(
        fc.asyncProperty(playedHistory, playedHistory, async (one, two) => {
          const positions = [await store(one), await store(two)]
          const unknown: Position = { chainId: 1_000_000n, token: 'native', solver }
          const [last, none, first] = await coverage.timedCoverage([
            positions[1] ?? unknown,
            unknown,
            positions[0] ?? unknown,
          ])
          expect(none).toBeNull()
          expect(first?.intervals).toEqual(naiveIntervals(one))
          expect(last?.intervals).toEqual(naiveIntervals(two))
          expect(first?.processed?.timestamp).toEqual(one.blocks.at(-1)?.time)
          for (const time of one.blocks.map((block) => block.time)) {
            const held = await reader.balanceAt(positions[0] ?? unknown, { time })
            if (held !== null) expect(held.certainty).toBe(certaintyAt(first?.intervals ?? [], { time }))
          }
        }),
        { numRuns: times(20, 1000) },
      )
    },
    longTimeoutMs,
  )

  it('are none while no block of the chain was processed, whatever the range', async () => {
    const position = await storeUnprocessed()
    for (const to of [undefined, new Date('2026-01-01T00:00:00Z')]) {
      for (const from of [undefined, new Date('2025-01-01T00:00:00Z')]) {
        expect(await reader.stats({ position, from, to })).toBeNull()
        expect(await reader.series({ position, from, to, points: 5 })).toBeNull()
      }
    }
    expect(await reader.balanceAt(position, { time: new Date('2026-01-01T00:00:00Z') })).toBeNull()
    expect(await reader.balanceAt(position, { block: 5n })).toBeNull()
  })
})
