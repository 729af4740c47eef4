import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { formatToken, toChecksumAddress } from '../../src/index.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, Holding, World } from '../../src/testing/index.js'
import { expectedRecords, headerAt } from '../e2e/chain-truth.js'
import type { PlainRecord } from '../e2e/chain-truth.js'
import { until } from '../support/until.js'
import { follow, mineActivity } from './chain-fixture.js'
import type { Follower, FollowerOptions } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import type { ProxiedAnswer, RpcProxy } from './chain-proxy.js'

let anvil: Anvil
let world: World
let proxy: RpcProxy
const closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 11, solverCount: 3 })
  proxy = await startProxy(anvil)
  closing.push(() => proxy.close())
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('following a chain whose endpoint misbehaves', () => {
  it('tries failed requests again and misses no block', async () => {
    const follower = await start()
    for (let round = 0; round < 5; round += 1) {
      proxy.refuse(2, 503)
      await follower.reached(await mineActivity(world, 4))
    }
    expect(proxy.refused()).toBe(10)
    expect(follower.log.some(({ message }) => message === 'rpc request is tried again')).toBe(true)
    await compare(follower)
  })

  it('says why it stands still while the endpoint is away, answers from the database, and goes on by itself', async () => {
    const follower = await start()
    await follower.reached(await mineActivity(world, 3))
    proxy.refuse(1_000_000, 503)
    await until('the chain is stalled', async () => (await follower.chain()).state === 'stalled', 30_000)
    expect((await follower.chain()).reason).toContain('503')
    const balances = await follower.manager.reader.currentBalances({ limit: 500 })
    expect(balances.items).toHaveLength(world.positions.length)
    expect(await follower.manager.getCurrentBalance(31_337n, 'native', orThrow(world.solvers[0]))).not.toBeNull()
    const head = await mineActivity(world, 3)
    proxy.refuse(0, 503)
    await follower.reached(head)
    expect((await follower.chain()).state).toBe('live')
    await compare(follower)
  })

  it('refuses an endpoint of another chain and uses the next one', async () => {
    const other = await startAnvil({ chainId: 5n, blockTimeSeconds: 'manual' })
    closing.push(() => other.stop())
    const follower = await start({ rpcUrls: [other.rpcUrl, proxy.url] })
    await follower.reached(await mineActivity(world, 5))
    const [wrong, right] = (await follower.chain()).endpoints
    expect(wrong).toMatchObject({
      healthy: false,
      lastError: expect.stringContaining('expected chain id 31337, the endpoint serves 5'),
    })
    expect(right).toMatchObject({ healthy: true, lastError: null })
    await compare(follower)
  })

  it('refuses a chain that begins with another block than the stored one, and keeps what is stored', async () => {
    const follower = await start()
    await follower.reached(await mineActivity(world, 3))
    const stored = await allRecords(follower)
    await follower.manager.close()

    // Local chains that begin in the same second begin with the same block.
    const { timestamp } = await headerAt(anvil.rpcUrl, 0n)
    await until('another second has begun', () => Date.now() >= Date.parse(timestamp) + 1000)
    const again = await startAnvil({ blockTimeSeconds: 'manual' })
    closing.push(() => again.stop())
    await createWorld({ rpcUrl: again.rpcUrl, seed: 12, solverCount: 1 })
    const other = await start({ rpcUrls: [again.rpcUrl], database: follower.database })
    await until('the chain is refused', async () => (await other.chain()).state === 'stalled')
    expect((await other.chain()).reason).toContain('expected the chain that begins with')
    expect(await allRecords(other)).toEqual(stored)
  })

  it('reads all positions of an unchanged block with one request', async () => {
    const follower = await start()
    const first = await follower.chain()
    await follower.reached(await world.mine())
    const calls = proxy.calls.get('eth_call') ?? 0
    const natives = proxy.calls.get('eth_getBalance') ?? 0
    for (let count = 0; count < 10; count += 1) await follower.reached(await world.mine())
    expect((proxy.calls.get('eth_call') ?? 0) - calls).toBe(10)
    expect((proxy.calls.get('eth_getBalance') ?? 0) - natives).toBe(0)
    expect((await follower.chain()).processed).toBe((first.processed ?? world.setupBlock) + 11n)
  })

  it('believes no answer from another block than the one asked for', async () => {
    const follower = await start()
    await follower.reached(await mineActivity(world, 3))
    let lies = 0
    proxy.intercept((call, forward) => {
      const [transaction, block, override] = call.params
      if (call.method !== 'eth_call' || lies >= 3 || !isAtHash(block)) return forward(call)
      lies += 1
      // A node behind: it answers with the state of an older block.
      return forward({ method: call.method, params: [transaction, `0x${world.setupBlock.toString(16)}`, override] })
    })
    await follower.reached(await mineActivity(world, 5))
    expect(lies).toBe(3)
    await compare(follower)
  })

  it('reads a block again when the node answered out of the next block’s state', async () => {
    const follower = await start()
    await follower.reached(await mineActivity(world, 3))
    // The call that overlaps the next block is the first one at its block: a second one comes after it.
    const overlapped = new Set<string>()
    let lies = 0
    proxy.intercept(async (call, forward) => {
      const [transaction, block, override] = call.params
      const answer = await forward(call)
      if (call.method !== 'eth_call' || lies >= 3 || !isAtHash(block) || !('result' in answer)) return answer
      if (overlapped.has(JSON.stringify(block))) return answer
      overlapped.add(JSON.stringify(block))
      // The state of a block that has come meanwhile, under the number and time of the one asked for.
      const late = await forward({ method: call.method, params: [transaction, 'latest', override] })
      if (!('result' in late) || late.result === answer.result) return answer
      const [asked, newer] = [String(answer.result), String(late.result)]
      if (asked.slice(130) === newer.slice(130)) return answer
      lies += 1
      return { result: asked.slice(0, 130) + newer.slice(130) }
    })
    for (let round = 0; round < 10 && lies < 3; round += 1) await follower.reached(await mineActivity(world, 6))
    expect(lies).toBe(3)
    proxy.intercept(null)
    await follower.reached(await mineActivity(world, 2))
    await compare(follower)
    expect(
      follower.log.filter(({ message }) => message.startsWith('two readings of one block differ')).length,
    ).toBeGreaterThan(0)
  })

  it('waits for a block that the node announced but does not have yet', async () => {
    const follower = await start()
    let missing = 0
    proxy.intercept((call, forward) => {
      if (call.method !== 'eth_call' || missing >= 3) return forward(call)
      missing += 1
      return { error: { code: -32_000, message: 'header for hash not found' } }
    })
    await follower.reached(await mineActivity(world, 5))
    expect(missing).toBe(3)
    await compare(follower)
  })

  it('goes on with chains that have no safe and no finalized block yet', async () => {
    let asked = 0
    proxy.intercept((call, forward) => {
      const tag = String(call.params[0])
      if (!['safe', 'finalized'].includes(tag)) return forward(call)
      asked += 1
      return { error: { code: -32_000, message: `${tag} block not found` } }
    })
    const follower = await start()
    await follower.reached(await mineActivity(world, 5))
    await until('finality was asked for', () => asked >= 2)
    expect(await follower.chain()).toMatchObject({ state: 'live', reason: null, safe: null, finalized: null })
    expect(follower.log.filter(({ level }) => level === 'warn')).toEqual([])
    await compare(follower)
  })

  it('does not take the words of a reverting token for those of the node', async () => {
    const hostile = orThrow(world.tokens[0]).address
    proxy.intercept((call, forward) => {
      const [transaction] = call.params as { to?: string; data?: string }[]
      const asksName = call.method === 'eth_call' && transaction?.to === hostile && transaction.data?.length === 10
      return asksName
        ? { error: { code: 3, message: 'execution reverted: too many requests, state pruned, block not found' } }
        : forward(call)
    })
    const follower = await start()
    await follower.reached(await mineActivity(world, 5))
    expect((await follower.manager.getCurrentBalance(31_337n, hostile, orThrow(world.solvers[0])))?.symbol).toBeNull()
    await compare(follower)
  })

  it('shows no key of an endpoint in its log, its state or its errors', async () => {
    const key = 'f00dfeedc0ffee1234567890'
    const closed = new URL(proxy.url)
    const follower = await start({
      rpcUrls: [`http://user:${key}@127.0.0.1:1/v2/${key}?apikey=${key}`, `${proxy.url}/v2/${key}`],
      wsUrls: [`ws://127.0.0.1:1/v2/${key}`, `${proxy.wsUrl}/v2/${key}`],
    })
    proxy.intercept((call, forward) =>
      call.method === 'eth_getBlockReceipts'
        ? { error: { code: -32_601, message: `no such method at /v2/${key}` } }
        : forward(call),
    )
    await follower.reached(await mineActivity(world, 5))
    proxy.refuse(3, 500)
    await follower.reached(await mineActivity(world, 5))
    const shown = JSON.stringify([follower.log, await follower.chain()], (_name, value: unknown) =>
      typeof value === 'bigint'
        ? value.toString()
        : value instanceof Error
          ? [value.message, value.stack, value.cause]
          : value,
    )
    expect(shown).toContain(closed.host)
    expect(shown).not.toContain(key)
  })

  it('records changes although the node cannot tell their transactions', async () => {
    const refused: ProxiedAnswer = { error: { code: -32_601, message: 'the method does not exist' } }
    const untold = new Set(['eth_getBlockReceipts', 'debug_traceBlockByHash', 'eth_getLogs'])
    proxy.intercept((call, forward) => (untold.has(call.method) ? refused : forward(call)))
    const follower = await start()
    await follower.reached(await mineActivity(world, 10))
    await compare(follower)
    expect((await allRecords(follower)).length).toBeGreaterThan(world.positions.length)
  })

  it('finds the transactions of native changes inside contracts only where the node traces, and asks once where not', async () => {
    const solver = orThrow(world.solvers[0])
    const pay = async (): Promise<bigint> => {
      await world.perform([{ kind: 'internal', to: [solver], amount: 7n }])
      return world.mine()
    }
    const follower = await start()
    await follower.reached(await pay())
    const [, traced] = await follower.records({ token: 'native', solver })
    expect(traced).toMatchObject({ unexplained: 0n, transactionHashes: [expect.stringMatching(/^0x/)] })
    await follower.close()

    proxy.intercept((call, forward) =>
      ['debug_traceBlockByHash', 'trace_block'].includes(call.method)
        ? { error: { code: -32_601, message: 'the method does not exist' } }
        : forward(call),
    )
    const without = await start()
    const traces = (): number =>
      (proxy.calls.get('debug_traceBlockByHash') ?? 0) + (proxy.calls.get('trace_block') ?? 0)
    const asked = traces()
    for (let count = 0; count < 3; count += 1) await without.reached(await pay())
    // Once in either form.
    expect(traces() - asked).toBe(2)
    const records = await without.records({ token: 'native', solver })
    expect(records.slice(1).map(({ cause, transactionHashes }) => ({ cause, transactionHashes }))).toEqual(
      Array.from({ length: 3 }, () => ({ cause: 'unknown', transactionHashes: [] })),
    )
    await compare(without, records[0]?.blockNumber)
  })
})

describe('a trace that takes too long', () => {
  it('does not hold up the block', async () => {
    const solver = orThrow(world.solvers[0])
    const waiting: (() => void)[] = []
    proxy.intercept((call, forward) => {
      if (call.method !== 'debug_traceBlockByHash') return forward(call)
      return new Promise((resolve) => waiting.push(() => resolve({ result: [] })))
    })
    const follower = await start()
    await world.perform([{ kind: 'internal', to: [solver], amount: 7n }])
    const head = await world.mine()
    await follower.reached(head)
    expect(waiting).toHaveLength(1)
    const [, record] = await follower.records({ token: 'native', solver })
    expect(record).toMatchObject({ blockNumber: head, cause: 'unknown' })
    for (const answer of waiting) answer()
    await compare(follower)
  })
})

describe('a WebSocket in front of the chain', () => {
  it('is opened again after each cut, misses nothing, and is closed with the service', async () => {
    const follower = await start({ wsUrls: [proxy.wsUrl] })
    for (let round = 1; round <= 3; round += 1) {
      await until('heads are pushed', async () =>
        (await follower.chain()).endpoints.some(({ transport, healthy }) => transport === 'websocket' && healthy),
      )
      await follower.reached(await mineActivity(world, 3))
      expect(proxy.sockets).toEqual({ open: 1, total: round })
      proxy.cutSockets()
      await until(
        'the cut is noticed',
        () => follower.log.filter(({ message }) => message.startsWith('websocket disconnected')).length === round,
      )
    }
    await follower.reached(await mineActivity(world, 3))
    await compare(follower)
    await follower.manager.close()
    await until('no socket is left', () => proxy.sockets.open === 0)
    expect(follower.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('of another chain is refused, and blocks are polled for', async () => {
    const other = await startAnvil({ chainId: 5n, blockTimeSeconds: 'manual' })
    closing.push(() => other.stop())
    const follower = await start({ wsUrls: [other.wsUrl] })
    await follower.reached(await mineActivity(world, 5))
    await until('the socket is refused', () =>
      follower.log.some(({ message }) => message === 'websocket endpoint is refused'),
    )
    const socket = (await follower.chain()).endpoints.find(({ transport }) => transport === 'websocket')
    expect(socket).toMatchObject({
      healthy: false,
      lastError: expect.stringContaining('expected chain id 31337, the endpoint serves 5'),
    })
    await compare(follower)
  })
})

describe('records of a followed chain', () => {
  it('carry the metadata of tokens and the currency of the chain', async () => {
    const follower = await start()
    const [solver] = world.solvers
    await follower.reached(await world.mine())
    const native = await follower.manager.getCurrentBalance(31_337n, 'native', orThrow(solver))
    expect(native).toMatchObject({ symbol: 'POL', name: 'Polygon Ecosystem Token', decimals: 18 })
    for (const { address, symbol, name, decimals } of world.tokens) {
      const balance = await follower.manager.getCurrentBalance(31_337n, address, orThrow(solver))
      expect(balance).toMatchObject({ symbol, name, decimals })
    }
  })
})

/** A follower of the proxied chain; closed after the test. */
async function start(options: Partial<FollowerOptions> = {}): Promise<Follower> {
  const tokens = world.tokens.map(({ address }) => address)
  const follower = await follow({ rpcUrls: [proxy.url], tokens, solvers: world.solvers, ...options })
  let closed: Promise<void> | null = null
  const close = (): Promise<void> => (closed ??= follower.close())
  closing.push(close)
  // A refused chain has no first block of its own to wait for.
  if (options.database === undefined) await follower.reached(world.setupBlock)
  return { ...follower, close }
}

/** Every record of every position is what the chain says; none is missing, none is too many. */
async function compare(follower: Follower, first: bigint = world.setupBlock): Promise<void> {
  const { processed } = await follower.chain()
  const expected = await expectedRecords(anvil.rpcUrl, world.positions, [first, processed ?? -1n])
  expect(await allRecords(follower)).toEqual(expected)
}

async function allRecords(follower: Follower): Promise<readonly PlainRecord[]> {
  const lists = await Promise.all(world.positions.map((position) => plainRecords(follower, position)))
  return lists.flat()
}

async function plainRecords(follower: Follower, holding: Holding): Promise<PlainRecord[]> {
  const records = await follower.records(holding)
  return records.map(({ token, solver, blockNumber, blockHash, timestamp, balance, previousBalance }) => ({
    position: `${formatToken(token)}/${toChecksumAddress(solver)}`,
    blockNumber,
    blockHash,
    timestamp: timestamp.toISOString(),
    balance,
    previousBalance,
  }))
}

function isAtHash(block: unknown): boolean {
  return typeof block === 'object' && block !== null && 'blockHash' in block
}

function orThrow<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('expected a value, got none')
  return value
}
