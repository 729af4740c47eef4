import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { BalanceManager } from '../../src/index.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { recordLog } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const CANARY = 'canary0123456789secret'

describe('the log', () => {
  let anvil: Anvil
  let world: World
  let testDatabase: TestDatabase

  beforeEach(async () => {
    anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 3, solverCount: 2 })
    testDatabase = await createTestDatabase()
  })

  afterEach(async () => {
    await anvil.stop()
    await testDatabase.drop()
  })

  it('shows requests, results, connections, events, statements, retries, errors and syncs, and no secret', async () => {
    // An endpoint that fails before the good one is tried; it repeats the whole address, key and all, in its answer.
    const failing = createServer((request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' }).end(`<h1>no route to ${request.url}</h1>`)
    })
    await new Promise<void>((resolve) => failing.listen(0, '127.0.0.1', resolve))
    const { port } = failing.address() as AddressInfo
    const { logger, lines } = recordLog()
    const manager = new BalanceManager({
      logger,
      config: {
        databaseUrl: testDatabase.url,
        dataDir: '/nonexistent',
        solvers: world.solvers.map((address) => ({ address, label: null })),
        chains: [
          {
            chainId: world.chainId,
            name: 'Local',
            nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
            rpcUrls: [
              `http://127.0.0.1:${port}/v3/${CANARY}?apikey=${CANARY}`,
              `http://user:${CANARY}@${new URL(anvil.rpcUrl).host}/?apikey=${CANARY}`,
            ],
            wsUrls: [`${anvil.wsUrl}/?apikey=${CANARY}`],
            tokens: world.tokens.map((token) => token.address),
            blockTimeMs: null,
            pollIntervalMs: null,
            syncIntervalMs: 1,
          },
        ],
      },
    })
    const has = (message: RegExp): boolean => lines.some((line) => message.test(line.message))
    try {
      await manager.start()
      await until('blocks are processed', async () => {
        await world.step()
        await world.mine()
        return has(/^block committed$/) && has(/^periodic sync done$/) && has(/^event$/)
      })
      await until('the websocket is subscribed', () => has(/^websocket subscribed/))
      const known: readonly (readonly [string, RegExp, readonly string[]])[] = [
        ['an RPC request', /^rpc request$/, ['method', 'endpoint']],
        ['an RPC result', /^rpc result$/, ['method', 'durationMs']],
        ['a retry', /^rpc request is tried again$/, ['attempt', 'waitMs', 'error']],
        ['an endpoint’s failure', /^rpc endpoint failed$/, ['endpoint', 'kind', 'error']],
        ['an HTTP connection', /^rpc endpoint connected$/, ['endpoint', 'chainId']],
        ['a WebSocket connection', /^websocket connected$/, ['endpoint']],
        ['an event', /^event$/, ['seq', 'type']],
        ['a database statement', /^database statement done$/, ['statement', 'rows', 'durationMs']],
        ['the database connection', /^database connected$/, ['version', 'poolSize']],
        ['a committed block', /^block committed$/, ['block', 'records']],
        ['a sync', /^periodic sync done$/, ['positions', 'defects', 'repaired']],
      ]
      for (const [what, message, fields] of known) {
        const line = lines.find((entry) => message.test(entry.message))
        expect(line, what).toBeDefined()
        expect(Object.keys(line?.fields ?? {}), what).toEqual(expect.arrayContaining([...fields]))
      }
      const chains = await manager.chains()
      expect(
        JSON.stringify(chains, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
      ).not.toContain(CANARY)
    } finally {
      await manager.close()
      await new Promise((resolve) => failing.close(resolve))
    }
    expect(lines.filter((line) => JSON.stringify(line).includes(CANARY))).toEqual([])
  })
})
