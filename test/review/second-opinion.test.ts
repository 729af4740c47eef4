import { afterEach, describe, expect, it } from 'vitest'

import { until } from '../support/until.js'
import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const SCANNER = '0x7469646d61726b207363616e6e65720000000001'

describe('an endpoint that answers a balance which no other one has', () => {
  it('is not believed where two others could be asked', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 1000n }] })
    closing.push(() => served.close())
    const liar = await startProxy(served)
    closing.push(() => liar.close())
    served.chain.mineEmpty(3)
    const follower = await follow({
      rpcUrls: [liar.url, served.rpcUrl, `${served.rpcUrl}/third`],
      tokens: [],
      solvers: [wallet(1)],
      agreement: 2,
    })
    closing.push(() => follower.close())
    await follower.reached(3n)
    liar.intercept(async (call, forward) => {
      const answer = await forward(call)
      const [tx] = call.params as [{ to?: string }?]
      if (call.method !== 'eth_call' || tx?.to !== SCANNER || !('result' in answer)) return answer
      const text = String(answer.result)
      const value = BigInt(`0x${text.slice(-64)}`) + 5n
      return { result: text.slice(0, -64) + value.toString(16).padStart(64, '0') }
    })
    served.chain.mineEmpty(1)
    await until('the block is processed', async () => ((await follower.chain()).processed ?? 0n) >= 4n)
    const records = await follower.records({ token: 'native', solver: wallet(1) })
    expect(records.map(({ blockNumber, balance }) => [blockNumber, balance])).toEqual([[3n, 1000n]])
  })
})
