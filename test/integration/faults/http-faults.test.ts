import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { hexOddities } from '../../../src/testing/fault-proxy/fault.js'
import type { HexOddity } from '../../../src/testing/fault-proxy/fault.js'
import { balanceAt } from '../../../src/testing/index.js'
import type { Fault } from '../../../src/testing/index.js'
import { until } from '../../support/until.js'
import { createRpc } from '../../../src/testing/rpc.js'
import { MULTICALL3_ADDRESS } from '../../../src/chain/balances/scan-by-multicall.js'
import { openHistory } from '../../../src/index.js'
import type { BalanceRecord } from '../../../src/index.js'
import { LeapableClock } from '../../support/leapable-clock.js'
import { chainConfig } from '../chain-fixture.js'
import type { Follower } from '../chain-fixture.js'
import { placeMulticall } from '../place-multicall.js'
import { countOf, startFaultyChain } from './faulty-chain.js'
import type { FaultyChain } from './faulty-chain.js'

/** Enough for a hanging request to be given up. */
const SLOW_TEST_MS = 60_000
const TIMES = 3
const SECOND_MS = 1000
const OUTAGE_SECONDS = 600

let chain: FaultyChain

beforeAll(async () => {
  chain = await startFaultyChain(21)
})

afterEach(() => chain.endTest())

afterAll(() => chain.close())

const historiesOf = (follower: Follower): Promise<readonly (readonly BalanceRecord[])[]> =>
  Promise.all(chain.world.positions.map((position) => follower.records(position)))

const modesOf = (follower: Follower): unknown[] =>
  follower.log.filter(({ message }) => message === 'way of reading balances chosen').map(({ fields }) => fields['mode'])

/** The only endpoint fails some times, before and while blocks come: nothing wrong is stored, nothing is missed. */
async function survives(fault: Fault): Promise<void> {
  const proxy = await chain.proxy()
  const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
  const times = fault.times ?? TIMES
  const injected = proxy.inject({ ...fault, times })
  for (let round = 0; round < 8 && injected.count < times; round += 1) {
    await follower.reached(await chain.mine(2))
  }
  expect(countOf(proxy, fault.kind)).toBe(times)
  await chain.mine(2)
  await chain.expectTruth(follower)
  expect(await follower.chain()).toMatchObject({ state: 'live', reason: null })
}

describe('an endpoint whose reply is none', () => {
  it.each<Fault>([
    { kind: 'http-5xx', status: 502 },
    { kind: 'html-200' },
    { kind: 'reset' },
    { kind: 'truncated' },
    { kind: 'malformed' },
    { kind: 'wrong-id' },
    { kind: 'result-and-error' },
    { kind: 'missing-result' },
  ])('costs no record and no block: $kind', { timeout: SLOW_TEST_MS }, survives)

  it.each<Fault>([{ kind: 'batch-partial' }, { kind: 'batch-reordered' }, { kind: 'batch-as-object' }])(
    'or answers batches otherwise than asked costs no record and no block: $kind',
    { timeout: SLOW_TEST_MS },
    async (fault) => {
      const proxy = await chain.proxy([{ ...fault, probability: 0.5 }])
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
      await chain.mine(6)
      await chain.expectTruth(follower)
      expect(countOf(proxy, fault.kind)).toBeGreaterThan(0)
    },
  )

  it('hangs for a while, and its work is done elsewhere', { timeout: SLOW_TEST_MS }, async () => {
    const [hanging, well] = [await chain.proxy(), await chain.proxy()]
    const follower = await chain.follow({ rpcUrls: [hanging.rpcUrl, well.rpcUrl] })
    hanging.inject({ kind: 'hang' })
    await chain.mine(3)
    await chain.expectTruth(follower)
    expect(countOf(hanging, 'hang')).toBeGreaterThan(0)
    expect(well.calls.get('eth_getBlockByNumber')).toBeGreaterThan(0)
    expect((await follower.chain()).endpoints[0]).toMatchObject({ healthy: false })
  })
})

describe('an endpoint that asks for fewer requests', () => {
  it.each<readonly [string, Fault]>([
    ['with a time in seconds', { kind: 'http-429', retryAfter: { seconds: 1 } }],
    ['with a date that has passed', { kind: 'http-429', retryAfter: { date: new Date(0) } }],
    ['without a time', { kind: 'http-429' }],
    ['in a JSON-RPC error', { kind: 'rate-limit-error' }],
  ])('gets them, and nothing is missed: %s', { timeout: SLOW_TEST_MS }, (_form, fault) => survives(fault))
})

describe('an endpoint that lacks what is asked for', () => {
  it.each<Fault>([{ kind: 'null-block' }, { kind: 'block-unavailable' }, { kind: 'state-pruned' }])(
    'is asked again, and nothing is skipped: $kind',
    { timeout: SLOW_TEST_MS },
    survives,
  )

  it('has no receipts, and only the causes of changes are unknown', { timeout: SLOW_TEST_MS }, async () => {
    // Receipts are asked for where logs explain nothing, and for whatever changes the native balance.
    const proxy = await chain.proxy([{ kind: 'null-receipt' }, { kind: 'empty-logs' }])
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
    await follower.reached(await chain.mineTokens(2))
    await follower.reached(await chain.minePayments(2))
    expect(countOf(proxy, 'null-receipt')).toBeGreaterThan(0)
    await chain.expectTruth(follower)
    const [paid] = chain.world.solvers
    const records = paid === undefined ? [] : await follower.records({ token: 'native', solver: paid })
    expect(records.slice(1).map(({ cause }) => cause)).toEqual(['unknown', 'unknown'])
  })

  it(
    'has lost the state of some blocks: just these do not count as known, until another endpoint fills them in',
    { timeout: SLOW_TEST_MS },
    async () => {
      const proxy = await chain.proxy()
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
      const last = await chain.mine(2)
      await follower.reached(last)
      const [before] = await historiesOf(follower)
      const away = proxy.inject({ kind: 'http-5xx', status: 503 })
      const head = await chain.mine(6)
      const pruned = proxy.inject({ kind: 'state-pruned', blocks: 1 })
      away.lift()
      await follower.reached(head)
      expect(pruned.count).toBeGreaterThan(0)
      pruned.lift()
      const next = await chain.mine(2)
      await follower.reached(next)

      const { chainId, positions } = chain.world
      const hole = { from: last + 1n, to: head - 1n }
      const first = before?.[0]?.blockNumber ?? -1n
      for (const [index, { token, solver }] of positions.entries()) {
        expect(await follower.manager.coverage(chainId, token, solver)).toEqual([
          { from: first, to: last, kind: 'exact' },
          { from: head, to: null, kind: 'exact' },
        ])
        const records = (await historiesOf(follower))[index] ?? []
        for (const { blockNumber, balance } of records) {
          expect(balance).toBe(await balanceAt(chain.anvil.rpcUrl, { token, solver }, blockNumber))
          expect(blockNumber >= hole.from && blockNumber <= hole.to).toBe(false)
        }
      }
      expect(follower.log.filter(({ message }) => message === 'gap in the history')).toHaveLength(1)

      proxy.inject({ kind: 'state-pruned', blocks: 1 })
      const archive = await chain.proxy()
      const history = await openHistory({
        chains: [
          chainConfig({
            rpcUrls: [proxy.rpcUrl, archive.rpcUrl],
            tokens: chain.world.tokens.map(({ address }) => address),
          }),
        ],
        databaseUrl: follower.database.url,
        dataDir: '/nowhere',
      })
      try {
        await history.keeper.backfill({ fromBlock: first })
      } finally {
        await history.close()
      }
      for (const { token, solver } of positions) {
        expect(await follower.manager.coverage(chainId, token, solver)).toEqual([
          { from: first, to: null, kind: 'exact' },
        ])
      }
      await chain.expectTruth(follower)
    },
  )
})

describe('an endpoint that answers with numbers in an odd form', () => {
  it.each(Object.keys(hexOddities))('is not believed: %s', { timeout: SLOW_TEST_MS }, (form) =>
    survives({ kind: 'hex-oddity', form: form as HexOddity, methods: ['eth_call', 'eth_getBlockByNumber'] }),
  )
})

describe('an endpoint that answers out of another block', () => {
  it.each([-1, 1] as const)('is not believed, %d away', { timeout: SLOW_TEST_MS }, (shift) =>
    survives({ kind: 'other-block', shift, methods: ['eth_call'] }),
  )

  it('is not believed where balances are read through Multicall3', { timeout: SLOW_TEST_MS }, async () => {
    await placeMulticall(chain.anvil)
    const proxy = await chain.proxy([{ kind: 'no-state-override' }])
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
    expect(modesOf(follower)).toEqual(['multicall'])
    for (const shift of [-1, 1] as const) {
      const injected = proxy.inject({ kind: 'other-block', shift, methods: ['eth_call'], times: TIMES })
      for (let round = 0; round < 8 && injected.count < TIMES; round += 1) await follower.reached(await chain.mine(2))
      expect(injected.count).toBe(TIMES)
    }
    await chain.expectTruth(follower)
    await createRpc(chain.anvil.rpcUrl).request('anvil_setCode', [MULTICALL3_ADDRESS, '0x'])
  })

  it(
    'is outvoted where balances are read one by one, without proof of their block',
    { timeout: SLOW_TEST_MS },
    async () => {
      const lying = await chain.proxy([{ kind: 'no-state-override' }])
      // Two that contradict each other for good store nothing, and say so: it takes a third one to tell who lies.
      const well = [
        await chain.proxy([{ kind: 'no-state-override' }]),
        await chain.proxy([{ kind: 'no-state-override' }]),
      ]
      const follower = await chain.follow({ rpcUrls: [lying.rpcUrl, ...well.map(({ rpcUrl }) => rpcUrl)] })
      expect(modesOf(follower)).toContain('single')
      // Out of the next block: there is one while blocks are caught up with.
      const injected = lying.inject({ kind: 'other-block', shift: 1, methods: ['eth_getBalance'] })
      for (let round = 0; round < 4; round += 1) await follower.reached(await chain.minePayments(4))
      // Who was outvoted is not asked first any more.
      expect(injected.count).toBeGreaterThan(0)
      await chain.expectTruth(follower)
    },
  )
})

describe('an endpoint that is a balancer before nodes that lag', () => {
  it.each([0.15, 0.4])(
    'costs no record, and lower heads are no reorganisation: %d of its answers',
    { timeout: SLOW_TEST_MS },
    async (probability) => {
      const proxy = await chain.proxy()
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
      proxy.inject({ kind: 'lagging', blocks: 3, probability })
      for (let round = 0; round < 5; round += 1) await follower.reached(await chain.mine(3))
      expect(countOf(proxy, 'lagging')).toBeGreaterThan(5)
      proxy.clear()
      await chain.expectTruth(follower)
      const events = await follower.manager.events.read(0n, 1000)
      expect(events.filter(({ type }) => type === 'balance.reverted')).toEqual([])
      expect(follower.log.filter(({ message }) => message.includes('reorganised'))).toEqual([])
    },
  )
})

describe('logs that are not there, not all there, or no longer true', () => {
  it.each<Fault>([{ kind: 'empty-logs' }, { kind: 'partial-logs' }, { kind: 'removed-logs' }])(
    'change no balance: $kind',
    { timeout: SLOW_TEST_MS },
    async (fault) => {
      const proxy = await chain.proxy()
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
      proxy.inject(fault)
      // Block by block: where only tokens changed logs are asked for, elsewhere receipts.
      for (let round = 0; round < 4; round += 1) await follower.reached(await chain.mineTokens(1))
      expect(proxy.calls.get('eth_getLogs')).toBeGreaterThan(0)
      const ofTokens = countOf(proxy, fault.kind)
      expect(ofTokens).toBeGreaterThanOrEqual(proxy.calls.get('eth_getLogs') ?? 0)
      for (let round = 0; round < 4; round += 1) await follower.reached(await chain.mine(1))
      await chain.expectTruth(follower)
    },
  )
})

describe('an endpoint with limits', () => {
  it.each<Fault>([
    { kind: 'no-state-override' },
    { kind: 'capped-gas', gas: 3_000_000n },
    { kind: 'capped-response', bytes: 450, methods: ['eth_call'] },
    {
      kind: 'capped-response',
      bytes: 600,
      methods: ['eth_getLogs', 'eth_getBlockReceipts', 'debug_traceBlockByHash'],
    },
  ])('is used within them: $kind', { timeout: SLOW_TEST_MS }, async (fault) => {
    const proxy = await chain.proxy([fault])
    const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl] })
    await follower.reached(await chain.mine(4))
    await follower.reached(await chain.mineTokens(2))
    expect(countOf(proxy, fault.kind)).toBeGreaterThan(0)
    await chain.expectTruth(follower)
  })
})

describe('an endpoint that changes to another chain', () => {
  it('is left when it does, and nothing of the other chain is stored', { timeout: SLOW_TEST_MS }, async () => {
    const [changing, well] = [await chain.proxy(), await chain.proxy()]
    const follower = await chain.follow({ rpcUrls: [changing.rpcUrl, well.rpcUrl] })
    await follower.reached(await chain.mine(2))
    // A provider that swaps chains drops connections; what comes back answers for the other chain.
    changing.inject({ kind: 'wrong-chain-id', chainId: 5n })
    changing.inject({ kind: 'reset', times: 1 })
    await until('the other chain is noticed', async () => {
      await follower.reached(await chain.mine(1))
      return countOf(changing, 'wrong-chain-id') > 0
    })
    await chain.mine(3)
    await chain.expectTruth(follower)
    await until('it says why', async () => (await follower.chain()).endpoints[0]?.healthy === false)
    expect((await follower.chain()).endpoints[0]?.lastError).toContain('expected chain id 31337')
  })
})

describe('all endpoints', () => {
  it('gone and back again cost nothing but time', { timeout: SLOW_TEST_MS }, async () => {
    const [first, second] = [await chain.proxy(), await chain.proxy()]
    const follower = await chain.follow({ rpcUrls: [first.rpcUrl, second.rpcUrl] })
    const faults = [first.inject({ kind: 'reset' }), second.inject({ kind: 'http-5xx', status: 503 })]
    const head = await chain.mine(5)
    await until('the chain is stalled', async () => (await follower.chain()).state === 'stalled', 30_000)
    expect((await follower.chain()).processed).toBeLessThan(head)
    expect((await follower.chain()).reason).toMatch(/503|endpoint/)
    expect((await follower.manager.reader.currentBalances({ limit: 500 })).items.length).toBeGreaterThan(0)
    for (const fault of faults) fault.lift()
    await chain.expectTruth(follower)
    expect(await follower.chain()).toMatchObject({ state: 'live' })
  })

  it(
    'gone for ten minutes are asked ever more rarely, and lead to the same history',
    { timeout: SLOW_TEST_MS },
    async () => {
      const clock = new LeapableClock()
      const proxy = await chain.proxy()
      const follower = await chain.follow({ rpcUrls: [proxy.rpcUrl], clock })
      const away = proxy.inject({ kind: 'http-5xx', status: 503 })
      await chain.mine(12)
      for (let second = 0; second < OUTAGE_SECONDS; second += 1) {
        clock.leap(SECOND_MS)
        await pause(1)
      }
      expect(away.count).toBeGreaterThan(5)
      expect(away.count).toBeLessThan(OUTAGE_SECONDS)
      await until('the chain is stalled', async () => (await follower.chain()).state === 'stalled')
      expect((await follower.chain()).reason).toMatch(/503|endpoint/)
      away.lift()
      const head = await chain.mine(1)
      await until('the head is processed', async () => {
        clock.leap(SECOND_MS)
        return ((await follower.chain()).processed ?? -1n) >= head
      })
      await chain.expectTruth(follower)
      expect(await follower.chain()).toMatchObject({ state: 'live', reason: null })
    },
  )
})
