import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, expect, it } from 'vitest'

import { createRpc } from '../../../src/testing/rpc.js'
import { until } from '../../support/until.js'
import { recordLog } from '../../support/log-recorder.js'
import { startDatabase, startService } from '../server-fixture.js'
import { startFaultyChain } from './faulty-chain.js'

const PATH_KEY = 'pathcanary0123456789abcdef'
const QUERY_KEY = 'querycanary0123456789abcdef'
const PASSWORD = 'basiccanary0123456789abcdef'
const SLOW_TEST_MS = 60_000

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** The same address with a secret in each place where providers put one. */
function withSecrets(url: string): string {
  const secret = new URL(`/v2/${PATH_KEY}?apikey=${QUERY_KEY}`, url)
  secret.username = 'someone'
  secret.password = PASSWORD
  return secret.href
}

it(
  'No secret of an endpoint appears in logs, errors, metrics, answers or events',
  { timeout: SLOW_TEST_MS },
  async () => {
    // A provider that repeats the whole address and the credentials in its refusal.
    const telling = createServer((request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' })
      response.end(`<h1>no route to ${request.url} for ${request.headers.authorization ?? 'nobody'} (${PASSWORD})</h1>`)
    })
    await new Promise<void>((resolve) => telling.listen(0, '127.0.0.1', resolve))
    closing.push(() => telling.close())
    const chain = await startFaultyChain(24)
    closing.push(
      () => chain.close(),
      () => chain.endTest(),
    )
    const proxy = await chain.proxy()
    const database = await startDatabase()
    closing.push(() => database.stop())
    const { logger, lines } = recordLog()
    const rpcUrls = [
      'http://127.0.0.1:1',
      `http://127.0.0.1:${(telling.address() as AddressInfo).port}`,
      proxy.rpcUrl,
    ].map(withSecrets)
    const service = await startService(database, {
      logger,
      solvers: chain.world.solvers.map((address) => ({ address, label: null })),
      chains: [
        {
          chainId: chain.world.chainId,
          name: 'Local',
          nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
          rpcUrls,
          wsUrls: ['ws://127.0.0.1:1', proxy.wsUrl].map(withSecrets),
          tokens: chain.world.tokens.map(({ address }) => address),
          blockTimeMs: null,
          pollIntervalMs: 50,
          syncIntervalMs: 500,
        },
      ],
    })
    closing.push(() => service.close())
    const shown: unknown[] = []
    const socket = service.connect()
    socket.onAny((...event: unknown[]) => shown.push(event))

    const processed = async (): Promise<bigint> => (await service.manager.chains())[0]?.processed ?? -1n
    const reach = async (head: bigint): Promise<void> =>
      until(`block ${head} is processed`, async () => (await processed()) >= head)
    await reach(await chain.mine(3))
    proxy.inject({ kind: 'wrong-chain-id', chainId: 5n, times: 1 })
    proxy.inject({ kind: 'html-200', times: 3 })
    proxy.cutSockets()
    await reach(await chain.mine(3))
    // Nothing is reachable: the reason is told everywhere.
    proxy.inject({ kind: 'http-5xx', status: 503 })
    await createRpc(chain.anvil.rpcUrl).request('evm_mine', [])
    await until('the chain is stalled', async () => (await service.manager.chains())[0]?.state === 'stalled', 30_000)

    for (const path of [
      '/metrics',
      '/api/chains',
      '/api/health',
      '/healthz',
      '/readyz',
      '/api/balances',
      '/api/nothing',
    ]) {
      const response = await fetch(`${service.url}${path}`)
      shown.push(path, await response.text())
    }
    const text = JSON.stringify([lines, shown, await service.manager.chains()], (_name, value: unknown) =>
      typeof value === 'bigint'
        ? value.toString()
        : value instanceof Error
          ? [value.message, value.stack, value.cause]
          : value,
    )
    // What was looked through holds what it should: the endpoints by their hosts, and events.
    expect(text).toContain(new URL(proxy.rpcUrl).host)
    expect(text).toContain('tidemark_')
    expect(shown.filter(Array.isArray).length).toBeGreaterThan(0)
    for (const secret of [PATH_KEY, QUERY_KEY, PASSWORD, Buffer.from(`someone:${PASSWORD}`).toString('base64')]) {
      expect(text).not.toContain(secret)
    }
  },
)
