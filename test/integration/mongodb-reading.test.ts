import { afterEach, expect, it } from 'vitest'

import { describeOnMongoDb } from '../support/mongodb-server.js'
import { until } from '../support/until.js'
import { chainId, openStore, solver, token } from './ledger-store-fixture.js'
import { Historian, openCopier } from './mongodb-fixture.js'
import { getJson, startService } from './server-fixture.js'

/** The driver finds out sooner than by its own choice. */
const QUICK = 'serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=2000&heartbeatFrequencyMS=500'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describeOnMongoDb('a service that has MongoDB', { ownProcess: true }, (engine) => {
  it('tells history, statistics and past balances out of it alone, and newest balances whatever becomes of it', async () => {
    const server = await engine.start({ onDisk: true })
    closing.push(() => server.stop())
    const fixture = await openStore()
    closing.push(() => fixture.close())
    const historian = new Historian(fixture, 6)
    await historian.block([7n, 1n])
    const url = `${server.url}/reading?${QUICK}`
    const service = await startService(fixture, { mongodb: { mongodbUrl: url, mongodbBatchSize: engine.batchSize } })
    closing.push(() => service.close())
    await fixture.watchList.applyConfiguration({
      chains: [{ chainId, name: 'Test', tokens: [token] }],
      solvers: [{ address: solver, label: 'hot' }],
    })
    await until('MongoDB has everything', async () => {
      const { mongodb } = await service.manager.metrics()
      return mongodb?.state === 'following' && mongodb.lagEvents === 0n
    })

    const place = `${service.url}/api/balances/${chainId}/native/${solver}`
    const paths = ['/history', '/stats', '/series?points=5', '?block=10', `?at=${new Date().toISOString()}`]
    const statuses = (): Promise<readonly number[]> =>
      Promise.all(paths.map(async (path) => (await getJson(`${place}${path}`)).status))
    expect(await statuses()).toEqual(paths.map(() => 200))

    const copier = await openCopier(fixture, url)
    closing.push(() => copier.close())
    await copier.connection.records.updateMany({ tokenAddress: 'native' }, { $set: { balance: '8' } })
    expect((await getJson(`${place}/stats`)).body).toMatchObject({ latestBalance: '8' })
    expect((await getJson(place)).body).toMatchObject({ balance: '7' })

    await server.halt()
    expect(await statuses()).toEqual(paths.map(() => 503))
    const { body } = await getJson(`${place}/stats`)
    expect(body).toMatchObject({ success: false, code: 'unavailable' })
    expect(JSON.stringify(body)).not.toContain('127.0.0.1')
    expect((await getJson(place)).body).toMatchObject({ balance: '7' })
    await server.restart()
    await until('it answers again', async () => (await statuses()).every((status) => status === 200))
  })
})
