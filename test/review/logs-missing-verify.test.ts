import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { CHAIN_ID, serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const token = `0x${'70'.repeat(20)}` as const
const there = { kind: 'token-transfer', token, from: wallet(1), to: wallet(2), value: 10n } as const
const back = { kind: 'token-transfer', token, from: wallet(2), to: wallet(1), value: 10n } as const

describe('verifying history through an endpoint that gives no logs of ranges', () => {
  it('takes no right record away', { timeout: 60_000 }, async () => {
    const served = await serve({
      wallets: [1, 2].map((index) => ({ address: wallet(index), balance: 10n ** 18n })),
      tokens: [{ kind: 'plain', address: token, holders: { [wallet(1)]: 1000n } }],
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
    served.chain.mine([there])
    await follower.reached(4n)
    served.chain.mineEmpty(2)
    await follower.reached(6n)
    served.chain.mine([back])
    await follower.reached(7n)
    for (let count = 1n; count <= 3n; count += 1n) {
      served.chain.mineEmpty(150)
      await follower.reached(7n + 150n * count)
    }
    const shown = async () =>
      (await follower.records({ token, solver: wallet(1) })).map((record) => [record.blockNumber, record.balance])
    expect(await shown()).toEqual([
      [3n, 1000n],
      [4n, 990n],
      [7n, 1000n],
    ])
    proxy.intercept((call, forward) => (call.method === 'eth_getLogs' ? { result: [] } : forward(call)))
    const [report] = await follower.manager.verify({ chainId: CHAIN_ID })
    expect(await shown()).toEqual([
      [3n, 1000n],
      [4n, 990n],
      [7n, 1000n],
    ])
    expect(report?.extra).toBe(0)
  })
})
