import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { SnapshotIntake } from '../../src/snapshots/snapshot-intake.js'
import { Database } from '../../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { migrate } from '../../src/storage/postgres/migrate.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'

const SLOT = 'acknowledgements'

// The log is flushed by commits only: what the server does by itself is put off beyond the end of this test.
const settings = [
  `alter system set wal_level = 'logical'`,
  `alter system set wal_writer_delay = '10s'`,
  `alter system set wal_writer_flush_after = '1GB'`,
  `alter system set bgwriter_delay = '10s'`,
  `alter system set checkpoint_timeout = '1h'`,
  `alter system set autovacuum = off`,
]

/** How far the server had written its log safely when a snapshot was acknowledged. */
interface Acknowledgement {
  readonly id: string
  readonly flushed: bigint
}

describe('an acknowledged snapshot', () => {
  let dataDir: string
  let server: EmbeddedPostgres
  let database: Database
  let intake: SnapshotIntake
  /** Looks at the server from beside; it never writes while snapshots come. */
  let observer: pg.Client

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tidemark-durability-'))
    const first = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
    const setUp = new pg.Client(first.connection)
    await setUp.connect()
    for (const setting of settings) await setUp.query(setting)
    await setUp.end()
    await first.stop()

    server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
    database = new Database(server.connection, silentLogger)
    await migrate(database, silentLogger)
    const store = new PostgresSnapshotStore(database)
    intake = new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined })
    observer = new pg.Client(server.connection)
    await observer.connect()
    await observer.query(`create publication ${SLOT} for table tidemark."BalanceSnapshot"`)
    await observer.query(`select pg_create_logical_replication_slot('${SLOT}', 'pgoutput')`)
  })

  afterAll(async () => {
    await observer.end()
    await intake.close()
    await database.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('has its commit in the flushed part of the write-ahead log when the acknowledgement leaves', async () => {
    const early = await acknowledgedEarly()
    expect(early).toEqual([])
  })

  it('would be found out if commits did not wait for the log', async () => {
    await database.query({
      name: 'hurry-function',
      text: `create function tidemark.hurry() returns trigger language plpgsql as $$
             begin perform set_config('synchronous_commit', 'off', true); return null; end $$`,
    })
    await database.query({
      name: 'hurry-trigger',
      text: `create trigger hurry before insert on tidemark."BalanceSnapshot" for each statement execute function tidemark.hurry()`,
    })
    const early = await acknowledgedEarly()
    expect(early.length).toBeGreaterThan(0)
  })

  /** Sends snapshots in groups of many sizes; returns those that were acknowledged before their commit was safe. */
  async function acknowledgedEarly(): Promise<readonly Acknowledgement[]> {
    const acknowledged: Acknowledgement[] = []
    for (let group = 0; group < 60; group += 1) {
      // One batch each, so that no later commit flushes the log between the acknowledgement and the look at it.
      const saves = Array.from({ length: 1 + ((group * 37) % 200) }, (_, index) =>
        intake.save({ onchain: { a: index }, onsite: { a: group } }),
      )
      const { id } = (await Promise.race(saves)).snapshot
      acknowledged.push({ id, flushed: await flushedTo() })
      await Promise.all(saves)
    }
    const ends = await commitEnds()
    return acknowledged.filter(({ id, flushed }) => {
      const end = ends.get(id)
      if (end === undefined) throw new Error(`expected the commit of snapshot ${id} in the log, got none`)
      return end > flushed
    })
  }

  async function flushedTo(): Promise<bigint> {
    const { rows } = await observer.query<{ bytes: string }>(`select pg_current_wal_flush_lsn() - '0/0' as bytes`)
    return BigInt(rows[0]!.bytes)
  }

  /** Where in the log the commit of each snapshot ends. */
  async function commitEnds(): Promise<ReadonlyMap<string, bigint>> {
    // A commit that does wait: the log can be read as far as it is flushed.
    await observer.query('create table if not exists flush_now ()')
    await observer.query(`comment on table flush_now is '${Date.now()}'`)
    const changes = await observer.query<{ xid: string; data: Buffer }>(
      `select xid::text, data from pg_logical_slot_peek_binary_changes('${SLOT}', null, null,
         'proto_version', '1', 'publication_names', '${SLOT}')`,
    )
    // A commit message: its letter, a byte of flags, the place of the commit record, and the place after it.
    const ends = new Map(
      changes.rows
        .filter(({ data }) => data.toString('latin1', 0, 1) === 'C')
        .map(({ xid, data }) => [xid, data.readBigUInt64BE(10)]),
    )
    const { rows } = await observer.query<{ id: string; xid: string }>(
      'select id, xmin::text as xid from tidemark."BalanceSnapshot"',
    )
    return new Map(
      rows.flatMap(({ id, xid }): [string, bigint][] => {
        const end = ends.get(xid)
        return end === undefined ? [] : [[id, end]]
      }),
    )
  }
})
