import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { CHAIN_ID, serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a backfill during which the newest blocks are reorganised', () => {
  it('goes on from what is stored', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 10n ** 18n }], features: { orphans: false } })
    closing.push(() => served.close())
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    served.chain.mineEmpty(100)
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const follower = await follow({ rpcUrls: [proxy.url], tokens: [], solvers: [wallet(1)], database })
    closing.push(() => follower.close())
    await follower.reached(100n)
    let calls = 0
    proxy.intercept((call, forward) => {
      const [tx] = call.params as [{ to?: string }?]
      if (
        call.method === 'eth_call' &&
        tx?.to === '0x7469646d61726b207363616e6e65720000000002' &&
        (calls += 1) === 10
      ) {
        served.chain.reorg(3, 4)
      }
      return forward(call)
    })
    const [report] = await follower.manager.backfill({ chainId: CHAIN_ID, fromBlock: 5n })
    expect(calls).toBeGreaterThan(10)
    expect(report?.unreadable.size).toBe(0)
  })
})
