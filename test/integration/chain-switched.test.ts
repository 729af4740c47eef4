import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/index.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { until } from '../support/until.js'
import { follow } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import type { Intercept } from './chain-proxy.js'

const CHAIN_ID = 31_337n
const solver: Address = '0x0000000000000000000000000000000000abc001'
const other: Address = '0x0000000000000000000000000000000000abc002'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function serve(chainId: bigint, genesisTimestampSeconds: number): Promise<ServedModelChain> {
  const served = await startModelChain({
    chainId,
    seed: 1,
    genesisTimestampSeconds,
    wallets: [{ address: solver, balance: 10n ** 18n }],
  })
  closing.push(() => served.close())
  return served
}

function answerFrom(served: ServedModelChain): Intercept {
  return async (call) => {
    const response = await fetch(served.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...call }),
    })
    return (await response.json()) as { result: unknown }
  }
}

describe('an endpoint that comes to serve another chain', () => {
  it.each([
    { how: 'with an id of its own', chainId: 99n, reason: 'expected chain id 31337, the endpoint serves 99' },
    { how: 'under the same id', chainId: CHAIN_ID, reason: 'expected the chain that begins with' },
  ])('$how has nothing taken back, is told, and is followed again later', { timeout: 60_000 }, async (another) => {
    const served = await serve(CHAIN_ID, 1_700_000_000)
    const switched = await serve(another.chainId, 1_700_000_001)
    switched.chain.mineEmpty(300)
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    served.chain.mineEmpty(200)
    const follower = await follow({ rpcUrls: [proxy.url], tokens: [], solvers: [solver] })
    closing.push(() => follower.close())
    await follower.reached(200n)
    for (let block = 201n; block < 204n; block += 1n) {
      served.chain.mine([{ kind: 'transfer', from: solver, to: other, value: 1n }])
      await follower.reached(block)
    }
    const before = await follower.records({ token: 'native', solver })
    expect(before.map(({ blockNumber }) => blockNumber)).toEqual([200n, 201n, 202n, 203n])

    proxy.intercept(answerFrom(switched))
    await until(
      'the other chain is told',
      async () => (await follower.chain()).reason?.includes(another.reason) === true,
    )
    expect((await follower.chain()).processed).toBe(203n)
    proxy.intercept(null)
    served.chain.mine([{ kind: 'transfer', from: solver, to: other, value: 1n }])
    await follower.reached(204n)

    const after = await follower.records({ token: 'native', solver })
    expect(after.slice(0, -1)).toEqual(before)
    const events = await follower.manager.events.read(0n, 1000)
    expect(events.filter(({ type }) => type === 'balance.reverted')).toEqual([])
  })
})
