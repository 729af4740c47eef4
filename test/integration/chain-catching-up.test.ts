import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import type { ModelChainOptions } from '../../src/testing/model-chain/model-chain-types.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import type { Follower, FollowerOptions } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'

const CHAIN_ID = 31_337n
const HISTORY_SCANNER = '0x7469646d61726b207363616e6e65720000000002'
const wallet = (index: number): Address => `0x${(0xabc000 + index).toString(16).padStart(40, '0')}`
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a chain that went on while Tidemark was away', () => {
  it('is searched by its headers where BLOCKHASH knows nothing of its own blocks', { timeout: 60_000 }, async () => {
    const served = await serve({})
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    let zeroed = 0
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      const [tx] = call.params as [{ to?: string; data?: string }?]
      const isAncestors =
        call.method === 'eth_call' && tx?.to === HISTORY_SCANNER && tx.data?.slice(10, 50) === '3'.padStart(40, '0')
      if (!isAncestors || !('result' in answer) || typeof answer.result !== 'string') return answer
      zeroed += 1
      const head = answer.result.slice(0, 2 + 128)
      const items = (answer.result.length - 2 - 128) / 66
      return { result: head + `01${'0'.repeat(64)}`.repeat(items) }
    })
    const after = await away(served, { rpcUrls: [proxy.url], tokens: [], solvers: [wallet(1)] }, () => {
      served.chain.mineEmpty(200)
      served.chain.mine([{ kind: 'transfer', from: wallet(1), to: wallet(2), value: 5n }])
      served.chain.mineEmpty(250)
    })
    expect(zeroed).toBeGreaterThan(0)
    const records = await after.records({ token: 'native', solver: wallet(1) })
    expect(records.map(({ blockNumber }) => blockNumber)).toEqual([3n, 204n])
    expect(await coverageOf(after, 'native')).toEqual(['exact'])
  })

  it('is followed again at an endpoint that takes no hashes for blocks', { timeout: 60_000 }, async () => {
    const served = await serve({ features: { blockHashParam: false } })
    const after = await away(served, { rpcUrls: [served.rpcUrl], tokens: [], solvers: [wallet(1)] }, () => {
      served.chain.mineEmpty(30)
    })
    expect((await after.chain()).state).toBe('live')
    expect(await coverageOf(after, 'native')).toEqual(['exact'])
  })

  it('is read without the megabytes that a token answers with', { timeout: 60_000 }, async () => {
    const token: Address = `0x${'7b'.repeat(20)}`
    const wallets = Array.from({ length: 40 }, (_, index) => wallet(index))
    const served = await serve({
      wallets: wallets.map((address) => ({ address, balance: 10n ** 18n })),
      tokens: [{ kind: 'return-bomb', address: token, holders: {} }],
      features: { stateOverride: false },
    })
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    let largest = 0
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      if (call.method === 'eth_call') largest = Math.max(largest, JSON.stringify(answer).length)
      return answer
    })
    const after = await away(served, { rpcUrls: [proxy.url], tokens: [token], solvers: wallets }, () => {
      served.chain.mineEmpty(20)
    })
    expect((await after.chain()).state).toBe('live')
    expect(largest).toBeGreaterThan(0)
    expect(largest).toBeLessThan(10_000)
  })

  it('proves one token where another has more logs in a block than the node gives', { timeout: 60_000 }, async () => {
    const honest: Address = `0x${'70'.repeat(20)}`
    const noisy: Address = `0x${'71'.repeat(20)}`
    const served = await serve({
      tokens: [
        { kind: 'plain', address: honest, holders: { [wallet(1)]: 1000n } },
        { kind: 'phantom', address: noisy, holders: { [wallet(1)]: 1000n } },
      ],
      features: { maxLogResults: 50 },
    })
    const options = { rpcUrls: [served.rpcUrl], tokens: [honest, noisy], solvers: [wallet(1)] }
    const phantom = { kind: 'phantom-transfer', token: noisy, from: wallet(2), to: wallet(1), value: 1n } as const
    const after = await away(served, options, () => {
      served.chain.mineEmpty(100)
      served.chain.mine([{ kind: 'token-transfer', token: honest, from: wallet(1), to: wallet(2), value: 10n }])
      served.chain.mine(Array.from({ length: 60 }, () => phantom))
      served.chain.mineEmpty(400)
    })
    expect(await coverageOf(after, honest)).toEqual(['exact'])
    expect(await coverageOf(after, noisy)).toContain('sampled')
  })
})

async function serve(options: Partial<ModelChainOptions>): Promise<ServedModelChain> {
  const wallets = [{ address: wallet(1), balance: 10n ** 18n }]
  const served = await startModelChain({ chainId: CHAIN_ID, seed: 1, wallets, ...options })
  closing.push(() => served.close())
  return served
}

/** Follows the chain to its block 3, lets it go on unseen, and follows it again to its head. */
async function away(
  served: ServedModelChain,
  options: Omit<FollowerOptions, 'database'>,
  meanwhile: () => void,
): Promise<Follower> {
  const database = await createTestDatabase()
  closing.push(() => database.drop())
  served.chain.mineEmpty(3)
  const before = await follow({ ...options, database })
  await before.reached(3n)
  await before.close()
  meanwhile()
  const after = await follow({ ...options, database })
  closing.push(() => after.close())
  await after.reached(served.chain.head.number)
  return after
}

async function coverageOf(chain: Follower, token: Address | 'native'): Promise<readonly string[]> {
  const coverage = await chain.manager.reader.coverage({ chainId: CHAIN_ID, token, solver: wallet(1) })
  return (coverage ?? []).map(({ kind }) => kind)
}
