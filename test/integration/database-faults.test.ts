import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { DatabaseUnavailableError } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { openDatabaseDoor } from '../support/database-door.js'
import type { DatabaseDoor } from '../support/database-door.js'
import { until } from '../support/until.js'
import { deadlineMs, freeze, limits, serveInTrouble } from './database-fault-fixture.js'
import type { FaultyService } from './database-fault-fixture.js'
import { documentReport, getJson, nextEvent, postJson } from './server-fixture.js'
import type { JsonAnswer } from './server-fixture.js'

let folder: string
let server: EmbeddedPostgres
let door: DatabaseDoor

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
  server = await startEmbeddedPostgres({ dataDir: folder, logger: silentLogger })
})

afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  door = await openDatabaseDoor(server.connection)
})

afterEach(async () => {
  await door.close()
})

/** Past the door. */
async function sql<Row extends object>(...statements: string[]): Promise<readonly Row[]> {
  const client = new pg.Client(server.connection)
  await client.connect()
  try {
    let rows: readonly Row[] = []
    for (const statement of statements) ({ rows } = await client.query<Row>(statement))
    return rows
  } finally {
    await client.end()
  }
}

describe('a service whose database is in trouble', () => {
  let service: FaultyService

  beforeEach(async () => {
    service = await serveInTrouble({ databaseUrl: door.urlOf(server.connection) })
  })

  afterEach(async () => {
    await service.close()
  })

  const post = (body: unknown = documentReport, key?: string): Promise<JsonAnswer> =>
    postJson(`${service.url}/api/balance/snapshot`, body, key === undefined ? {} : { 'idempotency-key': key })
  const list = (): Promise<JsonAnswer> => getJson(`${service.url}/api/balance/snapshot`)
  const ready = (): Promise<JsonAnswer> => getJson(`${service.url}/readyz`)
  const healed = async (): Promise<void> => {
    await until('it is ready again', async () => (await ready()).status === 200)
    await until('a snapshot is taken again', async () => (await post()).status === 200)
    const [log] = await sql<{ seq: string }>('select seq from tidemark.event_log')
    await until('its event is handed out', () => service.manager.events.seq === BigInt(log?.seq ?? -1))
  }

  it.each([
    ['is frozen', () => freeze(server.serverPid)],
    ['is behind a network that swallows everything', () => (door.set('silent'), () => door.set('open'))],
  ])(
    'answers every request in time while it %s, tells so within seconds, and heals',
    { timeout: 120_000 },
    async (_what, strike) => {
      await healed()
      const socket = service.connect()
      await nextEvent(socket, 'connected')
      const over = strike()
      let healthAfterMs = Infinity
      try {
        const startedAt = performance.now()
        const answers = Array.from({ length: 60 }, (_, index) => {
          if (index % 3 === 0) return post()
          if (index % 3 === 1) return list()
          return socket.emitWithAck('balance:update', documentReport).then(
            (body: { success: boolean }) => ({ status: body.success ? 200 : 503, body }),
            (error: unknown) => ({ status: 0, body: String(error) }),
          )
        })
        const health = await ready()
        healthAfterMs = performance.now() - startedAt
        expect(health).toMatchObject({ status: 503, body: { code: 'not_ready' } })
        expect(health.body['error']).toMatch(/does not answer in time|all connections to the database are busy/)
        for (const { status, body } of await Promise.all(answers)) {
          expect(status, JSON.stringify(body)).toBe(503)
        }
        expect(performance.now() - startedAt).toBeLessThan(deadlineMs)
        // Once one call came to nothing, the next ones do not wait so long.
        expect((await list()).status).toBe(503)
      } finally {
        over()
      }
      expect(healthAfterMs).toBeLessThan(5000)
      await healed()
      expect(service.manager.events.seq).toBeGreaterThan(0n)
    },
  )

  it('answers with 503 in time when all connections are taken, and is ready as soon as they are free', async () => {
    await healed()
    const holder = new pg.Client(server.connection)
    await holder.connect()
    try {
      await holder.query('begin')
      await holder.query('lock table tidemark."BalanceSnapshot", tidemark.api_key in access exclusive mode')
      const startedAt = performance.now()
      const takers = Promise.allSettled(Array.from({ length: 20 }, () => service.manager.apiKeys.list()))
      const answers = Array.from({ length: 40 }, () => list())
      expect(await ready()).toMatchObject({ status: 503 })
      for (const { status } of await takers) expect(status).toBe('rejected')
      for (const { status } of await Promise.all(answers)) expect(status).toBe(503)
      expect(performance.now() - startedAt).toBeLessThan(deadlineMs)
    } finally {
      await holder.end()
    }
    await healed()
    expect((await list()).status).toBe(200)
  })

  it('takes snapshots and hands out their events while those who read hold up each other', async () => {
    await healed()
    const holder = new pg.Client(server.connection)
    await holder.connect()
    try {
      await holder.query('begin')
      await holder.query('lock table tidemark.snapshot_rollup in access exclusive mode')
      const series = `${service.url}/api/balance/snapshot/series?book=onchain&asset=usdt`
      const answers = Array.from({ length: 40 }, () => getJson(series))
      const viewer = service.connect()
      await nextEvent(viewer, 'connected')
      const event = nextEvent(viewer, 'balance:snapshot')
      const kept = await post()
      expect(kept, JSON.stringify(kept.body)).toMatchObject({ status: 200 })
      await event
      expect(await ready()).toMatchObject({ status: 200 })
      for (const { status } of await Promise.all(answers)) expect(status).toBe(503)
    } finally {
      await holder.end()
    }
    await healed()
  })

  it('takes no writes but answers reads when it has become read only, says so, and heals', async () => {
    await healed()
    const total = async (): Promise<unknown> => (await service.manager.snapshots({ limit: 1, offset: 0 }))?.total
    const before = await total()
    await sql('alter system set default_transaction_read_only = on', 'select pg_reload_conf()')
    try {
      await until('a write is refused', async () => (await post()).status === 503)
      expect(await ready()).toMatchObject({
        status: 503,
        body: { error: expect.stringContaining('no writes') as unknown },
      })
      expect((await list()).status).toBe(200)
    } finally {
      await sql(
        'set default_transaction_read_only = off',
        'alter system reset default_transaction_read_only',
        'select pg_reload_conf()',
      )
    }
    await until('a snapshot is taken again', async () => (await post()).status === 200)
    expect((await ready()).status).toBe(200)
    expect(await total()).toBeGreaterThan(Number(before))
  })

  it('stores a snapshot once whose answer was lost after the commit, when it comes again with its key', async () => {
    await healed()
    const body = { onchain: { lostanswer: 1 }, onsite: { usd: 2 } }
    const before = service.manager.events.seq
    const seen: string[] = []
    service.manager.events.subscribe((event) => {
      if (event.type === 'snapshot.saved') seen.push(event.data.id)
    })
    const lost = door.loseAnswerTo('lostanswer')
    const first = await post(body, 'key-of-the-lost')
    await lost
    expect(first).toMatchObject({ status: 503, body: { success: false, code: 'storage_unavailable' } })
    const again = await post(body, 'key-of-the-lost')
    expect(again).toMatchObject({ status: 200, body: { success: true } })
    const rows = await sql<{ id: string }>(
      `select id from tidemark."BalanceSnapshot" where idempotency_key = 'key-of-the-lost'`,
    )
    expect(rows).toEqual([{ id: (again.body['data'] as { id: string }).id }])
    await until('the event is handed out', () => service.manager.events.seq > before)
    const events = await service.manager.events.read(before, 10)
    expect(events.map(({ type, data }) => ({ type, id: 'id' in data ? data.id : null }))).toEqual([
      { type: 'snapshot.saved', id: rows[0]?.id },
    ])
    expect(seen).toEqual([rows[0]?.id])
  })

  it('loses nothing that it acknowledged, and doubles nothing, when the server is stopped at once in mid-write', async () => {
    await healed()
    const seen: string[] = []
    service.manager.events.subscribe((event) => {
      if (event.type === 'snapshot.saved') seen.push(event.data.id)
    })
    const since = service.manager.events.seq
    const acknowledged = new Map<string, string>()
    const refusals = new Set<unknown>()
    let writing = true
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let count = 0; writing; count += 1) {
        const key = `writer-${writer}-${count}`
        for (;;) {
          const { status, body } = await post({ onchain: { a: count }, onsite: { b: writer } }, key)
          if (status === 200) {
            acknowledged.set(key, (body['data'] as { id: string }).id)
            break
          }
          refusals.add(body['code'])
        }
      }
    })
    await until('snapshots are acknowledged', () => acknowledged.size > 50)
    process.kill(server.serverPid, 'SIGQUIT')
    await until('writers are refused', () => refusals.size > 0)
    await server.stop()
    server = await startEmbeddedPostgres({ dataDir: folder, logger: silentLogger })
    door.moveTo(server.connection)
    const before = acknowledged.size
    await until('snapshots are acknowledged again', () => acknowledged.size > before + 50)
    writing = false
    await Promise.all(writers)
    const rows = await sql<{ id: string; key: string }>(
      `select id, idempotency_key as key from tidemark."BalanceSnapshot" where idempotency_key like 'writer-%'`,
    )
    // Every writer came again until it was acknowledged: what is stored is what was acknowledged, each once.
    expect(new Map(rows.map(({ id, key }) => [key, id]))).toEqual(acknowledged)
    expect([...refusals]).toEqual(['storage_unavailable'])
    await until('every one was announced', () => seen.length >= rows.length)
    expect(seen.toSorted()).toEqual(rows.map(({ id }) => id).toSorted())
    expect(service.manager.events.seq).toBe(since + BigInt(rows.length))
    expect((await ready()).status).toBe(200)
  })
})

describe('the connections to a database', () => {
  let database: Database

  beforeEach(() => {
    const { user, database: name } = server.connection
    database = new Database({ host: '127.0.0.1', port: door.port, user, database: name }, silentLogger, limits)
  })

  afterEach(async () => {
    await database.close()
  })

  const one = { name: 'one', text: 'select 1 as one' }

  it('do not say that a transaction failed for good when the answer to its commit was lost', async () => {
    await sql('create table kept (id int)')
    const lost = door.loseAnswerTo('commit\0')
    const failure = await database
      .transaction((transaction) => transaction.query({ name: 'keep', text: 'insert into kept values (1)' }))
      .catch((error: unknown) => error)
    await lost
    expect(failure).toBeInstanceOf(DatabaseUnavailableError)
    expect(failure).toMatchObject({ sent: true, retryable: true })
    expect(await database.query({ name: 'read', text: 'select id from kept' })).toEqual([{ id: 1 }])
  })

  it('undo a transaction that was cut in the middle, and let go of what it held', async () => {
    await sql('create table held (id int primary key)')
    const cutOff = database.transaction(async (transaction) => {
      await transaction.query({ name: 'hold', text: 'insert into held values (1)' })
      door.muteOpenConnections()
      await transaction.query(one)
    })
    const startedAt = performance.now()
    await expect(cutOff).rejects.toThrow(DatabaseUnavailableError)
    expect(performance.now() - startedAt).toBeLessThan(deadlineMs)
    // A second writer of the same key would wait for the first, were it still there.
    await database.query({ name: 'hold', text: 'insert into held values (1)' })
    expect(await sql('select id from held')).toEqual([{ id: 1 }])
  })

  it('all go when one of them gets no answer, so that only one call waits', async () => {
    await Promise.all(
      Array.from({ length: 12 }, () => database.query({ name: 'sleep', text: 'select pg_sleep(0.05)' })),
    )
    door.muteOpenConnections()
    await expect(database.query(one)).rejects.toMatchObject({ trouble: 'silent' })
    const startedAt = performance.now()
    for (let count = 0; count < 20; count += 1) expect(await database.query(one)).toEqual([{ one: 1 }])
    expect(performance.now() - startedAt).toBeLessThan(limits.queryTimeoutMs)
  })

  it('hold a listener that is noticed when it is dead without a word, and listens again', async () => {
    let wakes = 0
    const stop = new PostgresEventLog(database, silentLogger).listen(() => (wakes += 1))
    try {
      await until('it listens', () => wakes > 0)
      const woken = async (): Promise<boolean> => {
        const before = wakes
        await sql(`select pg_notify('tidemark_event', '')`)
        await new Promise((resolve) => setTimeout(resolve, 50))
        return wakes > before
      }
      expect(await woken()).toBe(true)
      door.muteOpenConnections()
      expect(await woken()).toBe(false)
      await until('it is woken again', woken)
    } finally {
      await stop()
    }
  })

  it('are closed in time although nobody answers', async () => {
    const hanging = [database.query(one), database.query({ name: 'sleep', text: 'select pg_sleep(0.9)' })]
    await hanging[0]
    door.set('silent')
    hanging.push(database.query(one))
    const failed = Promise.allSettled(hanging)
    const startedAt = performance.now()
    await database.close(200)
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect((await failed).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    await until('no connection is left', () => door.connections === 0)
  })
})
