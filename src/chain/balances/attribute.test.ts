import { describe, expect, it } from 'vitest'

import { LeapingClock } from '../../../test/support/leaping-clock.js'
import { playNodes } from '../../../test/support/played-nodes.js'
import type { PlayedNode } from '../../../test/support/played-nodes.js'
import { silentLogger } from '../../model/logger.js'
import { RpcClient } from '../rpc/rpc-client.js'
import { attributeChanges } from './attribute.js'
import { fetchBlockPapers } from './fetch-activity.js'

const TIMEOUT_MS = 2000
const header = {
  number: 7n,
  hash: `0x${'07'.repeat(32)}`,
  parentHash: `0x${'06'.repeat(32)}`,
  timestampSeconds: 1_700_000_000,
} as const
const solver = `0x${'a1'.repeat(20)}` as const
const changes = [{ position: { chainId: 1n, token: 'native', solver } as const, delta: 5n }]
const token = `0x${'70'.repeat(20)}` as const
const ofToken = [{ position: { chainId: 1n, token, solver }, delta: 5n }]

/** What a node says of the block: its receipts are the given ones, and a trace is not to be had. */
function nodeWith(receipts: unknown): PlayedNode {
  return (calls) => ({
    results: calls.map(({ method }) => {
      if (method === 'eth_chainId') return '0x1'
      if (method === 'eth_getBlockByHash') return { hash: header.hash, miner: solver, transactions: [] }
      if (method === 'eth_getLogs') return []
      return method === 'eth_getBlockReceipts' ? receipts : null
    }),
  })
}

const withoutReceipts = nodeWith(null)
const well = nodeWith([])

/** A node that never answers what is asked about a block. */
const hanging: PlayedNode = (calls, isBatch) =>
  calls.some(({ method }) => method === 'eth_getBlockReceipts') ? { hang: true } : well(calls, isBatch)

interface Attempt {
  readonly tookMs: number
  readonly attributed: boolean
  readonly asked: readonly string[]
}

function connect(nodes: readonly PlayedNode[]) {
  const clock = new LeapingClock()
  const { transport, requests } = playNodes(clock, Object.fromEntries(nodes.map((node, index) => [`n${index}`, node])))
  const urls = nodes.map((_node, index) => `http://n${index}`)
  const signal = new AbortController().signal
  return {
    clock,
    requests,
    client: new RpcClient({ chainId: 1n, urls, clock, transport, logger: silentLogger, signal }),
  }
}

async function attempt(nodes: readonly PlayedNode[], isAhead: boolean): Promise<Attempt> {
  const { clock, requests, client } = connect(nodes)
  await client.request('eth_chainId', [])
  const startedAtMs = clock.monotonicMs()
  const ahead = isAhead ? fetchBlockPapers(client, header, { timeoutMs: TIMEOUT_MS }) : null
  const attributed = await attributeChanges(client, header, changes, { timeoutMs: TIMEOUT_MS, ahead }).then(
    () => true,
    () => false,
  )
  const asked = requests.filter(({ methods }) => methods.includes('eth_getBlockReceipts')).map(({ node }) => node)
  return { tookMs: clock.monotonicMs() - startedAtMs, attributed, asked }
}

describe('a block whose receipts are not to be had', () => {
  it.each([
    ['the node has none', withoutReceipts, false],
    ['the node has none, asked beforehand', withoutReceipts, true],
    ['the node never answers', hanging, false],
    ['the node never answers, asked beforehand', hanging, true],
  ])('waits for them no longer than it may: %s', async (_case, node, isAhead) => {
    const { tookMs, attributed, asked } = await attempt([node], isAhead)
    expect(attributed).toBe(false)
    expect(asked.length).toBeGreaterThan(0)
    expect(tookMs).toBeLessThanOrEqual(TIMEOUT_MS)
  })

  it.each([false, true])('is explained by another endpoint that has them (asked beforehand: %s)', async (isAhead) => {
    const { attributed, asked } = await attempt([withoutReceipts, well], isAhead)
    expect({ attributed, asked }).toEqual({ attributed: true, asked: ['n0', 'n1'] })
  })

  it('is explained by another endpoint when the first one never answers', async () => {
    const { tookMs, attributed, asked } = await attempt([hanging, well], false)
    expect({ attributed, asked }).toEqual({ attributed: true, asked: ['n0', 'n1'] })
    expect(tookMs).toBeLessThanOrEqual(TIMEOUT_MS)
  })
})

describe('a token balance that changed without a log', () => {
  it.each([
    ['came by itself where the receipts have none either', well, 1],
    ['is left open where the receipts are not to be had', withoutReceipts, 0],
  ])('%s', async (_case, node, attributed) => {
    const { client } = connect([node])
    const attributions = await attributeChanges(client, header, ofToken, { timeoutMs: TIMEOUT_MS })
    expect(attributions.size).toBe(attributed)
  })
})
