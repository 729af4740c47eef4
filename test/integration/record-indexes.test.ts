import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Position } from '../../src/model/position.js'
import { PostgresBalanceReader } from '../../src/storage/postgres/balance-reader.js'
import { Database } from '../../src/storage/postgres/database.js'
import type { Queryable, Statement } from '../../src/storage/postgres/database.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const POSITIONS = 200
const RECORDS = 40_000
/** Of the first position: every second record. */
const LARGEST = RECORDS / 2
const solverOf = (place: number): Address => `0x${place.toString(16).padStart(40, '0')}`
const largest: Position = { chainId: 1n, token: 'native', solver: solverOf(0) }

let testDatabase: TestDatabase
let database: Database
let client: pg.Client

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = new Database(testDatabase.address, silentLogger)
  client = new pg.Client(testDatabase.address)
  await client.connect()
  await client.query(`
    insert into tidemark.chain (chain_id, name, cursor_number, cursor_hash, cursor_timestamp)
    values (1, 'Indexed', ${RECORDS}, sha256('cursor'), to_timestamp(${RECORDS}));
    insert into tidemark.position (chain_id, token, solver, active, fresh)
    select 1, '', decode(lpad(to_hex(place), 40, '0'), 'hex'), true, false from generate_series(0, ${POSITIONS - 1}) as place;
    -- In the order of blocks, so that the records of a position lie scattered.
    insert into tidemark.balance_record
      (position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes)
    select id, n, sha256(n::text::bytea), to_timestamp(n), n, nullif(n - 1, 0), array[sha256(n::text::bytea)]
    from generate_series(1, ${RECORDS}) as n
    join tidemark.position on solver =
      decode(lpad(to_hex(case when n % 2 = 0 then 0 else 1 + n / 2 % ${POSITIONS - 1} end), 40, '0'), 'hex')
    order by n;
    insert into tidemark.coverage (position_id, from_number, kind)
    select position_id, min(block_number), 'exact' from tidemark.balance_record group by 1;
    update tidemark.position set record_number = newest.number, balance = newest.number
    from (select position_id, max(block_number) as number from tidemark.balance_record group by 1) as newest
    where id = position_id`)
  await client.query('vacuum analyze')
})

afterAll(async () => {
  await client.end()
  await database.close()
  await testDatabase.drop()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Heap Fetches'?: number
  readonly Plans?: readonly PlanNode[]
}

interface Looked {
  /** What a plan reads records through. */
  readonly ways: readonly string[]
  /** How many it reads, and how many of them from the table itself. */
  readonly rows: number
  readonly fetched: number
}

/** Runs something and explains its statements: as planned for these values, or for any. */
async function explain(
  run: (database: Queryable) => Promise<unknown>,
  mode: 'these values' | 'any values',
): Promise<Looked> {
  const statements: Statement[] = []
  const recorder: Queryable = {
    query: (statement) => {
      statements.push(statement)
      return database.query(statement)
    },
  }
  expect(await run(recorder)).not.toBeNull()
  const nodes: PlanNode[] = []
  for (const { text, values } of statements) {
    const asked =
      mode === 'these values'
        ? { text: `explain (analyze, format json) ${text}`, values: [...(values ?? [])] }
        : { text: `explain (generic_plan, format json) ${text}` }
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(asked)
    for (const plan of rows[0]?.['QUERY PLAN'] ?? []) nodes.push(...flatten(plan.Plan))
  }
  const reading = nodes.filter((node) => node['Relation Name'] === 'balance_record')
  const sum = (of: (node: PlanNode) => number): number => reading.reduce((all, node) => all + of(node), 0)
  const readRows = (node: PlanNode): number =>
    ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1)
  return {
    ways: [...new Set(reading.map((node) => `${node['Node Type']} ${node['Index Name'] ?? ''}`.trim()))].toSorted(),
    rows: sum(readRows),
    fetched: sum((node) => (node['Node Type'] === 'Index Only Scan' ? (node['Heap Fetches'] ?? 0) : readRows(node))),
  }
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)]
}

describe('an index', () => {
  const middle = new Date((RECORDS / 2) * 1000)
  const pages: readonly (readonly [string, (database: Queryable) => Promise<unknown>])[] = [
    ['the newest page of a history', (on) => new PostgresRecordReader(on).history({ position: largest, limit: 50 })],
    [
      'a page in the middle of a history',
      (on) => new PostgresRecordReader(on).history({ position: largest, limit: 50, beforeBlock: 20_000n }),
    ],
    ['a page up to a time', (on) => new PostgresRecordReader(on).history({ position: largest, limit: 50, to: middle })],
    [
      'the last page since a time',
      (on) =>
        new PostgresRecordReader(on).history({ position: largest, limit: 50, from: middle, beforeBlock: 20_010n }),
    ],
    ['a balance as of a time', (on) => new PostgresRecordReader(on).balanceAt(largest, { time: middle })],
    ['a balance as of a block', (on) => new PostgresRecordReader(on).balanceAt(largest, { block: 20_000n })],
  ]

  it.each(pages)('leads to %s, reading no more records than it has', async (_, page) => {
    const looked = await explain(page, 'these values')
    expect(looked.rows).toBeLessThan(60)
    expect(looked.ways.filter((way) => way.includes('Seq Scan'))).toEqual([])
    expect((await explain(page, 'any values')).ways.filter((way) => way.includes('Seq Scan'))).toEqual([])
  })

  it('leads to the whole portfolio as of a time, one record for each position', async () => {
    const looked = await explain(
      (on) => new PostgresRecordReader(on).balancesAt({ time: middle, limit: 500 }),
      'these values',
    )
    expect(looked.rows).toBeLessThanOrEqual(POSITIONS + 10)
  })

  it('leads to all current balances, one record for each position', async () => {
    const looked = await explain((on) => new PostgresBalanceReader(on).currentBalances({ limit: 500 }), 'these values')
    expect(looked.rows).toBeLessThanOrEqual(POSITIONS)
  })

  it('alone has all that statistics and series need, each record once', async () => {
    const stats = await explain((on) => new PostgresRecordReader(on).stats({ position: largest }), 'these values')
    expect(stats.rows).toBeLessThan(LARGEST + 20)
    expect(stats.fetched).toBeLessThan(20)
    const half = await explain(
      (on) => new PostgresRecordReader(on).stats({ position: largest, from: middle }),
      'these values',
    )
    expect(half.rows).toBeLessThan(LARGEST / 2 + 20)
    const series = await explain(
      (on) => new PostgresRecordReader(on).series({ position: largest, points: 100 }),
      'these values',
    )
    expect(series.rows).toBeLessThan(LARGEST + 100 * 4 + 20)
    expect(series.fetched).toBeLessThan(20)
  })
})
