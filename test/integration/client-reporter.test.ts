import { createHash } from 'node:crypto'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import type { ClientOptions, Reporter, ReporterSettings } from '../../src/client/index.js'
import { createClient, ReportError } from '../../src/client/index.js'
import type { CuttingProxy } from '../support/cutting-proxy.js'
import { startCuttingProxy } from '../support/cutting-proxy.js'
import { longTimeoutMs, times } from '../support/long.js'
import { until } from '../support/until.js'
import { startDatabase, startService } from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

let database: TestDatabase
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  database = await startDatabase()
}, 60_000)

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

afterAll(() => database.stop())

async function serve(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService(database, options)
  closers.push(() => service.close())
  return service
}

async function proxyBefore(service: Service): Promise<CuttingProxy> {
  const proxy = await startCuttingProxy(service.url)
  closers.push(() => proxy.close())
  return proxy
}

function reporterOf(url: string, settings: ReporterSettings = {}, options: Partial<ClientOptions> = {}): Reporter {
  const client = createClient({ url, retryFirstMs: 5, retryMostMs: 50, ...options })
  closers.push(() => client.close())
  return client.reporter(settings)
}

/** A report whose `pid` names it. */
const numbered = (pid: number) => ({ pid, onchain: { eth: '12.5' }, onsite: { eth: 12.4 } })

/** The ids stored for a `pid`. */
async function storedIds(first: number, last: number): Promise<Map<number, string[]>> {
  const rows = await database.query(
    `select pid::int as pid, id from tidemark."BalanceSnapshot" where pid between ${first} and ${last}`,
  )
  const ids = new Map<number, string[]>()
  for (const { pid, id } of rows) ids.set(Number(pid), [...(ids.get(Number(pid)) ?? []), String(id)])
  return ids
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  )

describe('a reporter', () => {
  it('with more reports than it may send a second gets them all stored, and is not taken for a flood', async () => {
    const service = await serve({ server: { snapshotsPerSecond: 50 } })
    const reporter = reporterOf(service.url, {}, { retryFirstMs: 500, retryMostMs: 15_000 })
    let lost = 0
    reporter.on('state', ({ state }) => (lost += state === 'offline' ? 1 : 0))
    await Promise.all(Array.from({ length: 250 }, (_, index) => reporter.report(numbered(70_000 + index))))
    expect(lost).toBe(0)
    expect((await storedIds(70_000, 70_249)).size).toBe(250)
  })

  it('gets what is stored acknowledged, with the time of the call', async () => {
    const service = await serve()
    const reporter = reporterOf(service.url)
    const before = Date.now()
    const answer = await reporter.report(numbered(1))
    expect(Date.parse(answer.timestamp)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(answer.timestamp)).toBeLessThanOrEqual(Date.now())
    expect(await storedIds(1, 1)).toEqual(new Map([[1, [answer.id]]]))
    expect(reporter.pending).toBe(0)
    const exact = await reporter.report({
      ts: '2025-11-07T00:45:08.603Z',
      onchain: { eth: 10n ** 30n },
      onsite: { eth: 1 },
    })
    expect(exact.timestamp).toBe('2025-11-07T00:45:08.603Z')
  })

  it('is pushed nothing, for it only reports', async () => {
    const service = await serve()
    const reporter = reporterOf(service.url)
    const viewer = service.connect({ auth: { events: false } })
    const names: string[] = []
    viewer.onAny((name: string) => names.push(name))
    await reporter.report(numbered(2))
    const pong = new Promise((resolve) => viewer.once('pong', resolve))
    viewer.emit('ping')
    await pong
    expect(names).toEqual(['connected', 'pong'])
  })

  it('keeps reports while the service is away, as they were when they were made', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    proxy.refuse()
    const reporter = reporterOf(proxy.url)
    const report = { pid: 100, onchain: { eth: '1' }, onsite: { eth: '1' } }
    const answers: Promise<{ id: string; timestamp: string }>[] = []
    const called = [Date.now()]
    for (let pid = 100; pid < 400; pid += 1) {
      report.pid = pid
      answers.push(reporter.report(report))
      called.push(Date.now())
    }
    await until('it is offline', () => reporter.state === 'offline')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(reporter.pending).toBe(300)
    proxy.admit()
    const stored = await Promise.all(answers)
    const ids = await storedIds(100, 399)
    expect([...ids.values()].every((list) => list.length === 1)).toBe(true)
    stored.forEach(({ id, timestamp }, index) => {
      expect(ids.get(100 + index)).toEqual([id])
      expect(Date.parse(timestamp)).toBeGreaterThanOrEqual(called[index] ?? Infinity)
      expect(Date.parse(timestamp)).toBeLessThanOrEqual(called[index + 1] ?? 0)
    })
  })

  it('sends a report again whose acknowledgement was lost, and it is stored once', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    const reporter = reporterOf(proxy.url)
    await reporter.report(numbered(500))
    proxy.swallowAnswers()
    const answer = reporter.report(numbered(501))
    await until('it is stored', async () => (await storedIds(501, 501)).size === 1)
    await until('its answer is on the way', () => proxy.swallowedBytes > 0)
    expect(reporter.pending).toBe(1)
    proxy.admit()
    proxy.cut()
    const { id } = await answer
    expect(await storedIds(501, 501)).toEqual(new Map([[501, [id]]]))
  })

  it('leaves a connection on which nothing is answered any more', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    const reporter = reporterOf(proxy.url, { answerTimeoutMs: 200 }, { connectTimeoutMs: 500 })
    await reporter.report(numbered(510))
    const reasons: (string | undefined)[] = []
    reporter.on('state', ({ error }) => reasons.push(error?.code))
    proxy.swallowAnswers()
    const answer = reporter.report(numbered(511))
    await until('it has noticed', () => reasons.includes('timeout'))
    proxy.admit()
    const { id } = await answer
    expect(await storedIds(511, 511)).toEqual(new Map([[511, [id]]]))
  })

  it(
    'loses and doubles nothing while connections are cut and the service is started again',
    async () => {
      const reports = times(2000, 20_000)
      const cuts = times(8, 50)
      const first = 10_000
      let service = await startService(database)
      const proxy = await startCuttingProxy(service.url)
      closers.push(async () => (await proxy.close(), await service.close()))
      const reporter = reporterOf(proxy.url, { inFlightMax: 32, reportsMax: reports })
      const answers = Array.from({ length: reports }, (_, index) => reporter.report(numbered(first + index)))
      const left = (): number => reporter.pending
      let lostConnections = 0
      reporter.on('state', ({ state }) => (lostConnections += state === 'offline' ? 1 : 0))
      for (let cut = 1; cut <= cuts; cut += 1) {
        await until(
          'more is stored',
          () => left() <= reports - (cut * reports) / (cuts + 2) && reporter.state === 'live',
        )
        if (cut === Math.ceil(cuts / 2)) {
          await service.close()
          service = await startService(database)
          proxy.leadTo(service.url)
        } else proxy.cut()
      }
      const stored = await Promise.all(answers)
      expect(lostConnections).toBeGreaterThanOrEqual(cuts)
      const ids = await storedIds(first, first + reports - 1)
      expect(ids.size).toBe(reports)
      stored.forEach(({ id }, index) => expect(ids.get(first + index)).toEqual([id]))
    },
    longTimeoutMs,
  )

  it('gives up at once what is refused for what it says, and goes on with the next', async () => {
    const service = await serve()
    const reporter = reporterOf(service.url)
    const retries: string[] = []
    reporter.on('retry', ({ id }) => retries.push(id))
    const [bad, conflict, good] = await Promise.all([
      failureOf(reporter.report({ onchain: { eth: '-1' }, onsite: { eth: 1 } }, { id: 'bad' })),
      reporter
        .report(numbered(700), { id: 'same' })
        .then(() => failureOf(reporter.report(numbered(701), { id: 'same' }))),
      reporter.report(numbered(702)),
    ])
    expect(bad).toBeInstanceOf(ReportError)
    expect(bad).toMatchObject({
      code: 'invalid_snapshot',
      retryable: false,
      reportId: 'bad',
      outcome: 'not_stored',
      answer: [expect.objectContaining({ path: 'onchain.eth' })],
    })
    expect(conflict).toMatchObject({ code: 'idempotency_conflict', reportId: 'same' })
    expect(await storedIds(700, 702)).toEqual(
      new Map([
        [700, [expect.any(String)]],
        [702, [good.id]],
      ]),
    )
    expect(retries).toEqual([])
  })

  it('refuses what cannot be sent before it is sent', async () => {
    const reporter = reporterOf('http://127.0.0.1:1')
    const assets = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`asset${index}`, '1']))
    expect(await failureOf(reporter.report({ onchain: { eth: Number.NaN }, onsite: { eth: 1 } }))).toMatchObject({
      code: 'invalid_snapshot',
      message: expect.stringContaining('"eth"'),
    })
    expect(await failureOf(reporter.report({ onchain: assets, onsite: { eth: 1 } }))).toMatchObject({
      code: 'invalid_snapshot',
      outcome: 'not_stored',
    })
    expect(reporter.pending).toBe(0)
  })
})

describe('a full queue', () => {
  it('refuses the newest, and keeps what waits', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    proxy.refuse()
    const reporter = reporterOf(proxy.url, { reportsMax: 2 })
    const kept = [reporter.report(numbered(800)), reporter.report(numbered(801))]
    expect(await failureOf(reporter.report(numbered(802)))).toMatchObject({ code: 'queue_full', outcome: 'not_stored' })
    proxy.admit()
    await Promise.all(kept)
    expect([...(await storedIds(800, 802)).keys()].toSorted()).toEqual([800, 801])
  })

  it('gives up the oldest when it is told to, and says so', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    proxy.refuse()
    const reporter = reporterOf(proxy.url, { lengthMax: 250, whenFull: 'drop_oldest' })
    const answers = [810, 811, 812, 813].map((pid) => failureOf(reporter.report(numbered(pid))))
    proxy.admit()
    const [first, second, ...rest] = await Promise.all(answers)
    expect([first, second]).toEqual([
      expect.objectContaining({ code: 'dropped', outcome: 'not_stored' }),
      expect.objectContaining({ code: 'dropped', outcome: 'not_stored' }),
    ])
    expect(rest).toEqual([null, null])
    expect([...(await storedIds(810, 813)).keys()].toSorted()).toEqual([812, 813])
  })
})

describe('closing a reporter', () => {
  it('waits for what waits, as long as it is told to', async () => {
    const service = await serve()
    const reporter = reporterOf(service.url)
    const answers = Array.from({ length: 100 }, (_, index) => reporter.report(numbered(900 + index)))
    await reporter.close({ flushMs: 20_000 })
    await Promise.all(answers)
    expect(reporter.state).toBe('closed')
    expect((await storedIds(900, 999)).size).toBe(100)
    expect(await failureOf(reporter.report(numbered(1000)))).toMatchObject({ code: 'closed', outcome: 'not_stored' })
  })

  it('says of each report that is not acknowledged whether it may be stored', async () => {
    const service = await serve()
    const proxy = await proxyBefore(service)
    const reporter = reporterOf(proxy.url, { inFlightMax: 1 })
    await reporter.report(numbered(1100))
    proxy.swallowAnswers()
    const answers = [1101, 1102].map((pid) => failureOf(reporter.report(numbered(pid))))
    await until('the first is stored', async () => (await storedIds(1101, 1101)).size === 1)
    await reporter.close({ flushMs: 50 })
    expect(await Promise.all(answers)).toEqual([
      expect.objectContaining({ code: 'closed', outcome: 'unknown' }),
      expect.objectContaining({ code: 'closed', outcome: 'not_stored' }),
    ])
    expect([...(await storedIds(1101, 1102)).keys()]).toEqual([1101])
  })
})

describe('a reporter without a valid key', () => {
  it('is refused once and for all, and all that waits with it', async () => {
    const secret = 'the-right-secret-of-the-bot-0001'
    const service = await serve({
      server: {
        apiKeys: [{ name: 'bot', scopes: ['write'], secretSha256: createHash('sha256').update(secret).digest('hex') }],
      },
    })
    let asked = 0
    const apiKey = (): string => {
      asked += 1
      return 'a-wrong-secret-of-the-bot-000001'
    }
    const reporter = reporterOf(service.url, {}, { apiKey })
    const answers = await Promise.all([
      failureOf(reporter.report(numbered(1200))),
      failureOf(reporter.report(numbered(1201))),
    ])
    expect(answers).toEqual([
      expect.objectContaining({ code: 'unauthorized', retryable: false }),
      expect.objectContaining({ code: 'unauthorized', retryable: false }),
    ])
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(asked).toBe(1)
    const right = reporterOf(service.url, {}, { apiKey: secret })
    await right.report(numbered(1202))
    expect([...(await storedIds(1200, 1202)).keys()]).toEqual([1202])
  })
})
