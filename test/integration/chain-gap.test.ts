import { afterEach, describe, expect, it } from 'vitest'

import { fetchHeadersByNumber } from '../../src/chain/head/fetch-headers.js'
import { readHistory } from '../../src/chain/history/read-history.js'
import type { HistoryAnswer } from '../../src/chain/history/read-history.js'
import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import { RpcClient } from '../../src/chain/rpc/rpc-client.js'
import type { Address } from '../../src/model/address.js'
import { systemClock } from '../../src/model/clock.js'
import { silentLogger } from '../../src/model/logger.js'
import { positionKey } from '../../src/model/position.js'
import type { Position, Token } from '../../src/model/position.js'
import { createRandom } from '../../src/testing/random.js'
import type { NodeCall, RpcNode } from '../../src/testing/rpc-node.js'
import { createModelChain } from '../../src/testing/model-chain/create-model-chain.js'
import type { ModelChain } from '../../src/testing/model-chain/model-chain-types.js'
import { modelTokenKinds } from '../../src/testing/model-chain/model-token.js'
import type { NodeFeatures } from '../../src/testing/model-chain/node-features.js'
import { nodeFrontend } from '../../src/testing/model-chain/node-frontend.js'
import { serveFrontend } from '../../src/testing/model-chain/serve-frontend.js'
import { longTimeoutMs } from '../support/long.js'

const CHAIN_ID = 777n
const wallets: readonly Address[] = [1, 2, 3].map((n): Address => `0x${n.toString(16).padStart(40, 'a')}`)
const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a gap on a model chain', () => {
  it.each([
    { gap: 40, node: 'that can do everything', features: {} },
    { gap: 40, node: 'that places no code', features: { stateOverride: false } },
    { gap: 40, node: 'that names blocks by number', features: { blockHashParam: false } },
    {
      gap: 40,
      node: 'that names blocks by number and places no code',
      features: { blockHashParam: false, stateOverride: 'ignored' as const },
    },
    { gap: 300, node: 'that takes no batches and limits logs', features: { batch: false, maxLogRange: 50 } },
    { gap: 900, node: 'that can do everything', features: {} },
    { gap: 900, node: 'that limits logs', features: { maxLogRange: 100, maxLogAddresses: 3, maxLogResults: 200 } },
    { gap: 900, node: 'without traces and receipts', features: { traces: false, receipts: false } },
  ])('of $gap blocks is searched without a false word on a node $node', { timeout: longTimeoutMs }, async (setup) => {
    const { chain, client } = await play(setup.gap, setup.features)
    const found = await search(chain, client, setup.gap)
    expect(found.unreadable).toEqual([])
    expectTrue(chain, found, setup.gap)
    const plain = found.positions.filter(({ position }) => position.token === 'native')
    expect(plain.filter(({ coverage }) => coverage === 'exact').length).toBeGreaterThan(0)
    expect(found.changes.length).toBeGreaterThan(setup.gap / 10)
  })

  it('is told as far as the state goes: older blocks are named, and what they changed is told after them', async () => {
    const { chain, client } = await play(900, { prunedBelowDepth: 500 })
    const found = await search(chain, client, 900)
    const first = chain.head.number - 500n
    expect(found.unreadable).toMatchObject([{ from: chain.head.number - 899n, to: first - 1n }])
    expectTrue(chain, found, 900)
    expect(found.positions.every(({ coverage }) => coverage === 'sampled')).toBe(true)
    expect(found.changes.some(({ block }) => block.number > first)).toBe(true)
    expect(found.changes.filter(({ block }) => block.number < first)).toEqual([])
  })

  it('is broken off when the chain is reorganised meanwhile, and found right when it is begun anew', async () => {
    let calls = 0
    const random = createRandom(8)
    const { chain, client } = await play(900, {}, (call, model) => {
      if (call.method !== 'eth_call' || (calls += 1) !== 20) return
      model.reorg(12, 13, () => (draft) => {
        draft.perform({ kind: 'internal', from: draft.treasury, to: random.pick(wallets), value: 5n })
      })
    })
    await expect(search(chain, client, 900)).rejects.toMatchObject({ code: 'rpc_block_unavailable' })
    expectTrue(chain, await search(chain, client, 900), 900)
  })

  it('is found whole where one of two endpoints keeps logs to itself', async () => {
    const { chain, honest, liar } = await twoEndpoints()
    const token = chain.tokens[0]?.address
    const [one, other] = wallets
    if (token === undefined || one === undefined || other === undefined) throw new Error('expected a token and wallets')
    chain.mine([{ kind: 'token-mint', token, to: one, value: 9n }])
    chain.mineEmpty(400)
    // Undone within the gap: nothing but its logs tells of it.
    chain.mine([{ kind: 'token-transfer', token, from: one, to: other, value: 4n }])
    chain.mineEmpty(100)
    chain.mine([{ kind: 'token-transfer', token, from: other, to: one, value: 4n }])
    chain.mineEmpty(100)
    const found = await search(chain, clientOf([liar, honest]), 602)
    expectTrue(chain, found, 602)
    expect(found.changes.filter(({ position }) => position.token === token)).toHaveLength(4)
  })
})

describe('what a gap costs', () => {
  it('grows with the changes, and little with the blocks', async () => {
    const chain = plainChain()
    const client = clientOf([await serve(chain, {})])
    const [wallet] = wallets
    const [token] = chain.tokens
    if (wallet === undefined || token === undefined) throw new Error('expected a wallet and a token')
    for (let count = 0; count < 4; count += 1) {
      chain.mineEmpty(480)
      chain.mine([
        { kind: 'internal', from: chain.treasury, to: wallet, value: 1n },
        { kind: 'token-mint', token: token.address, to: wallet, value: 1n },
      ])
    }
    chain.mineEmpty(76)
    const found = await search(chain, client, 2000)
    expectTrue(chain, found, 2000)
    expect(found.positions.every(({ coverage }) => coverage === 'exact')).toBe(true)
    expect(found.changes.every(({ attribution }) => attribution.unexplained === 0n)).toBe(true)
    expect(found.changes).toHaveLength(8)
    expect(found.requests).toBeLessThanOrEqual(120)
  })

  it('is a few requests for the transactions of many changes', async () => {
    const chain = plainChain()
    const client = clientOf([await serve(chain, {})])
    const [wallet, payee] = wallets
    if (wallet === undefined || payee === undefined) throw new Error('expected wallets')
    for (let count = 0; count < 100; count += 1) {
      chain.mine([{ kind: 'transfer', from: wallet, to: payee, value: 7n }])
    }
    const found = await search(chain, client, 100)
    expectTrue(chain, found, 100)
    expect(found.changes.every(({ attribution }) => attribution.transactionHashes.length === 1)).toBe(true)
    expect(client.requests.get('trace_filter')).toBe(2)
    expect(client.requests.get('eth_getTransactionReceipt')).toBe(100)
    expect(client.requests.get('eth_getBlockReceipts')).toBeUndefined()
  })
})

/** A chain with random activity in its newest blocks, behind a node. */
async function play(
  gap: number,
  features: Partial<NodeFeatures>,
  beforeCall?: (call: NodeCall, chain: ModelChain) => void,
): Promise<{ readonly chain: ModelChain; readonly client: RpcClient }> {
  const chain = createModelChain({
    chainId: CHAIN_ID,
    seed: gap + 1,
    wallets: wallets.map((address, index) => ({
      address,
      kind: (['plain', 'contract', 'delegated'] as const)[index] ?? 'plain',
      balance: 10n ** 19n,
    })),
    tokens: modelTokenKinds.map((kind) => ({ kind })),
  })
  const random = createRandom(gap + 7)
  for (let made = 0; made < gap; made += 1) {
    if (gap <= 300 || random.integer(0, 9) === 0) chain.activity(random)
    else chain.mineEmpty(1)
  }
  return { chain, client: clientOf([await serve(chain, features, beforeCall)]) }
}

/** Wallets without code, and a token that says what it does. */
function plainChain(): ModelChain {
  return createModelChain({
    chainId: CHAIN_ID,
    seed: 5,
    wallets: wallets.map((address) => ({ address, balance: 10n ** 19n })),
    tokens: [{ kind: 'plain' }],
  })
}

async function twoEndpoints(): Promise<{ chain: ModelChain; honest: string; liar: string }> {
  const chain = plainChain()
  const node = chain.node()
  const withholding: RpcNode = {
    answer: (call) => (call.method === 'eth_getLogs' ? { result: [] } : node.answer(call)),
    subscribe: (topic, listener) => node.subscribe(topic, listener),
  }
  const liar = await serveFrontend(nodeFrontend(withholding))
  closing.push(() => liar.close())
  return { chain, honest: await serve(chain, {}), liar: liar.rpcUrl }
}

async function serve(
  chain: ModelChain,
  features: Partial<NodeFeatures>,
  beforeCall?: (call: NodeCall, chain: ModelChain) => void,
): Promise<string> {
  const node = chain.node(features)
  const watched: RpcNode = {
    answer: (call) => {
      beforeCall?.(call, chain)
      return node.answer(call)
    },
    subscribe: (topic, listener) => node.subscribe(topic, listener),
  }
  const served = await serveFrontend(nodeFrontend(watched, { batch: features.batch ?? true }))
  closing.push(() => served.close())
  return served.rpcUrl
}

function clientOf(urls: readonly string[]): RpcClient {
  const stopping = new AbortController()
  closing.push(() => stopping.abort())
  return new RpcClient({
    chainId: CHAIN_ID,
    urls,
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
    signal: stopping.signal,
  })
}

function positionsOf(chain: ModelChain): readonly Position[] {
  const tokens: readonly Token[] = ['native', ...chain.tokens.map(({ address }) => address)]
  return tokens.flatMap((token) => wallets.map((solver) => ({ chainId: CHAIN_ID, token, solver })))
}

async function search(chain: ModelChain, client: RpcClient, gap: number): Promise<HistoryAnswer> {
  const last = chain.head.number
  const [from] = await fetchHeadersByNumber(client, last - BigInt(gap), 1)
  const [to] = await fetchHeadersByNumber(client, last, 1)
  if (from === undefined || to === undefined) throw new Error('expected the ends of the gap')
  const positions = positionsOf(chain).map((position) => {
    const balance = chain.balanceAt(from.hash, position.token, position.solver)
    return { ...position, balance: balance === 'unreadable' ? null : balance }
  })
  return readHistory(client, { positions, from, to, logger: silentLogger })
}

/** Whatever is told is so, and where everything is said to be told, it is. */
function expectTrue(chain: ModelChain, found: HistoryAnswer, gap: number): void {
  const first = chain.head.number - BigInt(gap)
  for (const { position, block, balance } of found.changes) {
    expect(chain.isCanonical(block.hash)).toBe(true)
    expect(chain.balanceAt(block.hash, position.token, position.solver)).toBe(balance)
  }
  for (const { position, coverage, reading } of found.positions) {
    const held = chain.balanceAt(chain.head.hash, position.token, position.solver)
    expect(reading.kind === 'balance' ? reading.balance : 'unreadable').toBe(held)
    if (coverage !== 'exact') continue
    const told = found.changes.filter((change) => positionKey(change.position) === positionKey(position))
    const truth = chain.changesOf(position.token, position.solver).filter(({ block }) => block.number > first)
    expect(told.map(({ block, balance }) => `${block.number} ${balance}`)).toEqual(
      truth.map(({ block, balance }) => `${block.number} ${balance}`),
    )
  }
}
