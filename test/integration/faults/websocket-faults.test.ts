import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { HeadSubscription } from '../../../src/chain/rpc/head-subscription.js'
import { networkTransport } from '../../../src/chain/rpc/node-transport.js'
import { systemClock } from '../../../src/model/clock.js'
import type { Clock } from '../../../src/model/clock.js'
import { silentLogger } from '../../../src/model/logger.js'
import type { Fault } from '../../../src/testing/index.js'
import type { Follower } from '../chain-fixture.js'
import { until } from '../../support/until.js'
import { countOf, startFaultyChain } from './faulty-chain.js'
import type { FaultyChain } from './faulty-chain.js'

/** Longer than a silent socket is believed. */
const SLOW_TEST_MS = 90_000
const RECONNECTS = 100
/** Waits before a reconnect are shortened; limits on a handshake are left alone. */
const LONG_WAIT_MS = 10_000

let chain: FaultyChain

beforeAll(async () => {
  chain = await startFaultyChain(22)
})

afterEach(() => chain.endTest())

afterAll(() => chain.close())

const isPushed = async (follower: Follower): Promise<boolean> =>
  (await follower.chain()).endpoints.some(({ transport, healthy }) => transport === 'websocket' && healthy)

describe('heads that are pushed', () => {
  it.each<Fault>([
    { kind: 'heads-dropped', times: 3 },
    { kind: 'heads-skipped', heads: 3, times: 2 },
    { kind: 'heads-duplicated', probability: 0.5 },
    { kind: 'heads-reordered', probability: 0.5 },
    { kind: 'heads-delayed', delayMs: 200, probability: 0.5 },
    { kind: 'heads-flood', copies: 500 },
    { kind: 'garbage-frames' },
  ])('in disorder cost no record and make none twice: $kind', { timeout: SLOW_TEST_MS }, async (fault) => {
    const proxy = await chain.proxy()
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], wsUrls: [proxy.wsUrl] })
    await until('heads are pushed', () => isPushed(follower))
    proxy.inject(fault)
    await chain.mine(8)
    proxy.clear()
    // One head that comes through, or a look at a socket that brings none, leads to the rest.
    await chain.mine(1)
    await until('the fault has struck', () => countOf(proxy, fault.kind) > 0)
    await chain.expectTruth(follower)
    const events = await follower.manager.events.read(0n, 1000)
    expect(events.filter(({ type }) => type === 'balance.reverted')).toEqual([])
    expect(proxy.sockets).toEqual({ open: 1, total: 1 })
  })

  it('in a flood do not let requests pile up', { timeout: SLOW_TEST_MS }, async () => {
    const proxy = await chain.proxy()
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], wsUrls: [proxy.wsUrl] })
    await until('heads are pushed', () => isPushed(follower))
    const calls = (): number => [...proxy.calls.values()].reduce((sum, count) => sum + count, 0)
    const before = calls()
    proxy.inject({ kind: 'heads-flood', copies: 5000 })
    await chain.expectTruth(follower)
    const head = await chain.mine(1)
    await follower.reached(head)
    await chain.expectTruth(follower)
    expect(countOf(proxy, 'heads-flood')).toBe(1)
    // Far fewer than one for each of the heads.
    expect(calls() - before).toBeLessThan(500)
  })
})

describe('a socket', () => {
  it('that is open but silent is given up, and opened again', { timeout: SLOW_TEST_MS }, async () => {
    const proxy = await chain.proxy()
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], wsUrls: [proxy.wsUrl] })
    await until('heads are pushed', () => isPushed(follower))
    const silence = proxy.inject({ kind: 'socket-silent' })
    await chain.mine(1)
    await until('the socket is silent', () => silence.count > 0)
    silence.lift()
    const head = await chain.mine(2)
    await until('the silence is noticed', async () => ((await follower.chain()).processed ?? 0n) >= head, 60_000)
    await until('another socket is open', () => proxy.sockets.total === 2 && proxy.sockets.open === 1)
    await until('heads are pushed again', () => isPushed(follower))
    await follower.reached(await chain.mine(1))
    await chain.expectTruth(follower)
  })

  it.each<Fault>([
    { kind: 'socket-refused', times: 2 },
    { kind: 'subscribe-refused', times: 2 },
  ])(
    'that cannot be had is tried again, and blocks are polled for: $kind',
    { timeout: SLOW_TEST_MS },
    async (fault) => {
      const proxy = await chain.proxy([fault])
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], wsUrls: [proxy.wsUrl] })
      await follower.reached(await chain.mine(3))
      await until('heads are pushed', () => isPushed(follower))
      expect(countOf(proxy, fault.kind)).toBe(2)
      await follower.reached(await chain.mine(3))
      await chain.expectTruth(follower)
    },
  )

  it(
    'that is cut while heads come is opened again, and what was missed is read',
    { timeout: SLOW_TEST_MS },
    async () => {
      const proxy = await chain.proxy()
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], wsUrls: [proxy.wsUrl] })
      for (let round = 1; round <= 3; round += 1) {
        await until('heads are pushed', () => isPushed(follower))
        proxy.inject({ kind: 'socket-cut', times: 1 })
        await follower.reached(await chain.mine(3))
        expect(countOf(proxy, 'socket-cut')).toBe(round)
      }
      await chain.expectTruth(follower)
      await follower.manager.close()
      await until('no socket is left', () => proxy.sockets.open === 0)
    },
  )

  it('leaves none behind when it is lost a hundred times', { timeout: SLOW_TEST_MS }, async () => {
    const proxy = await chain.proxy()
    const hasty: Clock = {
      ...systemClock,
      schedule: (durationMs, task) => systemClock.schedule(durationMs < LONG_WAIT_MS ? 1 : durationMs, task),
    }
    let heads = 0
    const subscription = new HeadSubscription({
      chainId: chain.world.chainId,
      urls: [proxy.wsUrl],
      clock: hasty,
      transport: networkTransport,
      logger: silentLogger,
      onHead: () => (heads += 1),
      onChange: () => undefined,
    })
    for (let count = 1; count <= RECONNECTS; count += 1) {
      await until('heads are pushed', () => subscription.live && proxy.sockets.total === count)
      expect(proxy.sockets).toEqual({ open: 1, total: count })
      // A socket that brought a head was a good one: its loss is not held against the next.
      await chain.world.mine()
      await until('a head has come', () => heads === count)
      proxy.cutSockets()
    }
    await until('heads are pushed again', () => subscription.live && proxy.sockets.total === RECONNECTS + 1)
    subscription.close()
    await until('no socket is left', () => proxy.sockets.open === 0)
    await chain.mine(1)
    expect(proxy.sockets).toEqual({ open: 0, total: RECONNECTS + 1 })
  })
})
