import { expect, it } from 'vitest'

import { LeapingClock } from '../../../test/support/leaping-clock.js'
import { recordLog } from '../../../test/support/log-recorder.js'
import { playNodes } from '../../../test/support/played-nodes.js'
import type { PlayedNode } from '../../../test/support/played-nodes.js'
import { startAnvil } from '../../testing/index.js'
import { systemClock } from '../../model/clock.js'
import { LearnedCapabilities } from './endpoint-capabilities.js'
import { networkTransport } from './node-transport.js'
import { probeEndpoints } from './probe-endpoint.js'
import { RpcClient } from './rpc-client.js'

const { signal } = new AbortController()

it('A real node shows all that it can do', async () => {
  const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  try {
    const { logger } = recordLog()
    const client = new RpcClient({
      chainId: 31_337n,
      urls: [anvil.rpcUrl],
      clock: systemClock,
      transport: networkTransport,
      logger,
      signal,
    })
    const [voice] = await probeEndpoints(client)
    expect(voice?.ok === true ? voice.result.capabilities : voice?.error).toEqual({
      stateOverride: true,
      blockHash: true,
      batch: true,
      receipts: true,
      traces: true,
      logRangeBlocks: 2000,
      oldestStateBlock: 0n,
    })
    expect(client.endpoints()[0]?.capabilities?.stateOverride).toBe(true)
  } finally {
    await anvil.stop()
  }
})

it('What a poor node refuses it cannot do, and the oldest state is found to the block', async () => {
  const hash = `0x${'1'.repeat(64)}`
  const header = { number: '0xf4240', hash, parentHash: hash, timestamp: '0x1' }
  const poor: PlayedNode = ([call], isBatch) => {
    if (isBatch || call === undefined) return { error: { code: -32_600, message: 'no batches' } }
    const [first, second] = call.params
    if (call.method === 'eth_chainId') return { results: ['0x1'] }
    if (call.method === 'eth_blockNumber') return { results: [header.number] }
    if (call.method === 'eth_getBlockByNumber') return { results: [header] }
    if (call.method === 'eth_getBalance' && typeof second === 'string') {
      return BigInt(second) >= 999_872n
        ? { results: ['0x0'] }
        : { error: { code: -32_000, message: 'missing trie node abc' } }
    }
    if (call.method === 'eth_getLogs') {
      const range = first as { readonly fromBlock: string; readonly toBlock: string }
      return BigInt(range.toBlock) - BigInt(range.fromBlock) + 1n <= 500n
        ? { results: [[]] }
        : { error: { code: -32_602, message: 'query exceeds max block range of 500 blocks' } }
    }
    return { error: { code: -32_601, message: 'the method does not exist' } }
  }
  const clock = new LeapingClock()
  const { transport, requests } = playNodes(clock, { poor })
  const { logger } = recordLog()
  const client = new RpcClient({ chainId: 1n, urls: ['http://poor'], clock, transport, logger, signal })
  const [voice] = await probeEndpoints(client)
  expect(voice?.ok === true ? voice.result.capabilities : voice?.error).toEqual({
    stateOverride: false,
    blockHash: false,
    batch: false,
    receipts: false,
    traces: false,
    logRangeBlocks: 500,
    oldestStateBlock: 999_872n,
  })
  expect(requests.length).toBeLessThan(50)
})

it.each<[string, number, number]>([
  ['query exceeds max block range 1000 blocks', 2000, 1000],
  ['Log response size exceeded. this block range should work: [0x10, 0x2f]', 2000, 32],
  ['eth_getLogs is limited to a 1,024 block range', 2000, 1024],
  ['block range is too wide', 2000, 1000],
  ['you may ask for 999999 blocks', 2000, 1000],
])('A refused range of logs, told as "%s", becomes what the node takes', (message, asked, expected) => {
  const capabilities = new LearnedCapabilities()
  capabilities.logRangeRefused(asked, message)
  expect(capabilities.logRangeBlocks).toBe(expected)
})

it('A range of logs that was refused for what was in it becomes wide again', () => {
  const capabilities = new LearnedCapabilities()
  for (let blocks = capabilities.logRangeBlocks; blocks > 10; blocks = capabilities.logRangeBlocks) {
    capabilities.logRangeRefused(blocks, 'query returned more than 10000 results')
  }
  const narrow = capabilities.logRangeBlocks
  for (let count = 0; count < 100; count += 1) capabilities.logRangeWorked(capabilities.logRangeBlocks)
  expect(capabilities.logRangeBlocks).toBeGreaterThan(narrow * 8)
  capabilities.logBlockRefused()
  expect(capabilities.logRangeBlocks).toBe(new LearnedCapabilities().logRangeBlocks)
})
