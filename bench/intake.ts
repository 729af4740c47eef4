import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { silentLogger } from '../src/model/logger.js'
import { SnapshotIntake } from '../src/snapshots/snapshot-intake.js'
import { Database } from '../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../src/storage/postgres/embedded/start-embedded-postgres.js'
import { migrate } from '../src/storage/postgres/migrate.js'
import { PostgresSnapshotStore } from '../src/storage/postgres/snapshot-store.js'
import { median, quantile } from './quantile.js'

const CALLERS = 256
const POOL_SIZE = 16
const BARE_BATCH = 256
const WARM_UP_MS = 500
const SLOW_COMMIT_US = 5000

export interface IntakeOptions {
  /** Each round measures every way once, one after the other. */
  readonly rounds: number
  readonly durationMs: number
  /** Snapshots of the lone caller, per way. */
  readonly loneSnapshots: number
}

/** One way to store snapshots; resolves when `snapshot` is durable. */
interface Way {
  readonly name: string
  readonly callers: number
  /** Snapshots that one call stores. */
  readonly perCall: number
  readonly store: () => Promise<unknown>
}

export interface IntakeRow {
  readonly way: string
  /** Durable snapshots per second, the median of all rounds. */
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Median of the ratios within a round. */
  readonly oursInThis: number
}

export interface IntakeTables {
  readonly ways: readonly IntakeRow[]
  readonly slowCommit: readonly IntakeRow[]
  readonly loneCaller: readonly { readonly way: string; readonly p50Ms: number; readonly oursInThis: number }[]
}

/** Stores snapshots in several ways on one server and compares their speed. */
export async function measureIntake(options: IntakeOptions): Promise<IntakeTables> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const database = new Database(server.connection, silentLogger)
  const pool = new pg.Pool({ ...server.connection, max: POOL_SIZE })
  const store = new PostgresSnapshotStore(database)
  const intake = new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined })
  try {
    await migrate(database, silentLogger)
    await createPlainTables(pool)
    const plain = plainWay(pool)
    const ours: Way = { name: 'SnapshotIntake', callers: CALLERS, perCall: 1, store: () => intake.save(report()) }
    const keyed: Way = {
      name: 'SnapshotIntake, with idempotency keys',
      callers: CALLERS,
      perCall: 1,
      store: () => intake.save(report(), randomUUID()),
    }
    const others = [plain, plainWithEventWay(pool), bareBatchWay(pool), keyed]
    const ways = await compare(pool, ours, others, options)
    await setCommitDelay(server, SLOW_COMMIT_US)
    const slowCommit = await compare(pool, ours, [plain], options)
    await setCommitDelay(server, 0)
    return { ways, slowCommit, loneCaller: await compareAlone(ours, plain, options) }
  } finally {
    await intake.close()
    await pool.end()
    await database.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function report() {
  return {
    ts: '2025-11-07T00:45:08.603Z',
    pid: 1132978,
    onchain: { rlb: 100074.99978, usdt: 7656.36, eth: '12.000000000000000001', sol: 330.25 },
    onsite: { rlb: 101132.407627, usd: 7646.96, eth: '12.1', sol: 331.5 },
  }
}

/** The same tables with the same indexes, for the other ways. */
async function createPlainTables(pool: pg.Pool): Promise<void> {
  await pool.query(`
    create sequence plain_seq;
    create table plain_snapshot (like tidemark."BalanceSnapshot" including all);
    alter table plain_snapshot alter column seq set default nextval('plain_seq');
    alter table plain_snapshot alter column body_hash drop not null;
    create table plain_event (like tidemark.event including all);
    create table plain_log (like tidemark.event_log including all);
    insert into plain_log default values;`)
}

/** What is sent for a snapshot where nothing is checked. */
function plainValues(): unknown[] {
  const { ts, pid, onchain, onsite } = report()
  return [randomUUID(), ts, pid, JSON.stringify(onchain), JSON.stringify(onsite)]
}

function plainWay(pool: pg.Pool): Way {
  const text = 'insert into plain_snapshot (id, ts, pid, onchain, onsite) values ($1, $2, $3, $4, $5)'
  const store = () => pool.query({ name: 'plain', text, values: plainValues() })
  return { name: '(a) one INSERT each, no event', callers: CALLERS, perCall: 1, store }
}

function plainWithEventWay(pool: pg.Pool): Way {
  const text = `
    with counter as (update plain_log set seq = seq + 1 returning seq), inserted as (
      insert into plain_snapshot (seq, id, ts, pid, onchain, onsite)
      select seq, $1::uuid, $2::timestamptz, $3::bigint, $4::json, $5::json from counter returning seq, id
    )
    insert into plain_event (seq, type, snapshot_id) select seq, 'snapshot.saved', id from inserted`
  const store = () => pool.query({ name: 'plain-with-event', text, values: plainValues() })
  return { name: '(a+) the same with its event in order', callers: CALLERS, perCall: 1, store }
}

function bareBatchWay(pool: pg.Pool): Way {
  const text = `
    insert into plain_snapshot (id, ts, pid, onchain, onsite)
    select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::json[], $5::json[])`
  const store = () => {
    const rows = Array.from({ length: BARE_BATCH }, plainValues)
    const values = [0, 1, 2, 3, 4].map((column) => rows.map((row) => row[column]))
    return pool.query({ name: 'bare-batch', text, values })
  }
  return { name: `(b) bare loop of ${BARE_BATCH} rows, no event`, callers: 1, perCall: BARE_BATCH, store }
}

async function compare(
  pool: pg.Pool,
  ours: Way,
  others: readonly Way[],
  { rounds, durationMs }: IntakeOptions,
): Promise<IntakeRow[]> {
  const ways = [ours, ...others]
  const runs = new Map(ways.map((way) => [way, [] as Run[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) {
      await emptyTables(pool)
      await run(way, WARM_UP_MS)
      runs.get(way)?.push(await run(way, durationMs))
    }
  }
  const ourRuns = runs.get(ours) ?? []
  return ways.map((way) => {
    const own = runs.get(way) ?? []
    return {
      way: way.name,
      perSecond: median(own.map(({ perSecond }) => perSecond)),
      p50Ms: median(own.map(({ latenciesMs }) => median(latenciesMs))),
      p99Ms: median(own.map(({ latenciesMs }) => quantile(latenciesMs, 0.99))),
      oursInThis: median(own.map(({ perSecond }, round) => (ourRuns[round]?.perSecond ?? Number.NaN) / perSecond)),
    }
  })
}

interface Run {
  readonly perSecond: number
  readonly latenciesMs: readonly number[]
}

/** Every caller stores the next snapshot as soon as its last one is durable. */
async function run(way: Way, durationMs: number): Promise<Run> {
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const caller = async (): Promise<void> => {
    for (let beginMs = performance.now(); beginMs - startMs < durationMs;) {
      await way.store()
      const endMs = performance.now()
      latenciesMs.push(endMs - beginMs)
      beginMs = endMs
    }
  }
  await Promise.all(Array.from({ length: way.callers }, caller))
  const seconds = (performance.now() - startMs) / 1000
  return { perSecond: (latenciesMs.length * way.perCall) / seconds, latenciesMs }
}

/** One caller, one snapshot at a time, in turns with a plain INSERT. */
async function compareAlone(
  ours: Way,
  plain: Way,
  { loneSnapshots }: IntakeOptions,
): Promise<IntakeTables['loneCaller']> {
  const latencies = new Map<Way, number[]>([
    [ours, []],
    [plain, []],
  ])
  for (let turn = 0; turn < loneSnapshots + 100; turn += 1) {
    for (const [way, list] of latencies) {
      const beginMs = performance.now()
      await way.store()
      // The first ones prepare statements.
      if (turn >= 100) list.push(performance.now() - beginMs)
    }
  }
  const ourP50Ms = median(latencies.get(ours) ?? [])
  return [...latencies].map(([way, list]) => {
    const p50Ms = median(list)
    return { way: way.name, p50Ms, oursInThis: ourP50Ms / p50Ms }
  })
}

async function emptyTables(pool: pg.Pool): Promise<void> {
  await pool.query('truncate plain_snapshot, plain_event, tidemark."BalanceSnapshot", tidemark.event')
  await pool.query('checkpoint')
}

/** Makes each commit wait, as a slow disk would. */
async function setCommitDelay(server: EmbeddedPostgres, delayUs: number): Promise<void> {
  const client = new pg.Client(server.connection)
  await client.connect()
  await client.query(`alter system set commit_delay = ${delayUs}`)
  await client.query('alter system set commit_siblings = 0')
  await client.query('select pg_reload_conf()')
  await client.end()
}
