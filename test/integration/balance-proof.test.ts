import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { fetchHeadersByNumber } from '../../src/chain/head/fetch-headers.js'
import { proveNativeBalance } from '../../src/chain/proof/prove-native-balance.js'
import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import { RpcClient } from '../../src/chain/rpc/rpc-client.js'
import { systemClock } from '../../src/model/clock.js'
import { silentLogger } from '../../src/model/logger.js'
import { balanceAt, createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { startProxy } from './chain-proxy.js'
import type { ProxiedAnswer, RpcProxy } from './chain-proxy.js'
import { mineActivity } from './chain-fixture.js'

describe('a Merkle proof of a native balance', () => {
  let anvil: Anvil
  let world: World
  let proxy: RpcProxy
  let client: RpcClient
  let head: bigint
  const closing = new AbortController()

  beforeAll(async () => {
    anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 7, solverCount: 3 })
    head = await mineActivity(world, 12)
    proxy = await startProxy(anvil)
    client = new RpcClient({
      chainId: 31_337n,
      urls: [proxy.url],
      clock: systemClock,
      transport: networkTransport,
      logger: silentLogger,
      signal: closing.signal,
    })
  })

  afterAll(async () => {
    closing.abort()
    await proxy.close()
    await anvil.stop()
  })

  beforeEach(() => proxy.intercept(null))

  it('shows the balance of every wallet at every block, and of one that never was', async () => {
    const blocks = await fetchHeadersByNumber(client, world.setupBlock, Number(head - world.setupBlock) + 1)
    expect(blocks.length).toBeGreaterThan(12)
    for (const block of blocks) {
      for (const wallet of world.solvers) {
        const balance = await balanceAt(anvil.rpcUrl, { token: 'native', solver: wallet }, block.number)
        expect(await proveNativeBalance(client, block, wallet)).toEqual({ kind: 'proven', balance })
      }
    }
    const [block] = blocks
    if (block === undefined) throw new Error('expected a block')
    expect(await proveNativeBalance(client, block, `0x${'99'.repeat(20)}`)).toEqual({ kind: 'proven', balance: 0n })
  })

  it('is refuted when the node answers with the proof of another block or another wallet', async () => {
    const [before, block] = await fetchHeadersByNumber(client, head - 1n, 2)
    const [wallet, other] = world.solvers
    if (before === undefined || block === undefined || wallet === undefined || other === undefined) {
      throw new Error('expected two blocks and two wallets')
    }
    proxy.intercept((call, forward) =>
      forward(call.method === 'eth_getProof' ? { ...call, params: [wallet, [], before.hash] } : call),
    )
    expect(await proveNativeBalance(client, block, wallet)).toMatchObject({ kind: 'refuted' })
    proxy.intercept((call, forward) =>
      forward(call.method === 'eth_getProof' ? { ...call, params: [other, [], block.hash] } : call),
    )
    expect(await proveNativeBalance(client, block, wallet)).toMatchObject({ kind: 'refuted' })
  })

  it('is not to be had when the header was altered, or when the node serves no proofs', async () => {
    const [block] = await fetchHeadersByNumber(client, head, 1)
    const [wallet] = world.solvers
    if (block === undefined || wallet === undefined) throw new Error('expected a block and a wallet')
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      return call.method === 'eth_getBlockByHash' ? withStateRoot(answer, `0x${'11'.repeat(32)}`) : answer
    })
    expect(await proveNativeBalance(client, block, wallet)).toMatchObject({ kind: 'unprovable' })
    proxy.intercept((call, forward) =>
      call.method === 'eth_getProof'
        ? { error: { code: -32_601, message: 'the method eth_getProof does not exist' } }
        : forward(call),
    )
    expect(await proveNativeBalance(client, block, wallet)).toMatchObject({ kind: 'unprovable' })
  })
})

function withStateRoot(answer: ProxiedAnswer, stateRoot: string): ProxiedAnswer {
  return 'result' in answer ? { result: { ...(answer.result as object), stateRoot } } : answer
}
