import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'

import { systemClock } from '../../src/model/clock.js'
import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import { fetchLatestHeader } from '../../src/chain/head/fetch-headers.js'
import { HeadSubscription } from '../../src/chain/rpc/head-subscription.js'
import { RpcClient } from '../../src/chain/rpc/rpc-client.js'
import { BalanceManager } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { createTestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { follow, mineActivity } from './chain-fixture.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a chain that went on for long while Tidemark was away', () => {
  it('loses the block it was left at, when that is no longer canonical, before the gap is declared', async () => {
    const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    closing.push(() => anvil.stop())
    const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 11, solverCount: 2 })
    const rpc = createRpc(anvil.rpcUrl)
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [anvil.rpcUrl], tokens: [], solvers: world.solvers, database }
    const before = await follow(options)
    await before.reached(await mineActivity(world, 2))
    const snapshot = await rpc.request('evm_snapshot', [])
    const [wallet] = world.solvers
    if (wallet === undefined) throw new Error('expected a solver')
    await world.perform([{ kind: 'native-in', solver: wallet, amount: 5n }])
    const orphaned = await world.mine()
    await before.reached(orphaned)
    await before.close()

    await rpc.request('evm_revert', [snapshot])
    await rpc.request('anvil_mine', ['0x1400', '0x1'])
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(orphaned + 5000n)
    const page = await after.manager.reader.currentBalances({ limit: 10 })
    for (const { solver } of page.items) {
      for (const record of await after.manager.getBalanceHistory(world.chainId, 'native', solver)) {
        const block = await rpc.request('eth_getBlockByNumber', [`0x${record.blockNumber.toString(16)}`, false])
        expect(block).toMatchObject({ hash: record.blockHash })
      }
    }
    const events = await after.manager.events.read(0n, 1000)
    expect(events.filter(({ type }) => type === 'balance.reverted')).toHaveLength(1)
  })
})

describe('an endpoint that answers nothing useful', () => {
  it('is left for the next one when it has no head', async () => {
    const serve = async (head: unknown): Promise<string> => {
      const server = createServer((request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          const { id, method } = JSON.parse(body) as { id: number; method: string }
          response.end(JSON.stringify({ jsonrpc: '2.0', id, result: method === 'eth_chainId' ? '0x1' : head }))
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closing.push(() => {
        server.closeAllConnections()
        server.close()
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }
    const header = { number: '0x5', hash: `0x${'11'.repeat(32)}`, parentHash: `0x${'22'.repeat(32)}`, timestamp: '0x5' }
    const urls = [await serve(null), await serve(header)]
    const client = new RpcClient({
      chainId: 1n,
      urls,
      clock: systemClock,
      transport: networkTransport,
      logger: silentLogger,
      signal: new AbortController().signal,
    })
    expect((await fetchLatestHeader(client)).number).toBe(5n)
    expect(client.endpoints().map(({ healthy }) => healthy)).toEqual([false, true])
  })

  it('is tried again over a new socket when it does not tell its chain id', async () => {
    let connections = 0
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    closing.push(() => server.close())
    server.on('connection', (socket) => {
      connections += 1
      socket.on('message', (data: Buffer) => {
        const { id, method } = JSON.parse(data.toString()) as { id: number; method: string }
        const refused = connections === 1 && method === 'eth_chainId'
        const answer = refused ? { error: { code: -32000, message: 'not now' } } : { result: '0x1' }
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
      })
    })
    await new Promise((resolve) => server.once('listening', resolve))
    const subscription = new HeadSubscription({
      chainId: 1n,
      urls: [`ws://127.0.0.1:${(server.address() as AddressInfo).port}`],
      clock: systemClock,
      transport: networkTransport,
      logger: silentLogger,
      onHead: () => undefined,
      onChange: () => undefined,
    })
    closing.push(() => subscription.close())
    await until('the second socket is subscribed', () => subscription.live)
    expect(connections).toBe(2)
  })
})

describe('a manager that is closed while it starts', () => {
  it('does not start, and leaves nothing open', async () => {
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const config = { databaseUrl: database.url, dataDir: '/nonexistent', chains: [], solvers: [] }
    const manager = new BalanceManager({ config })
    const starting = manager.start()
    await manager.close()
    await expect(starting).rejects.toMatchObject({ code: 'closed' })
    expect(await manager.health()).toMatchObject({ database: 'down' })
  })
})
