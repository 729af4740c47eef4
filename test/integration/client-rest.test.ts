import { createHash } from 'node:crypto'

import { numberToHex } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  wireBalanceRecordSchema,
  wireCoverageIntervalSchema,
  wireCurrentBalanceSchema,
} from '../../src/api/balance-wire.js'
import { wireChainSchema } from '../../src/api/chain-wire.js'
import { routes } from '../../src/api/routes.js'
import { wireSolverSchema, wireWatchedTokenSchema } from '../../src/api/watch-list-wire.js'
import type { TidemarkClient } from '../../src/client/index.js'
import { createClient, decodeBalance } from '../../src/client/index.js'
import { startAnvil } from '../../src/testing/anvil.js'
import type { Anvil } from '../../src/testing/anvil.js'
import { createRpc } from '../../src/testing/rpc.js'
import { until } from '../support/until.js'
import { startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

const solver = '0x1000000000000000000000000000000000000001'
const added = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
const token = '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48'
const secret = 'the-secret-of-the-client-0001'

let anvil: Anvil
let database: TestDatabase
let service: Service
let client: TidemarkClient

beforeAll(async () => {
  ;[anvil, database] = await Promise.all([startAnvil({ blockTimeSeconds: 'manual' }), startDatabase()])
  service = await startService(database, {
    server: {
      apiKeys: [
        {
          name: 'client',
          scopes: ['write', 'read'],
          secretSha256: createHash('sha256').update(secret).digest('hex'),
        },
      ],
    },
    solvers: [{ address: solver, label: 'hot' }],
    chains: [
      {
        chainId: anvil.chainId,
        name: 'Local',
        nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
        rpcUrls: [anvil.rpcUrl],
        wsUrls: [anvil.wsUrl],
        tokens: [],
        blockTimeMs: null,
        pollIntervalMs: 50,
        syncIntervalMs: 60_000,
      },
    ],
  })
  client = createClient({ url: service.url, apiKey: secret })
}, 60_000)

afterAll(async () => {
  await service.close()
  await Promise.all([database.stop(), anvil.stop()])
})

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('the client', () => {
  it('has a method for every route of the table, except for the page to read', () => {
    const operations = routes.map(({ operationId }) => operationId).filter((name) => name !== 'getDocs')
    expect(operations.filter((name) => typeof Reflect.get(client, name) !== 'function')).toEqual([])
  })

  it('reads chains, balances, history and coverage, exact to the last digit', async () => {
    const position = { chainId: anvil.chainId, token: 'native', solver }
    const rpc = createRpc(anvil.rpcUrl)
    for (const wei of [10n ** 18n + 1n, 5n]) {
      const before = await client.getBalance(position).catch(() => null)
      await rpc.request('anvil_setBalance', [solver, numberToHex(wei)])
      await rpc.request('anvil_mine', ['0x1', '0x0'])
      await until('it is known', async () => {
        const now = await client.getBalance(position).catch(() => null)
        return now !== null && now.balance === wei.toString() && now.blockNumber !== before?.blockNumber
      })
    }
    const balance = wireCurrentBalanceSchema.parse(await client.getBalance(position))
    expect(decodeBalance(balance)).toMatchObject({
      balance: 5n,
      previousBalance: 10n ** 18n + 1n,
      chainId: anvil.chainId,
      solverAddress: solver,
      timestamp: new Date(balance.timestamp),
    })
    expect(await client.listBalances({ tokenAddress: 'native', limit: 1 })).toEqual({
      items: [balance],
      nextCursor: null,
    })
    expect(await collect(client.balances({ chainId: anvil.chainId }))).toEqual([balance])

    const history = await collect(client.history(position, { limit: 1 }))
    expect(history.length).toBeGreaterThanOrEqual(2)
    history.forEach((record) => wireBalanceRecordSchema.parse(record))
    expect((await client.listHistory(position)).items).toEqual(history)
    expect((await client.listHistory(position, { fromBlock: balance.blockNumber })).items).toEqual([history[0]])
    expect(await collect(client.history(position, { to: new Date(0) }))).toEqual([])

    const coverage = await client.listCoverage(position)
    expect(coverage.items.map((interval) => wireCoverageIntervalSchema.parse(interval).kind)).toEqual(['exact'])
    const chains = await client.listChains()
    expect(chains.items.map((chain) => wireChainSchema.parse(chain).name)).toEqual(['Local'])
  })

  it('says what is refused and why', async () => {
    const nowhere = { chainId: 5, token: 'native', solver }
    await expect(client.getBalance(nowhere)).rejects.toMatchObject({
      name: 'TidemarkApiError',
      code: 'unknown_position',
      status: 404,
      retryable: false,
    })
    await expect(client.listBalances({ limit: 0 })).rejects.toMatchObject({
      code: 'invalid_request',
      status: 400,
      answer: [{ path: 'limit', message: expect.stringContaining('1 to 500') }],
    })
    await expect(createClient({ url: service.url }).listChains()).rejects.toMatchObject({
      code: 'unauthorized',
      status: 401,
    })
  })

  it('changes the watch list', async () => {
    expect(wireSolverSchema.parse(await client.addSolver({ address: added.toLowerCase(), label: 'new' }))).toEqual({
      address: added,
      label: 'new',
      origin: 'runtime',
    })
    expect((await client.listSolvers()).items).toHaveLength(2)
    await client.removeSolver(added)
    await expect(client.removeSolver(added)).rejects.toMatchObject({ code: 'unknown_solver' })
    const tokens = await client.addTokens(anvil.chainId, [token])
    expect(tokens.items.map((item) => wireWatchedTokenSchema.parse(item).tokenAddress)).toEqual([token])
    expect(await client.listTokens(anvil.chainId)).toEqual(tokens)
    await client.removeToken(anvil.chainId, token)
    expect((await client.listTokens(`${anvil.chainId}`)).items).toEqual([])
  })

  it('saves snapshots and reads them all back, page by page', async () => {
    const ids: string[] = []
    for (let day = 1; day <= 5; day += 1) {
      const ts = new Date(Date.UTC(2025, 0, day))
      const saved = await client.saveSnapshot({ ts, pid: day, onchain: { eth: 10n ** 40n }, onsite: { eth: '0.1' } })
      expect(saved.data).toMatchObject({ timestamp: ts.toISOString(), onchain: { eth: (10n ** 40n).toString() } })
      ids.unshift(saved.data.id)
    }
    expect((await collect(client.snapshots({ limit: 2 }))).map(({ id }) => id)).toEqual(ids)
    expect((await collect(client.snapshots({ limit: 2, offset: 1 }))).map(({ id }) => id)).toEqual(ids.slice(1))
    const page = await client.listSnapshots({ from: '2025-01-02T00:00:00Z', to: new Date(Date.UTC(2025, 0, 4)) })
    expect(page.data.pagination).toMatchObject({ total: 3, hasMore: false })
    const again = { ts: '2025-01-06T00:00:00.000Z', onchain: { eth: 1 }, onsite: { eth: 1 } }
    const [first, second] = await Promise.all([
      client.saveSnapshot(again, { idempotencyKey: 'once' }),
      client.saveSnapshot(again, { idempotencyKey: 'once' }),
    ])
    expect(second).toEqual(first)
    const range = { from: new Date(Date.UTC(2025, 0, 1)), to: new Date(Date.UTC(2025, 0, 7)) }
    const series = await client.getSnapshotSeries({ book: 'onsite', asset: 'eth', ...range, points: 10 })
    expect(series.items.reduce((sum, { count }) => sum + count, 0)).toBe(6)
  })

  it('asks the service how it is', async () => {
    expect(await client.getLive()).toMatchObject({ status: 'live' })
    expect(await client.getReady()).toMatchObject({ status: 'ready' })
    expect(await client.getMetrics()).toContain('tidemark_database_up 1')
    expect(await client.getOpenApi()).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) })
  })
})
