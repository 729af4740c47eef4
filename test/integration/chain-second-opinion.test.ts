import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/index.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { until } from '../support/until.js'
import { follow } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import type { Intercept } from './chain-proxy.js'

const SCANNER = '0x7469646d61726b207363616e6e65720000000001'
const solver: Address = '0x0000000000000000000000000000000000abc001'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** The last balance of each scan is five more than it is. */
const fiveMore: Intercept = async (call, forward) => {
  const answer = await forward(call)
  const [transaction] = call.params as [{ to?: string }?]
  if (call.method !== 'eth_call' || transaction?.to !== SCANNER || !('result' in answer)) return answer
  const text = String(answer.result)
  const value = BigInt(`0x${text.slice(-64)}`) + 5n
  return { result: text.slice(0, -64) + value.toString(16).padStart(64, '0') }
}

async function start(honest: number) {
  const served = await startModelChain({ chainId: 31_337n, seed: 1, wallets: [{ address: solver, balance: 1000n }] })
  closing.push(() => served.close())
  const liar = await startProxy(served)
  closing.push(() => liar.close())
  served.chain.mineEmpty(3)
  const others = Array.from({ length: honest }, (_, index) => `${served.rpcUrl}/${index}`)
  const follower = await follow({ rpcUrls: [liar.url, ...others], tokens: [], solvers: [solver], agreement: 2 })
  closing.push(() => follower.close())
  await follower.reached(3n)
  const balances = async (): Promise<readonly (readonly [bigint, bigint])[]> =>
    (await follower.records({ token: 'native', solver })).map(({ blockNumber, balance }) => [blockNumber, balance])
  return { served, liar, follower, balances }
}

describe('an endpoint that answers a balance which no other one has', () => {
  it('is outvoted where two others can be asked', { timeout: 60_000 }, async () => {
    const { served, liar, follower, balances } = await start(2)
    liar.intercept(fiveMore)
    served.chain.mineEmpty(1)
    await follower.reached(4n)
    expect(await balances()).toEqual([[3n, 1000n]])
  })

  it(
    'holds the chain up where it is one of two, which is told, and nothing is stored',
    { timeout: 60_000 },
    async () => {
      const { served, liar, follower, balances } = await start(1)
      liar.intercept(fiveMore)
      served.chain.mineEmpty(1)
      await until(
        'it is told',
        async () => (await follower.chain()).reason?.includes('the endpoints do not agree on its balances') === true,
      )
      expect((await follower.chain()).processed).toBe(3n)
      liar.intercept(null)
      await follower.reached(4n)
      expect(await balances()).toEqual([[3n, 1000n]])
    },
  )
})
