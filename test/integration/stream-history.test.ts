import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Position } from '../../src/model/position.js'
import { Database } from '../../src/storage/postgres/database.js'
import { ReadingLane } from '../../src/storage/postgres/reading-lane.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const solver: Address = `0x${'a1'.repeat(20)}`
const COUNT = times(50_000, 1_000_000)
/** A record takes some hundred bytes: kept, the short form's alone would be several times as much. */
const GROWTH_MAX_BYTES = 6 * 2 ** 20

let testDatabase: TestDatabase
let database: Database
let reader: PostgresRecordReader

/** Every other block of a chain has a record: blocks 2, 4, 6 and so on. */
async function fill(chainId: bigint, count: number): Promise<Position> {
  await database.query({
    name: 'stream-chain',
    text: `with chain as (
             insert into tidemark.chain (chain_id, name) values ($1::bigint, 'Streamed') returning chain_id
           )
           insert into tidemark.position (chain_id, token, solver, active)
           select chain_id, '', decode($2, 'hex'), true from chain`,
    values: [chainId, solver.slice(2)],
  })
  for (let done = 0; done < count; done += 100_000) await put(chainId, done + 1, Math.min(count, done + 100_000), 2)
  return { chainId, token: 'native', solver }
}

async function put(chainId: bigint, first: number, last: number, factor: number): Promise<void> {
  await database.query({
    name: 'stream-records',
    text: `insert into tidemark.balance_record
             (position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes)
           select id, n * $4::bigint, sha256(n::text::bytea), to_timestamp(n * $4::bigint), n, n - 1, array[sha256(n::text::bytea)]
           from tidemark.position cross join generate_series($2::bigint, $3::bigint) as n where chain_id = $1
           on conflict do nothing`,
    values: [chainId, first, last, factor],
  })
}

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.address, silentLogger)
  reader = new PostgresRecordReader(new ReadingLane(database))
})

afterAll(async () => {
  await database.close()
  await testDatabase.drop()
})

/** What is in use once everything that is not has been thrown away. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('expected a way to collect garbage')
  collect()
  return process.memoryUsage().heapUsed
}

describe('a streamed history', () => {
  it(
    'takes no more memory than a few records do, however long it is',
    async () => {
      const position = await fill(1n, COUNT)
      const before = usedBytes()
      const used: number[] = []
      let seen = 0
      for await (const { blockNumber } of reader.streamHistory({ position })) {
        if (blockNumber !== BigInt((COUNT - seen) * 2)) throw new Error(`record ${seen} is of block ${blockNumber}`)
        seen += 1
        if (seen % (COUNT / 5) === 0) used.push(usedBytes())
      }
      expect(seen).toBe(COUNT)
      expect(used.length).toBe(5)
      for (const bytes of used) expect(bytes - before).toBeLessThan(GROWTH_MAX_BYTES)
    },
    longTimeoutMs,
  )

  it('is the range that was asked for', async () => {
    const position = await fill(2n, 2000)
    const numbers = async (range: object): Promise<number[]> => {
      const found: number[] = []
      for await (const record of reader.streamHistory({ position, ...range })) found.push(Number(record.blockNumber))
      return found
    }
    const down = (from: number, to: number): number[] =>
      Array.from({ length: (from - to) / 2 + 1 }, (_, index) => from - index * 2)
    expect(await numbers({})).toEqual(down(4000, 2))
    expect(await numbers({ fromBlock: 7n, toBlock: 3001n })).toEqual(down(3000, 8))
    expect(await numbers({ from: new Date(1_000_000), to: new Date(3_001_000) })).toEqual(down(3000, 1000))
    expect(await numbers({ from: new Date(1_000_000), toBlock: 1003n })).toEqual([1002, 1000])
    expect(await numbers({ from: new Date(4_000_001) })).toEqual([])
    expect(await numbers({ to: new Date(1999) })).toEqual([])
    expect(await numbers({ fromBlock: 2n ** 70n })).toEqual([])
    const stranger = { ...position, chainId: 999n }
    for await (const record of reader.streamHistory({ position: stranger })) expect(record).toBe('nothing')
  })

  it('has no record twice and misses none that stands all the while, whatever is written meanwhile', async () => {
    const position = await fill(3n, 3000)
    const seen: number[] = []
    let newer = 6000
    for await (const { blockNumber } of reader.streamHistory({ position })) {
      seen.push(Number(blockNumber))
      if (seen.length % 100 !== 0) continue
      // A newer block, a record filled in above and one below, and one that is taken out.
      newer += 10
      for (const number of [newer, Number(blockNumber) + 101, Number(blockNumber) - 399].filter((n) => n > 0)) {
        await put(3n, number, number, 1)
      }
      await database.query({
        name: 'stream-take-out',
        text: `delete from tidemark.balance_record using tidemark.position
               where position.id = position_id and chain_id = 3 and block_number % 1000 = 0 and block_number = $1`,
        values: [Math.floor(Number(blockNumber) / 1000) * 1000],
      })
    }
    expect(seen.toSorted((one, two) => two - one)).toEqual(seen)
    expect(new Set(seen).size).toBe(seen.length)
    const standing = Array.from({ length: 3000 }, (_, index) => 6000 - index * 2).filter((n) => n % 1000 !== 0)
    const found = new Set(seen)
    expect(standing.filter((number) => !found.has(number))).toEqual([])
  })

  it('holds no connection while its reader takes its time', async () => {
    const position = await fill(4n, 1200)
    const streams = Array.from({ length: 30 }, () => reader.streamHistory({ position })[Symbol.asyncIterator]())
    for (const stream of streams) expect((await stream.next()).value).toMatchObject({ blockNumber: 2400n })
    expect((await reader.history({ position, limit: 1 }))?.items.length).toBe(1)
    for (const stream of streams) await stream.return?.()
  })
})
