import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import { CHAIN_ID, serve, wallet } from '../support/serve-model-chain.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const token = `0x${'70'.repeat(20)}` as const

describe('an endpoint that gave no logs for some blocks', () => {
  it('does not make a busy token one that is only sampled for ever', { timeout: 60_000 }, async () => {
    const served = await serve({
      wallets: [1, 2].map((index) => ({ address: wallet(index), balance: 10n ** 18n })),
      tokens: [{ kind: 'plain', address: token, holders: { [wallet(1)]: 1000n, [wallet(2)]: 1000n } }],
      features: { receipts: false },
    })
    closing.push(() => served.close())
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    served.chain.mineEmpty(3)
    const follower = await follow({ rpcUrls: [proxy.url], tokens: [token], solvers: [wallet(1)], database })
    closing.push(() => follower.close())
    await follower.reached(3n)
    const move = { kind: 'token-transfer', token, from: wallet(2), to: wallet(1), value: 1n } as const
    const pass = async (blocks: number): Promise<void> => {
      for (let count = 0; count < blocks; count += 1) {
        served.chain.mine([move])
        await follower.reached(served.chain.head.number)
      }
    }
    proxy.intercept((call, forward) => (call.method === 'eth_getLogs' ? { result: [] } : forward(call)))
    await pass(20)
    proxy.intercept(null)
    await pass(5)
    const coverage = await follower.manager.reader.coverage({ chainId: CHAIN_ID, token, solver: wallet(1) })
    expect(coverage?.map(({ kind }) => kind)).toEqual(['exact'])
    const records = (await follower.records({ token, solver: wallet(1) })).slice(1)
    // A node without receipts names the transactions of tokens by its logs.
    expect(records.map(({ cause }) => cause)).toEqual([
      ...Array.from({ length: 20 }, () => 'unknown'),
      ...Array.from({ length: 5 }, () => 'transfer'),
    ])
  })
})
