import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { silentLogger } from '../src/model/logger.js'
import { Database } from '../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../src/storage/postgres/embedded/start-embedded-postgres.js'
import { migrate } from '../src/storage/postgres/migrate.js'
import { PostgresSnapshotUpkeep } from '../src/storage/postgres/snapshot-upkeep.js'

const DAY_MS = 86_400_000
/** The time over which the snapshots are spread, up to now. */
export const SPREAD_DAYS = 122
/** Days for which there are events: retention has taken the older ones. */
const EVENT_DAYS = 30
const CHUNK_ROWS = 250_000
/** Seqs per step, as a service takes them. */
const ROLL_UP_SEQS = 5000

/** A server of its own with many snapshots in it. */
export interface DepthGround {
  readonly database: Database
  readonly rows: number
  /** Time of the oldest snapshot, in milliseconds since 1970. */
  readonly beginMs: number
  readonly stepMs: number
  readonly fillSeconds: number
  readonly rollUpSeconds: number
  readonly sizeMiB: number
  close(): Promise<void>
}

export async function layDepthGround(rows: number): Promise<DepthGround> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-depth-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const database = new Database(server.connection, silentLogger)
  const close = async (): Promise<void> => {
    await database.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    await migrate(database, silentLogger)
    const stepMs = (SPREAD_DAYS * DAY_MS) / rows
    const beginMs = Date.now() - SPREAD_DAYS * DAY_MS
    const client = new pg.Client(server.connection)
    await client.connect()
    const fillSeconds = await timed(() => fill(client, { rows, beginMs, stepMs }))
    const rollUpSeconds = await timed(() => rollUp(database, rows))
    await timed(() => client.query('vacuum analyze'))
    const size = await client.query<{ size: string }>('select pg_database_size(current_database()) as size')
    await client.end()
    const sizeMiB = Number(size.rows[0]?.size) / 2 ** 20
    return { database, rows, beginMs, stepMs, fillSeconds, rollUpSeconds, sizeMiB, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Id of the n-th snapshot, from 1 on: as scattered as those that a service draws. */
export const idOf = 'md5(n::text)::uuid'

interface Filling {
  readonly rows: number
  readonly beginMs: number
  readonly stepMs: number
}

/** Two assets on each side; the amounts wander, and no two neighbours are the same. */
async function fill(client: pg.Client, { rows, beginMs, stepMs }: Filling): Promise<void> {
  await client.query('set synchronous_commit = off')
  // Indexes are built once at the end: quicker, and the same in the end.
  await client.query('alter table tidemark."BalanceSnapshot" drop constraint "BalanceSnapshot_id_key"')
  await client.query('alter table tidemark."BalanceSnapshot" drop constraint "BalanceSnapshot_idempotency_key_key"')
  await client.query('drop index tidemark.balance_snapshot_newest')
  for (let first = 1; first <= rows; first += CHUNK_ROWS) {
    const last = Math.min(rows, first + CHUNK_ROWS - 1)
    console.error(`depth: filling, ${last} of ${rows} …`)
    await client.query({
      text: `
        insert into tidemark."BalanceSnapshot" (seq, id, ts, pid, onchain, onsite, body_hash)
        select n, ${idOf}, to_timestamp(floor($3::float8 + n * $4::float8) / 1000), 1 + n % 7,
          format('{"rlb":%s,"usdt":"%s"}', round((100000 + 5000 * sin(n / 9000.0) + n % 97)::numeric, 5), 7000 + n % 500)::json,
          format('{"rlb":%s,"usd":%s}', round((100000 + 5000 * sin(n / 9000.0) + n % 89)::numeric, 5), 7000 + n % 501)::json,
          sha256(n::text::bytea)
        from generate_series($1::bigint, $2::bigint) as n`,
      values: [first, last, beginMs, stepMs],
    })
  }
  console.error('depth: indexes and events …')
  await client.query('alter table tidemark."BalanceSnapshot" add constraint "BalanceSnapshot_id_key" unique (id)')
  await client.query(
    'alter table tidemark."BalanceSnapshot" add constraint "BalanceSnapshot_idempotency_key_key" unique (idempotency_key)',
  )
  await client.query('create index balance_snapshot_newest on tidemark."BalanceSnapshot" (ts desc, seq desc)')
  await client.query({
    text: `insert into tidemark.event (seq, type, snapshot_id, at)
           select seq, 'snapshot.saved', id, ts from tidemark."BalanceSnapshot"
           where ts >= now() - $1 * interval '1 day' order by seq`,
    values: [EVENT_DAYS],
  })
  await client.query({ text: 'update tidemark.event_log set seq = $1, snapshots = $1', values: [rows] })
}

/** Sums up everything, by the code that the service does it with. */
async function rollUp(database: Database, rows: number): Promise<void> {
  const upkeep = new PostgresSnapshotUpkeep(database)
  for (let seq = 0; seq < rows;) {
    const progress = await upkeep.rollUp(ROLL_UP_SEQS)
    if (progress === null) continue
    if (Math.floor(Number(progress.seq) / 1e6) > Math.floor(seq / 1e6))
      console.error(`depth: summed up ${progress.seq} …`)
    seq = Number(progress.seq)
  }
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) / 1000
}
