import { createHash } from 'node:crypto'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Socket } from 'socket.io-client'
import { io } from 'socket.io-client'

import type { BalanceManager } from '../../src/index.js'
import { times } from '../support/long.js'
import { openRawSocket } from '../support/raw-socket.js'
import { until } from '../support/until.js'
import { Collected, documentReport, nextEvent, startDatabase, startService } from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

interface Pushed {
  readonly id: string
  readonly seq: number
}

let database: TestDatabase
const services = new Set<Service>()
const viewers = new Set<Viewer>()

beforeAll(async () => {
  database = await startDatabase()
}, 60_000)

afterEach(async () => {
  for (const viewer of viewers) viewer.close()
  viewers.clear()
  await Promise.all([...services].map((service) => service.close()))
  services.clear()
})

afterAll(() => database.stop())

async function serve(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService(database, options)
  services.add(service)
  return service
}

async function stop(service: Service): Promise<void> {
  services.delete(service)
  await service.close()
}

async function save(service: Service, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => service.manager.saveSnapshot(documentReport)))
}

async function storedSeqs(after: number): Promise<readonly number[]> {
  const rows = await database.query(`select seq::int as seq from tidemark.event where seq > ${after} order by seq`)
  return rows.map((row) => row['seq'] as number)
}

async function head(): Promise<number> {
  return (await database.query('select seq::int as seq from tidemark.event_log'))[0]?.['seq'] as number
}

/** Resolves when the service has handed out everything that is committed. */
async function caughtUp(service: Service): Promise<void> {
  const seq = BigInt(await head())
  await until('the service has read the log', () => service.manager.events.seq >= seq)
}

/** A client that keeps its place, as the documentation tells, and may go on anywhere. */
class Viewer {
  readonly seqs: number[] = []
  readonly reasons: string[] = []
  #socket: Socket | null = null
  #place: Record<string, unknown> = {}

  /** Leaves where it is, and resolves when the other service has greeted it. */
  async moveTo(service: Service, auth: Record<string, unknown> = {}): Promise<Socket> {
    this.#socket?.disconnect()
    const socket = io(service.url, {
      path: '/api/socket.io',
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 5,
      reconnectionDelayMax: 20,
      auth: (give: (auth: object) => void) => give({ ...auth, ...this.#place }),
    })
    this.#socket = socket
    socket.on('connected', ({ seq, log }) => (this.#place = { since: seq, log }))
    socket.on('resync', ({ reason }) => this.reasons.push(String(reason)))
    socket.on('balance:snapshot', ({ seq }: Pushed) => {
      this.seqs.push(seq)
      this.#place = { ...this.#place, since: seq }
    })
    socket.on('disconnect', (reason) => this.reasons.push(reason))
    await nextEvent(socket, 'connected')
    return socket
  }

  close(): void {
    this.#socket?.disconnect()
  }
}

function view(): Viewer {
  const viewer = new Viewer()
  viewers.add(viewer)
  return viewer
}

/** Counts how often the log is read for clients that come back. */
function countReads(reads: { count: number }): (manager: BalanceManager) => BalanceManager {
  return (manager) => {
    // A manager makes the object anew each time it is asked for.
    const events = (): BalanceManager['events'] =>
      new Proxy(manager.events, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (name !== 'read' || typeof value !== 'function') return value
          return (...args: unknown[]): unknown => {
            reads.count += 1
            return Reflect.apply(value, target, args)
          }
        },
      })
    return new Proxy(manager, {
      get: (target, name) => {
        if (name === 'events') return events()
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

describe('two replicas on one database', () => {
  it('push each event once to each of their clients, in order, whoever saved it', async () => {
    const [a, b] = [await serve(), await serve()]
    const before = await head()
    const sockets = [a.connect(), b.connect(), a.connect({ transports: ['polling'] }), b.connect()]
    const got = sockets.map((socket) => new Collected<Pushed>(socket, 'balance:snapshot'))
    await Promise.all(sockets.map((socket) => nextEvent(socket, 'connected')))
    for (let round = 0; round < 10; round += 1) await Promise.all([save(a, 20), save(b, 20)])
    const stored = await storedSeqs(before)
    expect(stored).toHaveLength(400)
    for (const collected of got) expect((await collected.take(400)).map(({ seq }) => seq)).toEqual(stored)
  })

  it('do not know the polling sessions of each other, and say so; WebSocket needs no session', async () => {
    const [a, b] = [await serve(), await serve()]
    const path = '/api/socket.io/?EIO=4&transport=polling'
    const { sid } = JSON.parse((await (await fetch(`${a.url}${path}`)).text()).slice(1)) as { sid: string }
    const elsewhere = await fetch(`${b.url}${path}&sid=${sid}`, { method: 'POST', body: '40' })
    expect([elsewhere.status, await elsewhere.json()]).toEqual([400, { code: 1, message: 'Session ID unknown' }])
    const where = await fetch(`${a.url}${path}&sid=${sid}`, { method: 'POST', body: '40' })
    expect(where.status).toBe(200)
    await where.text()
    await Promise.all([a, b].map((service) => nextEvent(service.connect(), 'connected')))
  })

  it('need no notification from the database', async () => {
    const [a, b] = [await serve(), await serve()]
    const before = await head()
    const socket = b.connect()
    const got = new Collected<Pushed>(socket, 'balance:snapshot')
    await nextEvent(socket, 'connected')
    const listeners = `from pg_stat_activity where datname = current_database() and query ilike 'listen %'`
    let notifiable = 0
    for (let round = 0; round < 5; round += 1) {
      await database.query(`select pg_terminate_backend(pid) ${listeners}`)
      await until('nobody listens', async () => (await database.query(`select 1 ${listeners}`)).length === 0)
      await save(a, 3)
      notifiable += (await database.query(`select 1 ${listeners}`)).length
      await got.take(3 * (round + 1))
    }
    // They listen again two seconds after they were cut: most rounds had nobody to notify.
    expect(notifiable).toBeLessThan(5)
    expect(got.items.map(({ seq }) => seq)).toEqual(await storedSeqs(before))
  })

  it('pass clients between them that lose nothing and get nothing twice, while snapshots keep coming', async () => {
    const [a, b] = [await serve(), await serve()]
    const before = await head()
    const viewer = view()
    await viewer.moveTo(a)
    for (let move = 0; move < times(20, 100); move += 1) {
      const saving = Promise.all([save(a, 10), save(b, 10)])
      const socket = await viewer.moveTo(move % 2 === 0 ? b : a)
      if (move % 3 === 0) {
        const again = nextEvent(socket, 'connected')
        socket.io.engine.close()
        await again
      }
      await saving
    }
    const stored = await storedSeqs(before)
    await until('the viewer has the newest event', () => viewer.seqs.at(-1) === stored.at(-1))
    expect(viewer.seqs).toEqual(stored)
    expect(viewer.reasons).not.toContain('ahead_of_log')
  })
})

describe('a client that comes back', () => {
  it('after restarts of the service has everything once', async () => {
    const before = await head()
    const viewer = view()
    let service = await serve()
    await viewer.moveTo(service)
    for (let restart = 0; restart < times(3, 15); restart += 1) {
      await save(service, 15)
      await stop(service)
      const other = await serve()
      await save(other, 15)
      service = other
      await viewer.moveTo(service)
    }
    const stored = await storedSeqs(before)
    await until('the viewer has the newest event', () => viewer.seqs.at(-1) === stored.at(-1))
    expect(viewer.seqs).toEqual(stored)
  })

  it('after the service disconnected it goes on from its place', async () => {
    const own = await startDatabase()
    const [first, second] = ['first-secret-00000001', 'second-secret-0000002']
    const keyOf = (name: string, secret: string) => ({
      name,
      secretSha256: createHash('sha256').update(secret).digest('hex'),
      scopes: ['read'] as const,
    })
    const service = await startService(own, { server: { apiKeys: [keyOf('second', second)] } })
    try {
      await service.manager.apiKeys.add(keyOf('first', first))
      const viewer = view()
      // It takes a moment until a new key is known.
      await until('the key opens', () =>
        openRawSocket(service.url, { token: first }).then(
          () => true,
          () => false,
        ),
      )
      const socket = await viewer.moveTo(service, { token: first })
      await save(service, 5)
      await until('the viewer has all', () => viewer.seqs.length === 5)
      const disconnected = nextEvent(socket, 'disconnect')
      await service.manager.apiKeys.revoke('first')
      expect(await disconnected).toBe('io server disconnect')
      await save(service, 5)
      await viewer.moveTo(service, { token: second })
      await save(service, 5)
      await until('the viewer has all', () => viewer.seqs.length === 15)
      expect(viewer.seqs).toEqual(Array.from({ length: 15 }, (_, index) => (viewer.seqs[0] ?? 0) + index))
    } finally {
      await service.close()
      await own.stop()
    }
  })

  it('to a database that was restored under the running service is told so, and gets what is new', async () => {
    const own = await startDatabase()
    const service = await startService(own)
    try {
      const live = service.connect()
      const got = new Collected<Pushed>(live, 'balance:snapshot')
      const { log } = await nextEvent(live, 'connected')
      await save(service, 6)
      await got.take(6)
      const resync = nextEvent(live, 'resync')
      await own.query(`
        with gone as (delete from tidemark.event where seq > 2),
          snapshots as (delete from tidemark."BalanceSnapshot" where seq > 2)
        update tidemark.event_log set seq = 2, snapshots = 2`)
      const told = await resync
      expect(told).toMatchObject({ reason: 'log_changed', seq: 2 })
      expect(told['log']).not.toBe(log)

      await save(service, 6)
      expect((await got.take(12)).slice(6).map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7, 8])
      // It was away meanwhile, and has a place of which the numbers mean others now.
      const late = service.connect({ auth: { since: 4, log } })
      expect(await nextEvent(late, 'resync')).toMatchObject({ reason: 'log_changed', seq: 8 })
      // What was kept of the other log is not sent any more.
      const after = service.connect({ auth: { since: 2, log: told['log'] } })
      const replayed = await new Collected<Pushed & { id: string }>(after, 'balance:snapshot').take(6)
      const stored = await own.query('select id from tidemark."BalanceSnapshot" where seq > 2 order by seq')
      expect(replayed.map(({ id }) => id)).toEqual(stored.map(({ id }) => id))
    } finally {
      await service.close()
      await own.stop()
    }
  })

  it('without since starts at the newest event', async () => {
    const service = await serve()
    await save(service, 5)
    await caughtUp(service)
    const socket = service.connect()
    const got = new Collected<Pushed>(socket, 'balance:snapshot')
    const greeted = nextEvent(socket, 'connected')
    const newest = await head()
    expect(await greeted).toMatchObject({ seq: newest })
    await save(service, 1)
    expect((await got.take(1)).map(({ seq }) => seq)).toEqual([newest + 1])
  })

  it('with events: false is pushed nothing, and still may report', async () => {
    const service = await serve()
    const socket = service.connect({ auth: { events: false } })
    const got = new Collected<Pushed>(socket, 'balance:snapshot')
    const other = service.connect()
    const seen = new Collected<Pushed>(other, 'balance:snapshot')
    await Promise.all([nextEvent(socket, 'connected'), nextEvent(other, 'connected')])
    expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
    await seen.take(1)
    expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
    expect(got.items).toEqual([])
  })

  it('after a moment costs the database nothing', async () => {
    const reads = { count: 0 }
    const service = await serve({ wrap: countReads(reads) })
    const viewer = view()
    await viewer.moveTo(service)
    await save(service, 300)
    await until('the viewer has all', () => viewer.seqs.length === 300)
    for (let round = 0; round < 20; round += 1) {
      viewer.close()
      await save(service, 10)
      await viewer.moveTo(service)
    }
    await until('the viewer has all', () => viewer.seqs.length === 500)
    expect(viewer.seqs).toEqual(Array.from({ length: 500 }, (_, index) => (viewer.seqs[0] ?? 0) + index))
    expect(reads.count).toBe(0)
  })

  it('with hundreds of others after a restart shares with them what is read, and misses nothing', async () => {
    const first = await serve()
    const since = await head()
    await save(first, 1300)
    await stop(first)
    const reads = { count: 0 }
    const service = await serve({ wrap: countReads(reads) })
    const expected = await storedSeqs(since)
    const clients = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const seqs: number[] = []
        const raw = await openRawSocket(service.url, { since }, (event) => {
          const seq = /"seq":(\d+)\}\]$/.exec(event)?.[1]
          if (event.startsWith('["balance:snapshot"')) seqs.push(Number(seq))
        })
        return { raw, seqs }
      }),
    )
    await until('all have all', () => clients.every(({ seqs }) => seqs.length === expected.length))
    for (const { seqs } of clients) expect(seqs).toEqual(expected)
    // Pages of 500: three or four of them, and not for each client.
    expect(reads.count).toBeLessThan(12)
    for (const { raw } of clients) raw.socket.terminate()
  })
})

describe('a hostile place to go on from', () => {
  it.each([
    ['999999999999999999', 'ahead_of_log'],
    [Number.MAX_SAFE_INTEGER, 'ahead_of_log'],
  ])('%s is answered with resync', async (since, reason) => {
    const service = await serve()
    const socket = service.connect({ auth: { since } })
    expect(await nextEvent(socket, 'resync')).toMatchObject({ reason })
  })

  it.each([
    { since: '9'.repeat(40) },
    { since: -1 },
    { since: 0.5 },
    { since: [1] },
    { since: { $gt: 0 } },
    { since: 1e300 },
    { log: 5 },
    { log: 'x'.repeat(65) },
    { events: 'no' },
    { token: 'x'.repeat(513) },
  ])('%j is refused, and the service goes on', async (auth) => {
    const service = await serve()
    const error = await nextEvent<Error & { data: unknown }>(service.connect({ auth }), 'connect_error')
    expect(error).toMatchObject({ message: 'invalid_request', data: { success: false, code: 'invalid_request' } })
    await nextEvent(service.connect(), 'connected')
  })

  it('many of them at once do not keep others waiting', async () => {
    const service = await serve()
    const hostile = Array.from({ length: 100 }, (_, index) =>
      service.connect({ auth: { since: 10 ** 12 + index * 1000 } }),
    )
    await Promise.all(hostile.map((socket) => nextEvent(socket, 'resync')))
    await nextEvent(service.connect(), 'connected')
  })
})
