import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const CHAIN_ID = 31_337n
const token = `0x${'70'.repeat(20)}` as const
const wallet = (index: number): Address => `0x${(0xabc000 + index).toString(16).padStart(40, '0')}`
const there = { kind: 'token-transfer', token, from: wallet(1), to: wallet(2), value: 10n } as const
const back = { kind: 'token-transfer', token, from: wallet(2), to: wallet(1), value: 10n } as const

const right = [
  [3n, 1000n],
  [4n, 990n],
  [7n, 1000n],
]

/** A followed chain on which the token went there and back, long enough ago to be searched by logs. */
async function followThereAndBack(kind: 'silent' | 'plain') {
  const served = await startModelChain({
    chainId: CHAIN_ID,
    seed: 1,
    wallets: [1, 2].map((index) => ({ address: wallet(index), balance: 10n ** 18n })),
    tokens: [{ kind, address: token, holders: { [wallet(1)]: 1000n } }],
  })
  closing.push(() => served.close())
  const proxy = await startProxy(served)
  closing.push(() => proxy.close())
  const database = await createTestDatabase()
  closing.push(() => database.drop())
  const { chain } = served
  chain.mineEmpty(3)
  const follower = await follow({ rpcUrls: [proxy.url], tokens: [token], solvers: [wallet(1)], database })
  closing.push(() => follower.close())
  await follower.reached(3n)
  chain.mine([there])
  await follower.reached(4n)
  chain.mineEmpty(2)
  await follower.reached(6n)
  chain.mine([back])
  await follower.reached(7n)
  for (let count = 1n; count <= 3n; count += 1n) {
    chain.mineEmpty(150)
    await follower.reached(7n + 150n * count)
  }
  const shown = async () =>
    (await follower.records({ token, solver: wallet(1) })).map((record) => [record.blockNumber, record.balance])
  return { proxy, follower, shown }
}

describe('verifying records that the logs do not show', () => {
  it('keeps those of a token that moves balances without a log', { timeout: 60_000 }, async () => {
    const { follower, shown } = await followThereAndBack('silent')
    expect(await shown()).toEqual(right)
    const [report] = await follower.manager.verify({ chainId: CHAIN_ID })
    expect(await shown()).toEqual(right)
    expect(report?.extra).toBe(0)
  })

  it('keeps those of a plain token when the endpoint gives no logs of ranges', { timeout: 60_000 }, async () => {
    const { proxy, follower, shown } = await followThereAndBack('plain')
    expect(await shown()).toEqual(right)
    proxy.intercept((call, forward) => (call.method === 'eth_getLogs' ? { result: [] } : forward(call)))
    const [report] = await follower.manager.verify({ chainId: CHAIN_ID })
    expect(await shown()).toEqual(right)
    expect(report?.extra).toBe(0)
  })
})
