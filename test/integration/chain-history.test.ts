import { afterEach, describe, expect, it } from 'vitest'

import { fetchHeadersByNumber } from '../../src/chain/head/fetch-headers.js'
import { readHistory } from '../../src/chain/history/read-history.js'
import type { HistoryAnswer } from '../../src/chain/history/read-history.js'
import { pinByAncestors } from '../../src/chain/history/block-pins.js'
import type { Findings } from '../../src/chain/history/found-change.js'
import { searchChanges } from '../../src/chain/history/search-changes.js'
import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import { RpcClient } from '../../src/chain/rpc/rpc-client.js'
import type { BlockHeader } from '../../src/model/block.js'
import { systemClock } from '../../src/model/clock.js'
import { silentLogger } from '../../src/model/logger.js'
import { positionKey } from '../../src/model/position.js'
import type { Position, Token } from '../../src/model/position.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { balancesAt } from '../../src/testing/truth.js'
import { createTestDatabase } from '../support/test-database.js'
import { follow, mineActivity } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a search of the past', () => {
  it('finds in a short range every change that reading block by block shows, with its transactions', async () => {
    const { anvil, world } = await playground({ seed: 21, solverCount: 3 })
    const last = await mineActivity(world, 40)
    const found = await search(anvil.rpcUrl, world, { from: world.setupBlock, to: last })
    expect(shown(found)).toEqual(await truth(anvil, world, { from: world.setupBlock, to: last }))
    expect(found.positions.every(({ coverage }) => coverage === 'exact')).toBe(true)
    expect(found.changes.length).toBeGreaterThan(20)
    expect(found.changes.filter(({ attribution }) => attribution.transactionHashes.length === 0)).toHaveLength(0)
  })

  it('reads a balance that grows by itself at the end and nowhere else', async () => {
    const { anvil, world } = await playground({ seed: 25, solverCount: 2 })
    const last = await mineActivity(world, 20)
    const growing = world.tokens[0]?.address
    const isGrowing = ({ position }: { readonly position: Position }): boolean => position.token === growing
    const bounds = { from: world.setupBlock, to: last }
    const plain = await search(anvil.rpcUrl, world, bounds)
    expect(plain.changes.some(isGrowing)).toBe(true)
    const found = await search(anvil.rpcUrl, world, bounds, growing)
    expect(shown(found)).toEqual(shown({ changes: plain.changes.filter((change) => !isGrowing(change)) }))
    expect(found.positions.map(({ reading }) => reading)).toEqual(plain.positions.map(({ reading }) => reading))
    for (const end of found.positions) expect(end.coverage).toBe(isGrowing(end) ? 'sampled' : 'exact')
  })

  it('finds the same on a node that cannot place code for a call', async () => {
    const { anvil, world } = await playground({ seed: 22, solverCount: 2 })
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    proxy.intercept((call, forward) =>
      call.method === 'eth_call' && call.params.length > 2
        ? { error: { code: -32_602, message: 'too many arguments, want at most 2' } }
        : forward(call),
    )
    const last = await mineActivity(world, 12)
    const found = await search(proxy.url, world, { from: world.setupBlock, to: last })
    expect(shown(found)).toEqual(await truth(anvil, world, { from: world.setupBlock, to: last }))
  })

  it('is broken off when the chain is reorganised below it, and finds the new chain when it is begun anew', async () => {
    const { anvil, world } = await playground({ seed: 23, solverCount: 2 })
    const last = await mineActivity(world, 24)
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    let calls = 0
    proxy.intercept(async (call, forward) => {
      if (call.method === 'eth_call' && (calls += 1) === 12) await world.reorg(8)
      return forward(call)
    })
    await expect(search(proxy.url, world, { from: world.setupBlock, to: last })).rejects.toMatchObject({
      code: 'rpc_block_unavailable',
    })
    proxy.intercept(null)
    const found = await search(proxy.url, world, { from: world.setupBlock, to: last })
    expect(shown(found)).toEqual(await truth(anvil, world, { from: world.setupBlock, to: last }))
  })
})

describe('a search that reads few blocks', () => {
  it.each([31, 32])('finds every change of random activity and proves that it has all (seed %i)', async (seed) => {
    const { anvil, world } = await playground({ seed, solverCount: 3 })
    const last = await mineActivity(world, 80)
    const bounds = { from: world.setupBlock, to: last }
    const found = await searchSparsely(anvil.rpcUrl, world, bounds)
    expect(shown(found)).toEqual(await truth(anvil, world, bounds))
    const sampled = [...found.ends].filter(([, { coverage }]) => coverage === 'sampled')
    expect(sampled).toEqual([])
  })

  it('asks little where little happened', async () => {
    const { anvil, world } = await playground({ seed: 33, solverCount: 3 })
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    const [solver] = world.solvers
    const [token] = world.tokens
    if (solver === undefined || token === undefined) throw new Error('expected a solver and a token')
    await createRpc(anvil.rpcUrl).request('anvil_mine', ['0x190', '0x1'])
    await world.perform([{ kind: 'native-in', solver, amount: 5n }])
    await world.mine()
    await world.perform([{ kind: 'token-in', token: token.address, solver, amount: 7n }])
    await world.mine()
    await createRpc(anvil.rpcUrl).request('anvil_mine', ['0x190', '0x1'])
    const last = await createRpc(anvil.rpcUrl).quantity('eth_blockNumber', [])
    const found = await search(proxy.url, world, { from: world.setupBlock, to: last })
    expect(found.changes.map(({ balance, position }) => [position.token, balance]).length).toBe(2)
    expect(found.changes.every(({ attribution }) => attribution.transactionHashes.length === 1)).toBe(true)
    expect(found.positions.every(({ coverage }) => coverage === 'exact')).toBe(true)
    expect(proxy.count()).toBeLessThan(130)
  })
})

describe('blocks that passed while Tidemark was away', () => {
  it('leave the history that there would be without the absence', async () => {
    const { anvil, world } = await playground({ seed: 24, solverCount: 2 })
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const tokens = world.tokens.map(({ address }) => address)
    const options = { rpcUrls: [anvil.rpcUrl], tokens, solvers: world.solvers, database }
    const before = await follow(options)
    const left = await mineActivity(world, 2)
    await before.reached(left)
    await before.close()
    const last = await mineActivity(world, 60)
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(last)
    const expected = await truth(anvil, world, { from: left, to: last })
    for (const holding of world.positions) {
      const key = positionKey({ ...holding, chainId: world.chainId })
      const records = (await after.records(holding)).filter(({ blockNumber }) => blockNumber > left)
      expect(records.map(({ blockNumber, balance }) => `${key} ${blockNumber} ${balance}`)).toEqual(
        expected.filter((line) => line.startsWith(`${key} `)),
      )
    }
  })
})

async function playground(options: { readonly seed: number; readonly solverCount: number }): Promise<{
  readonly anvil: Anvil
  readonly world: World
}> {
  const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  return { anvil, world: await createWorld({ rpcUrl: anvil.rpcUrl, ...options }) }
}

interface Bounds {
  /** The block before the first one. */
  readonly from: bigint
  readonly to: bigint
}

async function search(rpcUrl: string, world: World, bounds: Bounds, growing?: Token): Promise<HistoryAnswer> {
  const client = clientOf(rpcUrl, world)
  const [from, to] = await Promise.all([headerAt(client, bounds.from), headerAt(client, bounds.to)])
  const positions = positionsOf(world).map((position) => ({
    ...position,
    balance: null,
    accruing: position.token === growing,
  }))
  return readHistory(client, { positions, from, to, logger: silentLogger })
}

async function searchSparsely(rpcUrl: string, world: World, bounds: Bounds): Promise<Findings> {
  const client = clientOf(rpcUrl, world)
  const [from, to] = await Promise.all([headerAt(client, bounds.from), headerAt(client, bounds.to)])
  const balances = await balancesAt(rpcUrl, world.positions, bounds.from)
  const positions = positionsOf(world).map((position, index) => ({ ...position, balance: balances[index] ?? null }))
  const pins = await pinByAncestors(client, { from, to }, silentLogger)
  if (pins === null) throw new Error('expected block hashes')
  return searchChanges({ client, logger: silentLogger }, pins, positions)
}

function clientOf(rpcUrl: string, world: World): RpcClient {
  const stopping = new AbortController()
  closing.push(() => stopping.abort())
  return new RpcClient({
    chainId: world.chainId,
    urls: [rpcUrl],
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
    signal: stopping.signal,
  })
}

async function headerAt(client: RpcClient, number: bigint): Promise<BlockHeader> {
  const [header] = await fetchHeadersByNumber(client, number, 1)
  if (header === undefined) throw new Error(`expected block ${number}`)
  return header
}

function positionsOf(world: World): readonly Position[] {
  return world.positions.map((holding) => ({ ...holding, chainId: world.chainId }))
}

function shown({ changes }: Pick<HistoryAnswer | Findings, 'changes'>): readonly string[] {
  return changes
    .map(({ position, block, balance }) => `${positionKey(position)} ${block.number} ${balance}`)
    .toSorted(byPositionAndBlock)
}

/** Every change of every position, found by asking the node for each balance at each block. */
async function truth(anvil: Anvil, world: World, { from, to }: Bounds): Promise<readonly string[]> {
  const lines: string[] = []
  let before = await balancesAt(anvil.rpcUrl, world.positions, from)
  for (let number = from + 1n; number <= to; number += 1n) {
    const now = await balancesAt(anvil.rpcUrl, world.positions, number)
    positionsOf(world).forEach((position, index) => {
      if (now[index] !== before[index]) lines.push(`${positionKey(position)} ${number} ${now[index]}`)
    })
    before = now
  }
  return lines.toSorted(byPositionAndBlock)
}

function byPositionAndBlock(one: string, other: string): number {
  const [oneKey = '', oneBlock = '0'] = one.split(' ')
  const [otherKey = '', otherBlock = '0'] = other.split(' ')
  if (oneKey !== otherKey) return oneKey < otherKey ? -1 : 1
  return Number(oneBlock) - Number(otherBlock)
}
