import { expect } from 'vitest'

import { createWorld, startAnvil, startFaultProxy } from '../../../src/testing/index.js'
import type { Anvil, Fault, FaultKind, FaultProxy, Holding, World } from '../../../src/testing/index.js'
import { createRpc } from '../../../src/testing/rpc.js'
import { fastClock } from '../../support/fast-clock.js'
import { expectedRecords, nameOf } from '../../e2e/chain-truth.js'
import type { PlainRecord } from '../../e2e/chain-truth.js'
import { follow } from '../chain-fixture.js'
import type { Follower, FollowerOptions } from '../chain-fixture.js'

/** Limits of ten seconds are over in two. */
const HASTE = 5

/** One chain with activity, and proxies before its node that spoil what they are told to. */
export interface FaultyChain {
  readonly anvil: Anvil
  readonly world: World
  /** A proxy that is closed by `endTest`. */
  proxy(faults?: readonly Fault[]): Promise<FaultProxy>
  /** Follows the chain from its newest block on, over the given endpoints and in haste; closed by `endTest`. */
  follow(options: Pick<FollowerOptions, 'rpcUrls' | 'wsUrls' | 'clock'>): Promise<Follower>
  /** So many blocks with something in each; returns the newest. */
  mine(blocks: number): Promise<bigint>
  /** So many blocks in which only token balances change, one in each; returns the newest. */
  mineTokens(blocks: number): Promise<bigint>
  /** So many blocks in which currency is paid to a solver from within a contract; returns the newest. */
  minePayments(blocks: number): Promise<bigint>
  /** Waits until all blocks are processed; then every record of every position must be what the chain says. */
  expectTruth(follower: Follower): Promise<void>
  endTest(): Promise<void>
  close(): Promise<void>
}

export async function startFaultyChain(seed: number): Promise<FaultyChain> {
  const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed, solverCount: 2 })
  const rpc = createRpc(anvil.rpcUrl)
  const closing: (() => Promise<void>)[] = []
  const firstBlocks = new Map<Follower, bigint>()
  const holding = (): Holding => {
    throw new Error('expected solvers with tokens, got none')
  }
  const head = async (): Promise<bigint> => BigInt((await rpc.request('eth_blockNumber', [])) as string)

  return {
    anvil,
    world,
    async proxy(faults = []) {
      const proxy = await startFaultProxy({ target: anvil, faults })
      closing.push(() => proxy.close())
      return proxy
    },
    async follow(options) {
      const first = await head()
      const tokens = world.tokens.map(({ address }) => address)
      const follower = await follow({ clock: fastClock(HASTE), tokens, solvers: world.solvers, ...options })
      closing.push(() => follower.close())
      firstBlocks.set(follower, first)
      await follower.reached(first)
      return follower
    },
    async mine(blocks) {
      for (let count = 0; count < blocks; count += 1) {
        await world.step()
        await world.mine()
      }
      return head()
    },
    async mineTokens(blocks) {
      const holdings = world.positions.filter(({ token }) => token !== 'native')
      for (let count = 0; count < blocks; count += 1) {
        const { token, solver } = holdings[count % holdings.length] ?? holding()
        if (token !== 'native') await world.perform([{ kind: 'token-in', token, solver, amount: BigInt(count) + 1n }])
        await world.mine()
      }
      return head()
    },
    async minePayments(blocks) {
      for (let count = 0; count < blocks; count += 1) {
        await world.perform([{ kind: 'internal', to: [world.solvers[0] ?? holding().solver], amount: 7n }])
        await world.mine()
      }
      return head()
    },
    async expectTruth(follower) {
      const last = await head()
      await follower.reached(last)
      const expected = await expectedRecords(anvil.rpcUrl, world.positions, [firstBlocks.get(follower) ?? last, last])
      const lists = await Promise.all(world.positions.map((position) => plainRecords(follower, position)))
      expect(lists.flat()).toEqual(expected)
    },
    async endTest() {
      firstBlocks.clear()
      for (const close of closing.splice(0).toReversed()) await close()
    },
    close: () => anvil.stop(),
  }
}

/** How often a kind took effect. */
export function countOf(proxy: FaultProxy, kind: FaultKind): number {
  return proxy.counts.get(kind) ?? 0
}

async function plainRecords(follower: Follower, holding: Holding): Promise<readonly PlainRecord[]> {
  const records = await follower.records(holding)
  return records.map(({ blockNumber, blockHash, timestamp, balance, previousBalance }) => ({
    position: nameOf(holding),
    blockNumber,
    blockHash,
    timestamp: timestamp.toISOString(),
    balance,
    previousBalance,
  }))
}
