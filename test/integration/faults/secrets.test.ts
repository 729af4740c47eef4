import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, expect, it } from 'vitest'

import { createModelChain, createRandom, startFaultProxy } from '../../../src/testing/index.js'
import { createRpc } from '../../../src/testing/rpc.js'
import { until } from '../../support/until.js'
import { runService, temporaryFolder } from '../../support/service.js'
import { createTestDatabase } from '../../support/test-database.js'
import { recordLog } from '../../support/log-recorder.js'
import { follow } from '../chain-fixture.js'
import { startDatabase, startService } from '../server-fixture.js'
import { startFaultyChain } from './faulty-chain.js'

const PATH_KEY = 'pathcanary0123456789abcdef'
const QUERY_KEY = 'querycanary0123456789abcdef'
const PASSWORD = 'basiccanary0123456789abcdef'
const DATABASE_PASSWORD = 'databasecanary0123456789abcdef'
const API_SECRET = 'apicanary0123456789abcdef'
const SECRETS = [
  PATH_KEY,
  QUERY_KEY,
  PASSWORD,
  DATABASE_PASSWORD,
  API_SECRET,
  Buffer.from(`someone:${PASSWORD}`).toString('base64'),
]
const COMMANDS = [
  ['backfill', '--from', '0'],
  ['verify', '--proof'],
  ['doctor', '--json'],
  ['keys', 'list', '--json'],
]
const SLOW_TEST_MS = 120_000

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A provider that repeats the whole address and the credentials in its refusal. */
async function startTellingServer(): Promise<string> {
  const telling = createServer((request, response) => {
    response.writeHead(502, { 'content-type': 'text/html' })
    response.end(`<h1>no route to ${request.url} for ${request.headers.authorization ?? 'nobody'} (${PASSWORD})</h1>`)
  })
  await new Promise<void>((resolve) => telling.listen(0, '127.0.0.1', resolve))
  closing.push(() => telling.close())
  return `http://127.0.0.1:${(telling.address() as AddressInfo).port}`
}

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
    const telling = await startTellingServer()
    const chain = await startFaultyChain(24)
    closing.push(
      () => chain.close(),
      () => chain.endTest(),
    )
    const proxy = await chain.proxy()
    const database = await startDatabase()
    closing.push(() => database.stop())
    const { logger, lines } = recordLog()
    const rpcUrls = ['http://127.0.0.1:1', telling, proxy.rpcUrl].map(withSecrets)
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
      // A wrong chain id keeps the only good endpoint out of use for a while.
      until(`block ${head} is processed`, async () => (await processed()) >= head, 40_000)
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
    for (const secret of SECRETS) expect(text).not.toContain(secret)
  },
)

it.each([{ fails: true }, { fails: false }])(
  'No secret of an endpoint appears in the output of commands whose endpoints fail: $fails',
  { timeout: SLOW_TEST_MS },
  async ({ fails }) => {
    const telling = await startTellingServer()
    const wallet = `0x${'a1'.repeat(20)}` as const
    const model = createModelChain({ chainId: 77n, seed: 77, wallets: [{ address: wallet, balance: 10n ** 20n }] })
    const random = createRandom(77)
    for (let count = 0; count < 12; count += 1) model.activity(random)
    const proxy = await startFaultProxy({ target: model })
    closing.push(() => proxy.close())
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const follower = await follow({
      chainId: model.chainId,
      rpcUrls: [proxy.rpcUrl],
      tokens: [],
      solvers: [wallet],
      database,
    })
    await follower.reached(model.activity(random).number)
    await follower.close()

    const databaseUrl = new URL(database.url)
    databaseUrl.password = DATABASE_PASSWORD
    const folder = await temporaryFolder()
    closing.push(() => rm(folder, { recursive: true, force: true }))
    const endpoints = fails ? ['http://127.0.0.1:1', telling] : [telling, proxy.rpcUrl]
    const outputs = COMMANDS.map(async (args) => {
      const command = runService({
        args,
        cwd: folder,
        env: {
          DATABASE_URL: databaseUrl.href,
          API_KEYS: `bot:write:${API_SECRET}`,
          LOG_LEVEL: 'debug',
          CHAIN_77_RPC_URL: endpoints.map(withSecrets).join(','),
          SOLVER_ADDRESSES: wallet,
        },
      })
      await command.exited()
      return `${command.stdout()}${command.log()}`
    })
    for (const text of await Promise.all(outputs)) {
      expect(text).toContain(text.includes('API_KEYS has besides') ? 'bot (write)' : new URL(telling).host)
      for (const secret of SECRETS) expect(text).not.toContain(secret)
    }
  },
)
