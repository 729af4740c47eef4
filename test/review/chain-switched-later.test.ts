import { afterEach, describe, expect, it } from 'vitest'

import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('an endpoint that serves another chain from some moment on', () => {
  it('takes no record back', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 10n ** 18n }] })
    closing.push(() => served.close())
    const other = await serve({ chainId: 99n, seed: 2 })
    closing.push(() => other.close())
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    served.chain.mineEmpty(200)
    const follower = await follow({ rpcUrls: [proxy.url], tokens: [], solvers: [wallet(1)] })
    closing.push(() => follower.close())
    await follower.reached(200n)
    for (let n = 201n; n < 209n; n += 1n) {
      served.chain.mine([{ kind: 'transfer', from: wallet(1), to: wallet(2), value: 1n }])
      await follower.reached(n)
    }
    const before = await follower.records({ token: 'native', solver: wallet(1) })
    other.chain.mineEmpty(300)
    proxy.intercept(async (call) => {
      const response = await fetch(other.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...call }),
      })
      return (await response.json()) as { result: unknown }
    })
    await new Promise((resolve) => setTimeout(resolve, 8000))
    proxy.intercept(null)
    const events = await follower.manager.events.read(0n, 1000)
    const after = await follower.records({ token: 'native', solver: wallet(1) })
    expect(events.filter(({ type }) => type === 'balance.reverted')).toEqual([])
    expect(after.map((r) => r.blockNumber)).toEqual(before.map((r) => r.blockNumber))
  })
})
