import { afterEach, expect, it } from 'vitest'

import { createModelChain, createRandom, startFaultProxy } from '../../../src/testing/index.js'
import { follow } from '../chain-fixture.js'
import { until } from '../../support/until.js'

const SLOW_TEST_MS = 60_000

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

it(
  'A chain that goes from one branch to another and back has the records of where it ends',
  { timeout: SLOW_TEST_MS },
  async () => {
    const wallet = `0x${'a1'.repeat(20)}` as const
    const random = createRandom(5)
    const chain = createModelChain({ chainId: 77n, seed: 5, wallets: [{ address: wallet, balance: 10n ** 20n }] })
    for (let count = 0; count < 5; count += 1) chain.activity(random)
    const proxy = await startFaultProxy({ target: chain })
    closing.push(() => proxy.close())
    const first = chain.head.number
    const follower = await follow({
      chainId: chain.chainId,
      rpcUrls: [proxy.rpcUrl],
      wsUrls: [proxy.wsUrl],
      tokens: [],
      solvers: [wallet],
    })
    closing.push(() => follower.close())
    await follower.reached(first)
    const seen = async (hash: string): Promise<void> =>
      until(`head ${hash} is processed`, async () => {
        const balance = await follower.manager.getCurrentBalance(chain.chainId, 'native', wallet)
        return balance?.verified.hash === hash
      })
    for (let count = 0; count < 6; count += 1) chain.activity(random)
    await seen(chain.head.hash)
    const one = chain.head.hash
    chain.reorg(6, 7, () => [{ kind: 'internal', from: chain.treasury, to: wallet, value: 3n }])
    await seen(chain.head.hash)
    const other = chain.head.hash
    for (const branch of [one, other, one]) {
      // The branch grows, so that nobody can call it one that was left.
      chain.switchTo(branch)
      for (let count = 0; count < 2; count += 1) chain.activity(random)
      await seen(chain.head.hash)
    }
    const records = await follower.records({ token: 'native', solver: wallet })
    const changes = chain.changesOf('native', wallet).filter(({ block }) => block.number > first)
    expect(records.slice(1).map(({ blockHash, balance }) => ({ blockHash, balance }))).toEqual(
      changes.map(({ block, balance }) => ({ blockHash: block.hash, balance })),
    )
    expect(records.length).toBeGreaterThan(1)
  },
)
