import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { LeaseKeeper } from '../../src/leases/lease-keeper.js'
import { LeaseLostError } from '../../src/leases/lease-store.js'
import type { Lease } from '../../src/leases/lease-store.js'
import { systemClock } from '../../src/model/clock.js'
import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresLeaseStore } from '../../src/storage/postgres/lease-store.js'
import { openDatabaseDoor } from '../support/database-door.js'
import type { DatabaseDoor } from '../support/database-door.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const LONG_MS = 60_000

describe('leases in PostgreSQL', () => {
  let home: TestDatabase
  let door: DatabaseDoor
  const databases: Database[] = []
  const keepers: LeaseKeeper[] = []

  beforeEach(async () => {
    home = await createTestDatabase()
    door = await openDatabaseDoor(home.address)
  })

  afterEach(async () => {
    door.set('open')
    await Promise.all(keepers.splice(0).map((keeper) => keeper.close()))
    await Promise.all(databases.splice(0).map((database) => database.close()))
    await door.close()
    await home.drop()
  })

  const connect = (address: ConstructorParameters<typeof Database>[0] = home.address): Database => {
    const database = new Database(address, silentLogger)
    databases.push(database)
    return database
  }

  const storeBehindDoor = (): PostgresLeaseStore =>
    new PostgresLeaseStore(connect({ connectionString: door.urlOf(home.address) }))

  it('are had by one process at a time, whoever asks', async () => {
    const stores = [1, 2, 3].map(() => new PostgresLeaseStore(connect()))
    for (let round = 0; round < 5; round += 1) {
      const asked = Array.from({ length: 12 }, (_, index) =>
        stores[index % 3]!.acquire(`chain:${round}`, `process ${index}`, LONG_MS),
      )
      const had = (await Promise.all(asked)).filter((lease) => lease !== null)
      expect(had).toHaveLength(1)
    }
  })

  it('go on under one epoch with the process that has them, and to another one under a higher epoch', async () => {
    const store = new PostgresLeaseStore(connect())
    const first = await store.acquire('chain:1', 'a', LONG_MS)
    expect(first).toMatchObject({ name: 'chain:1', holder: 'a' })
    expect(await store.acquire('chain:1', 'a', LONG_MS)).toEqual(first)
    expect(await store.acquire('chain:1', 'b', LONG_MS)).toBeNull()
    expect(await store.renew(first!, 100)).toBe(true)
    await sleep(150)
    const second = await store.acquire('chain:1', 'b', LONG_MS)
    expect(second!.epoch).toBeGreaterThan(first!.epoch)
    expect(await store.renew(first!, LONG_MS)).toBe(false)
    expect(await store.acquire('chain:1', 'a', LONG_MS)).toBeNull()
    await store.release(first!)
    expect(await store.acquire('chain:1', 'a', LONG_MS)).toBeNull()
    await store.release(second!)
    const third = await store.acquire('chain:1', 'a', LONG_MS)
    expect(third!.epoch).toBeGreaterThan(second!.epoch)
  })

  it('have an epoch that goes up even when the table was lost', async () => {
    const database = connect()
    const store = new PostgresLeaseStore(database)
    const before = await store.acquire('chain:1', 'a', LONG_MS)
    await database.query({ name: 'lose', text: 'delete from tidemark.lease' })
    const after = await store.acquire('chain:1', 'b', LONG_MS)
    expect(after!.epoch).toBeGreaterThan(before!.epoch)
  })

  it('are not waited for until an old time comes again when the clock of the database was set back', async () => {
    const database = connect()
    const store = new PostgresLeaseStore(database)
    const alive = await store.acquire('chain:1', 'alive', 5000)
    const dead = await store.acquire('chain:2', 'dead', 5000)
    // What was written an hour before, by the clock as it is now, lies an hour ahead.
    await database.query({ name: 'age', text: `update tidemark.lease set expires_at = expires_at + interval '1 hour'` })
    expect(await store.renew(alive!, 5000)).toBe(true)
    expect(await store.look('chain:1')).toMatchObject({ holder: 'alive' })
    expect(await store.acquire('chain:1', 'other', 5000)).toBeNull()
    expect(await store.look('chain:2')).toBeNull()
    const next = await store.acquire('chain:2', 'other', 5000)
    expect(next!.epoch).toBeGreaterThan(dead!.epoch)
    expect(await store.renew(dead!, 5000)).toBe(false)
  })

  interface Worker {
    readonly keeper: LeaseKeeper
    /** What was begun and ended, with the time. */
    readonly periods: { readonly lease: Lease; readonly fromMs: number; toMs: number; reason: unknown }[]
  }

  const keep = (holder: string, store: PostgresLeaseStore, durationMs = 900): Worker => {
    const periods: Worker['periods'] = []
    const keeper = new LeaseKeeper({
      name: 'chain:1',
      holder,
      leases: store,
      clock: systemClock,
      logger: silentLogger,
      durationMs,
      work: async (lease, signal) => {
        const period: Worker['periods'][number] = {
          lease,
          fromMs: performance.now(),
          toMs: Number.POSITIVE_INFINITY,
          reason: null,
        }
        periods.push(period)
        await systemClock.sleep(LONG_MS, signal).catch(() => undefined)
        period.toMs = performance.now()
        period.reason = signal.reason
      },
    })
    keepers.push(keeper)
    keeper.start()
    return { keeper, periods }
  }

  it('are kept as long as they are renewed', async () => {
    const a = keep('a', new PostgresLeaseStore(connect()))
    await until('the first process works', () => a.periods.length === 1)
    const b = keep('b', new PostgresLeaseStore(connect()))
    await sleep(2000)
    expect(a.periods).toHaveLength(1)
    expect(a.periods[0]!.reason).toBeNull()
    expect(b.periods).toHaveLength(0)
  })

  it('are handed over when let go, long before they run out', async () => {
    const a = keep('a', new PostgresLeaseStore(connect()), LONG_MS)
    await until('the first process works', () => a.periods.length === 1)
    const b = keep('b', new PostgresLeaseStore(connect()), LONG_MS)
    await until('the second process asks', () => b.keeper.standing.kind === 'elsewhere')
    await a.keeper.close()
    await until('the second process works', () => b.periods.length === 1)
    expect(b.periods[0]!.fromMs).toBeGreaterThanOrEqual(a.periods[0]!.toMs)
    expect(b.periods[0]!.lease.epoch).toBeGreaterThan(a.periods[0]!.lease.epoch)
  })

  it.each(['silent', 'closed'] as const)(
    'end in time when the database is %s, before another process works',
    async (state) => {
      const a = keep('a', storeBehindDoor())
      await until('the first process works', () => a.periods.length === 1)
      const b = keep('b', new PostgresLeaseStore(connect()))
      door.set(state)
      await until('the second process works', () => b.periods.length === 1)
      expect(a.periods[0]!.toMs).toBeLessThanOrEqual(b.periods[0]!.fromMs)
      expect(a.periods[0]!.reason).toBeInstanceOf(LeaseLostError)
      expect(a.keeper.standing.kind).not.toBe('held')
      door.set('open')
      await b.keeper.close()
      await until('the first process works again', () => a.periods.length === 2)
      expect(a.periods[1]!.lease.epoch).toBeGreaterThan(b.periods[0]!.lease.epoch)
    },
  )

  it('are given back to the process that had them when nobody else took them', async () => {
    const a = keep('a', storeBehindDoor())
    await until('the process works', () => a.periods.length === 1)
    door.set('closed')
    await until('it stops', () => a.periods[0]!.reason !== null)
    door.set('open')
    await until('it works again', () => a.periods.length === 2)
    expect(a.periods[1]!.lease).toEqual(a.periods[0]!.lease)
  })

  it('stop the work of a process whose lease was taken from it', async () => {
    const database = connect()
    const a = keep('a', new PostgresLeaseStore(database), LONG_MS / 20)
    await until('the process works', () => a.periods.length === 1)
    await database.query({
      name: 'take',
      text: `update tidemark.lease set holder = 'b', epoch = epoch + 1, expires_at = now() + interval '1 minute'`,
    })
    await until('it stops', () => a.periods[0]!.reason !== null)
    expect(a.periods[0]!.reason).toBeInstanceOf(LeaseLostError)
    expect(a.periods).toHaveLength(1)
  })
})
