import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { INTAKE_LIMITS, SnapshotIntake } from '../../src/snapshots/snapshot-intake.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresSnapshotReader } from '../../src/storage/postgres/snapshot-reader.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const report = (rlb: number | string = 1): unknown => ({ onchain: { rlb }, onsite: { usd: 2.5 } })

describe('the snapshot intake', () => {
  let testDatabase: TestDatabase
  let database: Database
  let store: PostgresSnapshotStore
  let reader: PostgresSnapshotReader
  let intake: SnapshotIntake

  const newIntake = (): SnapshotIntake =>
    new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined })

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    store = new PostgresSnapshotStore(database)
    reader = new PostgresSnapshotReader(database)
    intake = newIntake()
  })

  afterEach(async () => {
    await intake.close()
    await database.close()
    await testDatabase.drop()
  })

  const stored = async (): Promise<number> => {
    const rows = await database.query<{ count: string }>({
      name: 'stored',
      text: 'select count(*) from tidemark."BalanceSnapshot"',
    })
    return Number(rows[0]?.count)
  }

  it('has the row and its event in the database when it answers', async () => {
    const { snapshot, repeated } = await intake.save({
      ts: '2025-11-07T02:45:08.603+02:00',
      pid: 7,
      ...(report('1.50') as object),
    })
    expect(repeated).toBe(false)
    const other = new pg.Client(testDatabase.address)
    await other.connect()
    const { rows } = await other.query(
      'select id, ts, pid, onchain::text, onsite::text from tidemark."BalanceSnapshot"',
    )
    await other.end()
    expect(rows).toEqual([
      {
        id: snapshot.id,
        ts: new Date('2025-11-07T00:45:08.603Z'),
        pid: '7',
        onchain: '{"rlb":"1.50"}',
        onsite: '{"usd":2.5}',
      },
    ])
    const [event] = await new PostgresEventLog(database, silentLogger).read(0n, 10)
    expect(event).toEqual({ seq: 1n, type: 'snapshot.saved', data: snapshot })
  })

  it('takes the server’s time when the report has none', async () => {
    const before = Date.now()
    const { snapshot } = await intake.save(report())
    expect(snapshot.ts.getTime()).toBeGreaterThanOrEqual(before)
    expect(snapshot.ts.getTime()).toBeLessThanOrEqual(Date.now())
  })

  it('stores many at once, each exactly once, in far fewer commits', async () => {
    const saved = await Promise.all(Array.from({ length: 2000 }, (_, index) => intake.save(report(index))))
    expect(new Set(saved.map(({ snapshot }) => snapshot.id)).size).toBe(2000)
    expect(await stored()).toBe(2000)
    const { total } = (await reader.list({ limit: 1, offset: 0 })) ?? { total: -1 }
    expect(total).toBe(2000)
    const rows = await database.query<{ commits: string; seq: string }>({
      name: 'commits',
      text: `select count(distinct xmin::text) as commits, max(seq) as seq from tidemark."BalanceSnapshot"`,
    })
    expect(Number(rows[0]?.commits)).toBeLessThan(200)
    expect(rows[0]?.seq).toBe('2000')
  })

  it('answers a repeated key with the first row, and stores one', async () => {
    const first = await intake.save(report(), 'key-1')
    const again = await intake.save(report(), 'key-1')
    expect(again).toEqual({ snapshot: first.snapshot, repeated: true })
    expect(await stored()).toBe(1)
  })

  it('refuses a key with another body', async () => {
    const { snapshot } = await intake.save(report(1), 'key-1')
    await expect(intake.save(report(2), 'key-1')).rejects.toMatchObject({
      code: 'idempotency_conflict',
      details: { id: snapshot.id },
    })
    expect(await stored()).toBe(1)
  })

  it('stores one row for one key sent 20 times at once through two processes’ intakes', async () => {
    const second = newIntake()
    const saved = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? intake : second).save(report(), 'same')),
    )
    await second.close()
    expect(new Set(saved.map(({ snapshot }) => snapshot.id)).size).toBe(1)
    expect(saved.filter(({ repeated }) => !repeated)).toHaveLength(1)
    expect(await stored()).toBe(1)
    const events = await new PostgresEventLog(database, silentLogger).read(0n, 100)
    expect(events.map((event) => event.seq)).toEqual([1n])
  })

  it('leaves no gap in seq when keys collide with another process', async () => {
    const second = newIntake()
    const keys = Array.from({ length: 60 }, (_, index) => `k${index}`)
    await Promise.all([
      ...keys.map((key) => intake.save(report(), key)),
      ...keys.map((key) => second.save(report(), key)),
    ])
    await second.close()
    const events = await new PostgresEventLog(database, silentLogger).read(0n, 1000)
    expect(events.map((event) => event.seq)).toEqual(keys.map((_, index) => BigInt(index + 1)))
  })

  it('refuses what is more than the queue holds, and keeps what it took', async () => {
    const holder = new pg.Client(testDatabase.address)
    await holder.connect()
    await holder.query('begin')
    await holder.query('select * from tidemark.event_log for update')
    const { queueMax } = INTAKE_LIMITS
    const taken = Array.from({ length: queueMax }, () => intake.save(report()))
    // The first batch is on its way to the database, so as many again fit into the queue.
    await until('the first batch has left the queue', () => intake.queued < queueMax)
    const more = Array.from({ length: queueMax - intake.queued }, () => intake.save(report()))
    await expect(intake.save(report())).rejects.toMatchObject({ code: 'overloaded', retryable: true })
    await holder.query('commit')
    await holder.end()
    await Promise.all([...taken, ...more])
    expect(await stored()).toBe(taken.length + more.length)
  })

  it('never acknowledges what the database did not take, and works again after it', async () => {
    const results = await Promise.allSettled([
      intake.save(report(1), 'before'),
      (async () => {
        const admin = new pg.Client({ ...testDatabase.address, database: 'postgres' })
        await admin.connect()
        await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
          testDatabase.name,
        ])
        await admin.end()
      })(),
      ...Array.from({ length: 50 }, (_, index) => intake.save(report(), `during-${index}`)),
    ])
    await until('a save succeeds again', () =>
      intake.save(report(), 'after').then(
        () => true,
        () => false,
      ),
    )
    const acknowledged = results.filter((result) => result.status === 'fulfilled' && result.value !== undefined).length
    expect(await stored()).toBeGreaterThanOrEqual(acknowledged + 1)
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'storage_unavailable', retryable: true })
    }
  })

  it('lists newest first by offset and by key, the same either way', async () => {
    for (let index = 0; index < 25; index += 1) {
      const ts = new Date(Date.UTC(2025, 0, 1, 0, 0, index % 5)).toISOString()
      await intake.save({ ts, ...(report(index) as object) })
    }
    const all = await reader.list({ limit: 100, offset: 0 })
    const order = all?.snapshots.map((snapshot) => snapshot.id) ?? []
    expect(all).toMatchObject({ total: 25, hasMore: false })
    expect(all?.snapshots.map((snapshot) => snapshot.ts.getTime())).toEqual(
      all?.snapshots.map((snapshot) => snapshot.ts.getTime()).toSorted((a, b) => b - a),
    )
    const byOffset: string[] = []
    for (let offset = 0; offset < 25; offset += 10) {
      const page = await reader.list({ limit: 10, offset })
      byOffset.push(...(page?.snapshots.map((snapshot) => snapshot.id) ?? []))
      expect(page?.hasMore).toBe(offset < 20)
    }
    expect(byOffset).toEqual(order)
    const byKey: string[] = []
    let before: string | undefined
    for (;;) {
      const page = await reader.list({ limit: 10, offset: 0, before })
      byKey.push(...(page?.snapshots.map((snapshot) => snapshot.id) ?? []))
      before = byKey.at(-1)
      if (page?.hasMore !== true) break
    }
    expect(byKey).toEqual(order)
    const range = await reader.list({ limit: 100, offset: 0, from: new Date(Date.UTC(2025, 0, 1, 0, 0, 3)) })
    expect(range).toMatchObject({ total: 10, hasMore: false })
    expect(await reader.list({ limit: 1, offset: 0, before: '00000000-0000-0000-0000-000000000000' })).toBeNull()
  })

  it('refuses new snapshots once it is closing, after committing those it took', async () => {
    const taken = intake.save(report())
    const closing = intake.close()
    await expect(intake.save(report())).rejects.toMatchObject({ code: 'closed' })
    await closing
    await taken
    expect(await stored()).toBe(1)
  })
})
