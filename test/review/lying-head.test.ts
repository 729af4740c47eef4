import { afterEach, describe, expect, it } from 'vitest'

import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('an endpoint that names a head which nobody has', () => {
  it.each([100n, 30_000n])('is left for the other one (%d blocks above)', { timeout: 60_000 }, async (leap) => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 10n ** 18n }] })
    closing.push(() => served.close())
    const liar = await startProxy(served)
    closing.push(() => liar.close())
    served.chain.mineEmpty(5)
    const follower = await follow({ rpcUrls: [liar.url, served.rpcUrl], tokens: [], solvers: [wallet(1)] })
    closing.push(() => follower.close())
    await follower.reached(5n)
    liar.intercept(async (call, forward) => {
      const answer = await forward(call)
      if (call.method !== 'eth_getBlockByNumber' || call.params[0] !== 'latest' || !('result' in answer)) return answer
      const block = answer.result as { number: string }
      const number = `0x${(BigInt(block.number) + leap).toString(16)}`
      return { result: { ...block, number, hash: `0x${'ab'.repeat(32)}`, parentHash: `0x${'cd'.repeat(32)}` } }
    })
    const deadline = Date.now() + 20_000
    served.chain.mineEmpty(1)
    while (Date.now() < deadline && ((await follower.chain()).processed ?? 0n) < 6n) {
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const { processed, state, reason } = await follower.chain()
    expect({ processed, state, reason }).toEqual({ processed: 6n, state: 'live', reason: null })
    const coverage = await follower.manager.reader.coverage({ chainId: 31_337n, token: 'native', solver: wallet(1) })
    expect(coverage?.length).toBe(1)
  })
})
