import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { numberToHex, parseEther, parseGwei } from 'viem'
import { z } from 'zod'

import {
  wireBalanceRecordSchema,
  wireCoverageIntervalSchema,
  wireCurrentBalanceSchema,
} from '../../src/api/balance-wire.js'
import { wireChainSchema } from '../../src/api/chain-wire.js'
import { balanceChangeSchema, positionStartedSchema } from '../../src/api/event-wire.js'
import { routes } from '../../src/api/routes.js'
import { wireSolverSchema, wireWatchedTokenSchema } from '../../src/api/watch-list-wire.js'
import type { Address } from '../../src/model/address.js'
import { startAnvil } from '../../src/testing/anvil.js'
import type { Anvil } from '../../src/testing/anvil.js'
import { createRpc } from '../../src/testing/rpc.js'
import { Collected, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

const configured = '0x1000000000000000000000000000000000000001'
const added = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
const token = '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48'
const configuredToken = '0x2000000000000000000000000000000000000002'

let anvil: Anvil
let database: TestDatabase
let service: Service

const itemsOf = async <Item>(path: string, schema: z.ZodType<Item>): Promise<readonly Item[]> => {
  const { status, body } = await getJson(`${service.url}${path}`)
  expect(status).toBe(200)
  return z.strictObject({ items: z.array(schema), nextCursor: z.string().nullable() }).parse(body).items
}

beforeAll(async () => {
  ;[anvil, database] = await Promise.all([startAnvil({ blockTimeSeconds: 'manual' }), startDatabase()])
  service = await startService(database, {
    solvers: [{ address: configured, label: 'from config' }],
    chains: [
      {
        chainId: anvil.chainId,
        name: 'Local',
        nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
        rpcUrls: [anvil.rpcUrl],
        wsUrls: [anvil.wsUrl],
        tokens: [configuredToken],
        blockTimeMs: null,
        pollIntervalMs: 50,
        syncIntervalMs: 60_000,
      },
    ],
  })
}, 60_000)

afterAll(async () => {
  await service.close()
  await Promise.all([database.stop(), anvil.stop()])
})

/** Above the base fee of the test node, which starts at 1 gwei and falls. */
const GAS_PRICE = parseGwei('2')

/** Brings a wallet to a native balance by one plain transfer, which pays or is paid by a rich one, in a block of its own. */
async function bringNative(address: Address, ether: string): Promise<void> {
  const rpc = createRpc(anvil.rpcUrl)
  const before = await rpc.quantity('eth_getBalance', [address, 'latest'])
  const [rich] = z
    .tuple([z.string()])
    .rest(z.string())
    .parse(await rpc.request('eth_accounts'))
  const change = parseEther(ether) - before
  const gas = 21_000n
  const transfer =
    change > 0n
      ? { from: rich, to: address, value: numberToHex(change) }
      : { from: address, to: rich, value: numberToHex(-change - gas * GAS_PRICE) }
  await rpc.request('anvil_impersonateAccount', [transfer.from])
  await rpc.request('eth_sendTransaction', [{ ...transfer, gas: numberToHex(gas), gasPrice: numberToHex(GAS_PRICE) }])
  await rpc.request('anvil_mine', ['0x1', '0x0'])
}

describe('chains and balances', () => {
  it('pushes what happens on a chain and answers balances and history from the database', async () => {
    const viewer = service.connect({ auth: { since: 0 } })
    const started = new Collected(viewer, 'position:started')
    while (!started.items.some((item) => item['tokenAddress'] === 'native')) await nextEvent(viewer, 'position:started')
    expect(positionStartedSchema.parse(started.items.find((item) => item['tokenAddress'] === 'native'))).toMatchObject({
      chainId: '31337',
      solverAddress: configured,
      balance: '0',
      formatted: '0',
    })
    const changes = new Collected(viewer, 'balance:updated')
    for (const ether of ['1.5', '2', '0.000000000000000001']) {
      await bringNative(configured, ether)
      await changes.take(changes.items.length + 1)
    }
    const [first] = changes.items.map((item) => balanceChangeSchema.parse(item))
    expect(first).toMatchObject({
      previousBalance: '0',
      newBalance: '1500000000000000000',
      changeAmount: '1500000000000000000',
    })

    const path = `/api/balances/31337/NATIVE/${configured.toUpperCase()}`
    const { status, body } = await getJson(`${service.url}${path}`)
    expect(status).toBe(200)
    expect(wireCurrentBalanceSchema.parse(body)).toMatchObject({
      chainId: '31337',
      tokenAddress: 'native',
      solverAddress: configured,
      balance: '1',
      formatted: '0.000000000000000001',
      previousBalance: '2000000000000000000',
      decimals: 18,
      tokenSymbol: 'ETH',
      stale: false,
      staleReason: null,
    })
    const history = await itemsOf(`${path}/history`, wireBalanceRecordSchema)
    expect(history.map(({ formatted }) => formatted)).toEqual(['0.000000000000000001', '2', '1.5', '0'])
    expect(history.map(({ previousBalance }) => previousBalance)).toEqual([
      '2000000000000000000',
      '1500000000000000000',
      '0',
      null,
    ])
  })

  it('tells which blocks of a position are known, and how', async () => {
    const path = `/api/balances/31337/native/${configured}/coverage`
    const [interval, ...others] = await itemsOf(path, wireCoverageIntervalSchema)
    expect(others).toEqual([])
    expect(interval).toMatchObject({ toBlock: null, kind: 'exact' })
    const first = (await itemsOf(`/api/balances/31337/native/${configured}/history`, wireBalanceRecordSchema)).at(-1)
    expect(interval?.fromBlock).toBe(first?.blockNumber)
    const { status, body } = await getJson(
      `${service.url}/api/balances/31337/native/0x9000000000000000000000000000000000000009/coverage`,
    )
    expect(status).toBe(404)
    expect(body).toMatchObject({ success: false, code: 'unknown_position' })
  })

  it('gives history page by page, and between blocks', async () => {
    const path = `${service.url}/api/balances/31337/native/${configured}/history`
    const seen: string[] = []
    let cursor: unknown = null
    do {
      const { body } = await getJson(`${path}?limit=3${cursor === null ? '' : `&cursor=${String(cursor)}`}`)
      seen.push(...(body['items'] as { blockNumber: string }[]).map(({ blockNumber }) => blockNumber))
      cursor = body['nextCursor']
    } while (cursor !== null)
    expect(seen).toHaveLength(4)
    expect(new Set(seen).size).toBe(4)
    const { body } = await getJson(`${path}?fromBlock=${seen[2]}&toBlock=${seen[1]}`)
    expect((body['items'] as { blockNumber: string }[]).map(({ blockNumber }) => blockNumber)).toEqual([
      seen[1],
      seen[2],
    ])
  })

  it('lists current balances, filtered and page by page', async () => {
    const all = await itemsOf('/api/balances', wireCurrentBalanceSchema)
    expect(all.map(({ tokenAddress }) => tokenAddress)).toContain('native')
    expect(await itemsOf('/api/balances?tokenAddress=native&chainId=31337', wireCurrentBalanceSchema)).toHaveLength(1)
    expect(await itemsOf('/api/balances?chainId=1', wireCurrentBalanceSchema)).toEqual([])
    expect(await itemsOf(`/api/balances?solverAddress=${added}`, wireCurrentBalanceSchema)).toEqual([])
  })

  it('answers 404 for a position nobody watches', async () => {
    for (const path of [
      `/api/balances/31337/native/${added}`,
      `/api/balances/31337/native/${added}/history`,
      `/api/balances/5/native/${configured}`,
    ]) {
      expect(await getJson(`${service.url}${path}`)).toMatchObject({
        status: 404,
        body: { success: false, code: 'unknown_position' },
      })
    }
  })

  it('tells how chains are doing, with hosts of endpoints only', async () => {
    const [local, ...others] = await itemsOf('/api/chains', wireChainSchema)
    expect(others).toEqual([])
    expect(local).toMatchObject({
      chainId: '31337',
      name: 'Local',
      head: expect.stringMatching(/^\d+$/),
      processed: expect.stringMatching(/^\d+$/),
    })
    expect(local?.endpoints.map(({ transport }) => transport).toSorted()).toEqual(['http', 'websocket'])
  })

  it('goes on answering when the chain is away', async () => {
    await anvil.stop()
    expect((await getJson(`${service.url}/api/balances/31337/native/${configured}`)).body['balance']).toBe('1')
    expect((await getJson(`${service.url}/readyz`)).status).toBe(200)
  })
})

describe('the watch list', () => {
  it('adds, shows, relabels and removes a solver', async () => {
    const path = `${service.url}/api/solvers`
    expect(await postJson(path, { address: added.toLowerCase(), label: 'hot' })).toMatchObject({
      status: 200,
      body: { address: added, label: 'hot', origin: 'runtime' },
    })
    expect(await postJson(path, { address: added })).toMatchObject({ body: { label: 'hot' } })
    expect(await postJson(path, { address: added, label: null })).toMatchObject({ body: { label: null } })
    expect(await itemsOf('/api/solvers', wireSolverSchema)).toHaveLength(2)
    expect((await getJson(`${path}/${added}`, { method: 'DELETE' })).status).toBe(204)
    expect(await getJson(`${path}/${added}`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      body: { code: 'unknown_solver' },
    })
    expect(await getJson(`${path}/${configured}`, { method: 'DELETE' })).toMatchObject({
      status: 409,
      body: { code: 'configured' },
    })
  })

  it('takes a DELETE that names a content type without having a body', async () => {
    const answer = await getJson(`${service.url}/api/solvers/${added}`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(404)
  })

  it('adds, shows and removes a token', async () => {
    const path = `${service.url}/api/chains/31337/tokens`
    const { body } = await postJson(path, { tokens: [token.toLowerCase()] })
    expect(body).toMatchObject({
      items: [{ chainId: '31337', tokenAddress: token, origin: 'runtime' }],
      nextCursor: null,
    })
    expect(await itemsOf('/api/chains/31337/tokens', wireWatchedTokenSchema)).toHaveLength(2)
    expect((await getJson(`${path}/${token}`, { method: 'DELETE' })).status).toBe(204)
    expect(await getJson(`${path}/${token}`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      body: { code: 'unknown_token' },
    })
    expect(await getJson(`${path}/${configuredToken}`, { method: 'DELETE' })).toMatchObject({
      status: 409,
      body: { code: 'configured' },
    })
  })

  it('answers 404 for tokens of a chain that is not configured', async () => {
    const path = `${service.url}/api/chains/5/tokens`
    expect(await getJson(path)).toMatchObject({ status: 404, body: { code: 'unknown_chain' } })
    expect(await postJson(path, { tokens: [token] })).toMatchObject({ status: 404, body: { code: 'unknown_chain' } })
  })
})

describe('what the service tells of itself', () => {
  it('serves every route of the table, and no other', async () => {
    const { body } = await getJson(`${service.url}/openapi.json`)
    const described = Object.entries(body['paths'] as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    )
    expect(described.toSorted()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted())
    for (const { method, path } of routes) {
      const response = await fetch(`${service.url}${path.replaceAll(/:\w+/g, '!')}`, { method, redirect: 'manual' })
      const text = await response.text()
      expect([method, path, text.includes('there is no such route')]).toEqual([method, path, false])
    }
  })

  it('serves the docs from its own files, with no script but its own', async () => {
    const page = await fetch(`${service.url}/docs`)
    const html = await page.text()
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';")
    expect(html).not.toMatch(/<script(?! src=)/)
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(sources.length).toBeGreaterThan(4)
    for (const source of [...sources, '/docs/json']) {
      const file = await fetch(new URL(source, service.url))
      await file.arrayBuffer()
      expect([source, file.status]).toEqual([source, 200])
      expect(new URL(source, service.url).origin).toBe(service.url)
    }
  })

  it('sends security headers and a request id with every answer', async () => {
    for (const path of ['/livez', '/api/nothing', '/api/balances?x=1']) {
      const { headers } = await getJson(`${service.url}${path}`)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it('tells numbers to Prometheus, with fixed labels only', async () => {
    await nextEvent(service.connect(), 'connected')
    await getJson(`${service.url}/api/balances/31337/native/${configured}`)
    await getJson(`${service.url}/api/hostile-${Date.now()}`)
    const response = await fetch(`${service.url}/metrics`)
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
    const text = await response.text()
    expect(text).toMatch(/^tidemark_chain_processed_block\{chain_id="31337"\} \d+$/m)
    expect(text).toMatch(/^tidemark_rpc_requests_total\{chain_id="31337",method="eth_\w+"\} \d+$/m)
    expect(text).toMatch(
      /^tidemark_http_request_duration_seconds_count\{method="GET",route="\/api\/balances\/:chainId\/:token\/:solver",status="200"\} [1-9]/m,
    )
    expect(text).toMatch(
      /^tidemark_http_request_duration_seconds_count\{method="GET",route="unmatched",status="404"\} [1-9]/m,
    )
    expect(text).toMatch(/^tidemark_socket_connections [1-9]/m)
    expect(text).toMatch(/^tidemark_database_up 1$/m)
    expect(text).toMatch(/^process_cpu_seconds_total /m)
    expect(text).not.toContain('hostile')
    const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1])
    expect(new Set(names).size).toBe(names.length)
  })
})
