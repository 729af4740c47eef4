import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { examineMongoDb } from '../../src/doctor/examine-mongodb.js'
import type { Logger } from '../../src/model/logger.js'
import { recordLog } from '../support/log-recorder.js'
import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer } from '../support/mongodb-server.js'
import { until } from '../support/until.js'
import { chainId, openStore, solver, token } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { Historian, digests, openCopier } from './mongodb-fixture.js'
import { getJson, startService } from './server-fixture.js'
import type { Service } from './server-fixture.js'

/** The driver finds out sooner than by its own choice. */
const QUICK = 'serverSelectionTimeoutMS=1000&connectTimeoutMS=2000&socketTimeoutMS=3000&heartbeatFrequencyMS=500'

describeOnMongoDb('while MongoDB is away', { ownProcess: true }, (engine) => {
  let server: MongoDbServer
  let fixture: StoreFixture
  let historian: Historian
  let services: Service[]

  beforeEach(async () => {
    services = []
    server = await engine.start({ onDisk: true })
    fixture = await openStore()
    historian = new Historian(fixture, 6)
  })
  afterEach(async () => {
    for (const service of services) await service.close()
    await server.stop()
    await fixture.close()
  })

  /** A service on the fixture's database, whose watch list stays as it was. */
  async function start(url = `${server.url}/away?${QUICK}`, logger?: Logger): Promise<Service> {
    const service = await startService(fixture, {
      mongodb: { mongodbUrl: url, mongodbBatchSize: 10 },
      ...(logger === undefined ? {} : { logger }),
    })
    services.push(service)
    await fixture.watchList.applyConfiguration({
      chains: [{ chainId, name: 'Test', tokens: [token] }],
      solvers: [{ address: solver, label: 'hot' }],
    })
    return service
  }

  const readiness = async (service: Service): Promise<Record<string, unknown>> => {
    const { status, body } = await getJson(`${service.url}/readyz`)
    expect(status).toBe(200)
    return body
  }
  const copyOf = async (service: Service): Promise<unknown> => (await readiness(service))['mongodb']
  const untilCopied = (service: Service): Promise<void> =>
    until('MongoDB has everything', async () => {
      const { mongodb } = await service.manager.metrics()
      return mongodb?.state === 'following' && mongodb.lagEvents === 0n
    })
  const expectEqual = async (): Promise<void> => {
    const copier = await openCopier(fixture, `${server.url}/away`)
    const { mongodb, postgres } = await digests(copier)
    await copier.close()
    expect(mongodb).toEqual(postgres)
  }
  const metric = async (service: Service, name: string): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`)).text()
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  }

  it.each([
    ['down', 'MongoDB cannot be reached', () => server.halt(), () => server.restart()],
    [
      'frozen',
      'MongoDB does not answer in time',
      () => Promise.resolve(server.freeze()),
      () => Promise.resolve(server.thaw()),
    ],
  ])(
    'being %s, blocks are stored as ever, and nothing but lag is left of it',
    async (_title, reason, leave, comeBack) => {
      const service = await start()
      await historian.block([1n, 1n])
      await untilCopied(service)
      expect(await copyOf(service)).toEqual({ state: 'following', reason: null, lagEvents: '0', lagSeconds: 0 })
      expect(await metric(service, 'tidemark_mongodb_up')).toBe(1)
      await leave()
      for (let index = 0; index < 5; index += 1) await historian.step()
      await until('it is seen', async () => (await service.manager.metrics()).mongodb?.state === 'failing')
      const away = await copyOf(service)
      expect(away).toMatchObject({ state: 'failing', reason })
      expect(Number((away as { lagEvents: string }).lagEvents)).toBeGreaterThan(0)
      expect(await metric(service, 'tidemark_mongodb_up')).toBe(0)
      expect(await metric(service, 'tidemark_mongodb_lag_events')).toBeGreaterThan(0)
      expect(await metric(service, 'tidemark_mongodb_lag_seconds')).toBeGreaterThan(0)
      expect(await metric(service, 'tidemark_mongodb_failures_total')).toBeGreaterThan(0)
      await historian.step()
      await comeBack()
      await untilCopied(service)
      await expectEqual()
      expect(await metric(service, 'tidemark_mongodb_lag_seconds')).toBe(0)
    },
  )

  it('a service starts, and copies when it comes', async () => {
    await server.halt()
    const service = await start()
    await historian.block([1n, 1n])
    await until('it is seen', async () => (await service.manager.metrics()).mongodb?.state === 'failing')
    expect(await copyOf(service)).toMatchObject({ state: 'failing', reason: 'MongoDB cannot be reached' })
    await server.restart()
    await untilCopied(service)
    await expectEqual()
  })

  it('doctor says so, and otherwise how far the copy is', async () => {
    const url = `${server.url}/away?${QUICK}`
    expect(await examineMongoDb(url)).toMatchObject({ level: 'ok', text: expect.stringContaining('nothing is copied') })
    const service = await start()
    await historian.block([1n, 1n])
    await untilCopied(service)
    const { seq } = await fixture.log.head()
    expect((await examineMongoDb(url)).text).toBe(`it answers; all records are there up to event ${seq}`)
    await server.halt()
    expect(await examineMongoDb(url)).toMatchObject({
      level: 'problem',
      subject: 'MONGODB_URL',
      text: 'MongoDB cannot be reached',
    })
    expect(await examineMongoDb('mongodb://a?no=1')).toMatchObject({
      level: 'problem',
      text: expect.stringContaining('expected a MongoDB connection string'),
    })
  })

  it('a service ends within seconds', async () => {
    const service = await start(`${server.url}/away`)
    await historian.block([1n, 1n])
    await untilCopied(service)
    server.freeze()
    await historian.block([2n, 2n])
    const startedAtMs = performance.now()
    await service.manager.close()
    expect(performance.now() - startedAtMs).toBeLessThan(10_000)
    server.thaw()
  })

  it('neither log nor answer shows what is secret in its address', async () => {
    const { logger, lines } = recordLog()
    const service = await start(`mongodb://operator:SECRET@127.0.0.1:1/away?${QUICK}&appName=HIDDEN`, logger)
    await until('it is seen', async () => (await service.manager.metrics()).mongodb?.state === 'failing')
    await until('it is logged', () => lines.some(({ level, fields }) => level === 'warn' && 'failures' in fields))
    const told = JSON.stringify([lines, await readiness(service)], (_key, value: unknown) =>
      value instanceof Error ? [value.message, value.stack] : typeof value === 'bigint' ? `${value}` : value,
    )
    expect(told).not.toMatch(/SECRET|operator|HIDDEN/)
  })

  describe('or has lost everything', () => {
    it('all is copied again', async () => {
      await server.stop()
      server = await engine.start()
      const service = await start()
      await historian.block([1n, 1n])
      await untilCopied(service)
      await server.restart()
      await historian.block([2n, 1n])
      await until('it is copied again', async () => {
        const { mongodb } = await service.manager.metrics()
        return mongodb?.state === 'following' && mongodb.lagEvents === 0n && mongodb.written > 4
      })
      await expectEqual()
    })
  })

  it('of two processes one copies, and the other goes on when it ends', async () => {
    const first = await start()
    await historian.block([1n, 1n])
    await untilCopied(first)
    const second = await start()
    await historian.block([2n, 2n])
    await untilCopied(second)
    expect((await second.manager.metrics()).mongodb?.written).toBe(0)
    await first.close()
    await historian.block([3n, 3n])
    await untilCopied(second)
    expect((await second.manager.metrics()).mongodb?.written).toBeGreaterThan(0)
    await expectEqual()
  })

  it('is not configured any more, no event is kept for it', async () => {
    const service = await start()
    await historian.block([1n, 1n])
    await untilCopied(service)
    const waiting = async (): Promise<unknown> =>
      fixture.database.query({
        name: 'test-consumers',
        text: `select from tidemark.event_consumer where name like 'mongodb:%'`,
      })
    expect(await waiting()).toHaveLength(1)
    await service.close()
    services.push(await startService(fixture))
    expect(await waiting()).toHaveLength(0)
  })
})
