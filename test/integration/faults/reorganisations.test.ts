import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { createModelChain, createRandom, startFaultProxy } from '../../../src/testing/index.js'
import { createRpc } from '../../../src/testing/rpc.js'
import { systemClock } from '../../../src/model/clock.js'
import type { Clock } from '../../../src/model/clock.js'
import { until } from '../../support/until.js'
import { fastClock } from '../../support/fast-clock.js'
import { follow } from '../chain-fixture.js'
import { startFaultyChain } from './faulty-chain.js'
import type { FaultyChain } from './faulty-chain.js'

const SLOW_TEST_MS = 120_000
const DEPTH_MAX = 64
const HOUR_MS = 3_600_000

let chain: FaultyChain

beforeAll(async () => {
  chain = await startFaultyChain(23)
})

afterEach(() => chain.endTest())

afterAll(() => chain.close())

describe('a reorganisation', () => {
  it('of any depth up to 64 leaves the records of the chain as it is now', { timeout: SLOW_TEST_MS }, async () => {
    const wallet = `0x${'a1'.repeat(20)}` as const
    const random = createRandom(64)
    const model = createModelChain({ chainId: 77n, seed: 64, wallets: [{ address: wallet, balance: 10n ** 21n }] })
    const served = await startFaultProxy({ target: model })
    const follower = await follow({
      chainId: model.chainId,
      rpcUrls: [served.rpcUrl],
      tokens: [],
      solvers: [wallet],
      clock: fastClock(5),
    })
    try {
      const first = model.head.number
      await follower.reached(first)
      for (let count = 0; count < DEPTH_MAX; count += 1) model.activity(random)
      for (let depth = 1; depth <= DEPTH_MAX; depth += 1) {
        model.reorg(depth, depth + 1, () => (draft) => {
          // Most blocks stay without a change: what is looked at is the way back.
          if (random.integer(0, 3) === 0)
            draft.perform({ kind: 'internal', from: draft.treasury, to: wallet, value: 5n })
        })
        const { hash } = model.head
        await until(`the chain after the reorganisation by ${depth} is processed`, async () => {
          const balance = await follower.manager.getCurrentBalance(model.chainId, 'native', wallet)
          return balance?.verified.hash === hash
        })
        const records = await follower.records({ token: 'native', solver: wallet })
        const changes = model.changesOf('native', wallet).filter(({ block }) => block.number > first)
        expect(records.slice(1).map(({ blockHash, balance }) => ({ blockHash, balance }))).toEqual(
          changes.map(({ block, balance }) => ({ blockHash: block.hash, balance })),
        )
      }
      const events = await follower.manager.events.read(0n, 10_000)
      expect(events.filter(({ type }) => type === 'balance.reverted').length).toBeGreaterThan(DEPTH_MAX / 2)
    } finally {
      await follower.close()
      await served.close()
    }
  })

  it('while an endpoint lags and heads come in disorder ends the same', { timeout: SLOW_TEST_MS }, async () => {
    const proxy = await chain.proxy()
    const well = await chain.proxy()
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl, well.rpcUrl], wsUrls: [proxy.wsUrl] })
    proxy.inject({ kind: 'lagging', blocks: 2, probability: 0.1 })
    proxy.inject({ kind: 'null-block', probability: 0.05 })
    proxy.inject({ kind: 'heads-reordered', probability: 0.3 })
    proxy.inject({ kind: 'heads-dropped', probability: 0.2 })
    await chain.mine(10)
    for (const depth of [1, 3, 2, 8]) {
      await chain.world.reorg(depth)
      await chain.mine(depth + 1)
    }
    proxy.clear()
    await chain.mine(1)
    await chain.expectTruth(follower)
  })
})

describe('time', () => {
  it('that leaps on the chain, or of day on this machine, moves no block', { timeout: SLOW_TEST_MS }, async () => {
    let leapMs = 0
    const clock: Clock = { ...systemClock, timeOfDayMs: () => systemClock.timeOfDayMs() + leapMs }
    const proxy = await chain.proxy()
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], clock })
    const rpc = createRpc(chain.anvil.rpcUrl)
    for (const change of [HOUR_MS, -HOUR_MS]) {
      leapMs = change
      await follower.reached(await chain.mine(2))
    }
    // Blocks of the future are taken with the time they carry.
    await rpc.request('evm_increaseTime', [HOUR_MS / 1000])
    await follower.reached(await chain.mine(3))
    expect(await follower.chain()).toMatchObject({ state: 'live', reason: null })
    await chain.expectTruth(follower)
  })
})
