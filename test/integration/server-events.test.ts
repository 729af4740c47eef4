import { setImmediate } from 'node:timers/promises'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import type { BalanceManager, LoggedEvent } from '../../src/index.js'
import {
  Collected,
  documentReport,
  getJson,
  nextEvent,
  postJson,
  startDatabase,
  startDatabaseServer,
  startService,
} from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

interface Pushed {
  readonly id: string
  readonly seq: number
}

let database: TestDatabase
const services = new Set<Service>()

beforeAll(async () => {
  database = await startDatabase()
}, 60_000)

afterEach(async () => {
  await Promise.all([...services].map((service) => service.close()))
  services.clear()
})

afterAll(() => database.stop())

async function serve(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService(database, options)
  services.add(service)
  return service
}

async function save(service: Service, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => service.manager.saveSnapshot(documentReport)))
}

/** Resolves when the service has handed out everything that is committed. */
async function caughtUp(service: Service): Promise<number> {
  const rows = await database.query('select seq::int as seq from tidemark.event_log')
  const head = rows[0]?.['seq'] as number
  if (service.manager.events.seq < BigInt(head)) {
    await new Promise<void>((resolve) => {
      const stop = service.manager.events.subscribe((event) => {
        if (event.seq < BigInt(head)) return
        stop()
        resolve()
      })
    })
  }
  return head
}

describe('coming back with since', () => {
  it('sends what was missed, in order, and then what happens', async () => {
    const service = await serve()
    const first = service.connect()
    const { log } = await nextEvent(first, 'connected')
    const seen = new Collected<Pushed>(first, 'balance:snapshot')
    await save(service, 3)
    await seen.take(3)
    first.disconnect()
    const since = seen.items.at(-1)?.seq ?? 0

    await save(service, 1500)
    await caughtUp(service)
    const second = service.connect({ auth: { since, log } })
    const missed = new Collected<Pushed>(second, 'balance:snapshot')
    expect(await nextEvent(second, 'connected')).toMatchObject({ seq: since, log })
    await missed.take(1500)
    await save(service, 5)
    const all = await missed.take(1505)
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 1505 }, (_, index) => since + 1 + index))
  })

  it('loses and repeats nothing while snapshots keep coming and connections keep breaking', async () => {
    const service = await serve()
    const [steady, broken] = [service.connect(), service.connect()]
    const [expected, got] = [
      new Collected<Pushed>(steady, 'balance:snapshot'),
      new Collected<Pushed>(broken, 'balance:snapshot'),
    ]
    let place: Record<string, unknown> = {}
    broken.auth = (give: (auth: object) => void) => give(place)
    broken.io.reconnection(true)
    broken.io.reconnectionDelay(1)
    broken.io.reconnectionDelayMax(5)
    broken.on('connected', ({ seq, log }) => (place = { since: seq, log }))
    broken.on('balance:snapshot', ({ seq }) => (place = { ...place, since: seq }))
    await Promise.all([nextEvent(steady, 'connected'), nextEvent(broken, 'connected')])

    for (let cut = 0; cut < 25; cut += 1) {
      const reconnected = nextEvent(broken, 'connected')
      const saving = save(service, 40)
      broken.io.engine.close()
      await Promise.all([saving, reconnected])
    }
    await save(service, 1)
    await expected.take(1001)
    const last = expected.items.at(-1)?.seq
    while (got.items.at(-1)?.seq !== last) await nextEvent(broken, 'balance:snapshot')
    expect(got.items).toEqual(expected.items)
  })

  it('goes on across a restart of the service', async () => {
    const before = await serve()
    const socket = before.connect()
    const { log } = await nextEvent(socket, 'connected')
    const seen = new Collected<Pushed>(socket, 'balance:snapshot')
    await save(before, 1)
    const [last] = await seen.take(1)
    const disconnected = nextEvent(socket, 'disconnect')
    await before.server.close()
    // The reason after which a client connects again by itself.
    expect(await disconnected).toBe('transport close')
    await save(before, 2)
    await before.close()
    services.delete(before)

    const after = await serve()
    const again = after.connect({ auth: { since: last?.seq, log } })
    const missed = new Collected<Pushed>(again, 'balance:snapshot')
    expect((await missed.take(2)).map(({ seq }) => seq)).toEqual([(last?.seq ?? 0) + 1, (last?.seq ?? 0) + 2])
  })

  it('accepts since as text, and refuses one that is no sequence number', async () => {
    const service = await serve()
    const head = await caughtUp(service)
    expect(await nextEvent(service.connect({ auth: { since: String(head) } }), 'connected')).toMatchObject({
      seq: head,
    })
    for (const since of [-1, 1.5, 'x', {}, true]) {
      const error = await nextEvent<Error>(service.connect({ auth: { since } }), 'connect_error')
      expect(error.message).toBe('invalid_request')
    }
  })
})

describe('resync', () => {
  async function resyncOf(service: Service, auth: Record<string, unknown>): Promise<void> {
    const head = await caughtUp(service)
    const socket = service.connect({ auth })
    const [connected, resync] = await Promise.all([nextEvent(socket, 'connected'), nextEvent(socket, 'resync')])
    expect(resync).toMatchObject({ seq: head, log: connected['log'] })
    const pushed = new Collected<Pushed>(socket, 'balance:snapshot')
    await save(service, 1)
    expect((await pushed.take(1))[0]?.seq).toBe(head + 1)
    reasons.push(String(resync['reason']))
  }
  const reasons: string[] = []

  it('is sent when the log is another one, since is beyond it, too far back, or not kept any more', async () => {
    const service = await serve()
    await save(service, 3)
    await resyncOf(service, { since: 1, log: '00000000-0000-4000-8000-000000000000' })
    await resyncOf(service, { since: 1_000_000_000 })
    const head = await caughtUp(service)
    await save(service, 6000)
    await save(service, 6000)
    await resyncOf(service, { since: head })
    const now = await caughtUp(service)
    await database.query(`delete from tidemark.event where seq <= ${now - 10}`)
    // A process of its own: the first one still has the newest events in memory.
    await resyncOf(await serve(), { since: now - 20 })
    expect(reasons).toEqual(['log_changed', 'ahead_of_log', 'too_far_behind', 'expired'])
  })
})

describe('a process that is behind another one', () => {
  it('lets a client wait until it has reached the client’s place, without repeating anything', async () => {
    const ahead = await serve()
    const lag = new LaggingEvents()
    const behind = await serve({ wrap: (manager) => lag.wrap(manager) })
    await save(ahead, 5)
    const head = await caughtUp(ahead)
    await caughtUp(behind)

    const socket = behind.connect({ auth: { since: head } })
    const pushed = new Collected<Pushed>(socket, 'balance:snapshot')
    expect(await nextEvent(socket, 'connected')).toMatchObject({ seq: head })
    lag.release()
    await save(ahead, 2)
    expect((await pushed.take(2)).map(({ seq }) => seq)).toEqual([head + 1, head + 2])
  })

  /** The manager's own event log, held back until it is released: a process whose reading of the log is late. */
  class LaggingEvents {
    readonly #held: LoggedEvent[] = []
    readonly #handlers = new Set<(event: LoggedEvent) => void>()
    #seq = 0n
    #holding = true

    wrap(manager: BalanceManager): BalanceManager {
      const { events } = manager
      this.#seq = events.seq
      events.subscribe((event) => (this.#holding ? this.#held.push(event) : this.#hand(event)))
      const seq = (): bigint => this.#seq
      const late: BalanceManager['events'] = {
        ready: () => events.ready(),
        get seq() {
          return seq()
        },
        logId: events.logId,
        subscribe: (handler) => {
          this.#handlers.add(handler)
          return () => this.#handlers.delete(handler)
        },
        onBreak: (handler) => events.onBreak(handler),
        consume: (options) => events.consume(options),
        read: (after, limit) => events.read(after, limit),
        oldestSeq: () => events.oldestSeq(),
      }
      return new Proxy(manager, {
        get: (target, name) => {
          if (name === 'events') return late
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    }

    release(): void {
      this.#holding = false
      for (const event of this.#held.splice(0)) this.#hand(event)
    }

    #hand(event: LoggedEvent): void {
      for (const handler of this.#handlers) handler(event)
      this.#seq = event.seq
    }
  }
})

describe('a client that does not read', () => {
  it('is cut, while the others get everything', async () => {
    const service = await serve()
    const healthy = service.connect()
    await nextEvent(healthy, 'connected')
    const got = new Collected<Pushed>(healthy, 'balance:snapshot')
    const stuck = new WebSocket(`${service.url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`)
    let taken = 0
    await new Promise<void>((resolve) => {
      stuck.on('message', (data) => {
        if (String(data).startsWith('0')) stuck.send('40')
        if (String(data).startsWith('42["connected"')) resolve()
        if (String(data).startsWith('42["balance:snapshot"')) taken += 1
      })
    })
    stuck.pause()
    const book = Object.fromEntries(
      Array.from({ length: 64 }, (_, index) => [`asset-with-a-long-name-${index}`, '9'.repeat(70)]),
    )
    let saved = 0
    while (!(await getText(`${service.url}/metrics`)).includes('tidemark_socket_slow_readers_total 1\n')) {
      await Promise.all(
        Array.from({ length: 500 }, () => service.manager.saveSnapshot({ onchain: book, onsite: book })),
      )
      saved += 500
      await got.take(saved)
    }
    const closed = new Promise((resolve) => stuck.once('close', resolve))
    stuck.resume()
    await closed
    const seqs = got.items.map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from({ length: saved }, (_, index) => (seqs[0] ?? 0) + index))
    // What waited for the stuck client, 4 million characters, was thrown away, not kept until it reads.
    expect(saved - taken).toBeGreaterThan(300)
  })

  async function getText(url: string): Promise<string> {
    return (await fetch(url)).text()
  }
})

describe('closing the server', () => {
  it('answers the snapshots under way, disconnects, frees the port, and may be called again', async () => {
    const service = await serve()
    const socket = service.connect()
    await nextEvent(socket, 'connected')
    const release = await database.holdSnapshots()
    const overSocket = socket.emitWithAck('balance:update', documentReport)
    await database.waitUntilHeld()
    const overRest = postJson(`${service.url}/api/balance/snapshot`, documentReport)
    while ((await service.manager.metrics()).snapshots.queued === 0) await setImmediate()
    const closing = service.server.close()
    expect(service.server.close()).toBe(closing)
    const disconnected = nextEvent(socket, 'disconnect')
    await release()
    expect(await overSocket).toMatchObject({ success: true })
    expect(await overRest).toMatchObject({ status: 200 })
    expect(await disconnected).toBe('transport close')
    await closing
    await expect(getJson(`${service.url}/livez`)).rejects.toThrow()
  })

  it('does not wait for idle and half-open connections', async () => {
    const service = await serve()
    const raw = new WebSocket(`${service.url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`)
    raw.on('error', () => undefined)
    await new Promise((resolve) => raw.once('message', resolve))
    raw.pause()
    const poll = await fetch(`${service.url}/api/socket.io/?EIO=4&transport=polling`)
    await poll.text()
    await service.server.close()
    raw.terminate()
  })
})

describe('a database that is away', () => {
  it('gets no acknowledgement, but a retryable error, and the service heals', async () => {
    const own = await startDatabaseServer()
    const service = await startService(own)
    try {
      const socket = service.connect()
      await nextEvent(socket, 'connected')
      await own.query(`alter table tidemark."BalanceSnapshot" rename to "Away"`)
      const rest = await postJson(`${service.url}/api/balance/snapshot`, documentReport)
      expect(rest).toMatchObject({ status: 503, body: { success: false, code: 'storage_unavailable' } })
      expect(rest.headers.get('retry-after')).toBe('1')
      expect(JSON.stringify(rest.body)).not.toMatch(/relation|Snapshot"/)
      expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({
        success: false,
        code: 'storage_unavailable',
      })
      const failed = await getJson(`${service.url}/api/balance/snapshot`)
      expect(failed.body).toEqual({ success: false, error: 'internal error', code: 'internal' })
      await own.query(`alter table tidemark."Away" rename to "BalanceSnapshot"`)
      expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })

      await own.stop()
      expect(await getJson(`${service.url}/readyz`)).toMatchObject({ status: 503, body: { code: 'not_ready' } })
      expect(await getJson(`${service.url}/livez`)).toMatchObject({ status: 200 })
      const list = await getJson(`${service.url}/api/balances`)
      expect(list).toMatchObject({ status: 503, body: { success: false, code: 'unavailable' } })
      expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('tidemark_database_up 0')
    } finally {
      await service.close()
      await own.stop()
    }
  })
})
