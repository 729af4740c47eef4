import { describe, expect, it } from 'vitest'

import { decodeChainReport, encodeChainReport } from './chain-report.js'
import type { ChainReport } from './chain-report.js'

const report: ChainReport = {
  state: 'degraded',
  reason: 'no endpoint answered',
  head: 2n ** 60n,
  positions: 12,
  standing: { exact: 10, sampled: 1, unseen: 1 },
  endpoints: [
    {
      host: 'node.example.com',
      transport: 'http',
      healthy: false,
      lastError: 'timeout',
      lagBlocks: 3,
      latencyMs: 41,
      callsPerSecond: 500,
      capabilities: {
        stateOverride: true,
        blockHash: true,
        batch: null,
        receipts: false,
        traces: null,
        logRangeBlocks: 10_000,
        oldestStateBlock: 7n,
      },
    },
    {
      host: 'node.example.com',
      transport: 'websocket',
      healthy: true,
      lastError: null,
      lagBlocks: null,
      latencyMs: null,
      callsPerSecond: null,
      capabilities: null,
    },
  ],
}

describe('the report of the process that follows a chain', () => {
  it('comes to the others as it was told', () => {
    expect(decodeChainReport(encodeChainReport(report))).toEqual(report)
  })

  it('is cut short where a node said too much', () => {
    const told = decodeChainReport(encodeChainReport({ ...report, reason: 'x'.repeat(100_000) }))
    expect(told?.reason).toBe(`${'x'.repeat(500)}…`)
  })

  it('is understood when a later version adds to it', () => {
    const text = JSON.stringify({ ...JSON.parse(encodeChainReport(report)), mood: 'good' })
    expect(decodeChainReport(text)).toEqual(report)
  })

  it.each([null, '', 'nonsense', '{}', encodeChainReport(report).replace('degraded', 'splendid')])(
    'is none where it is not one: %s',
    (text) => {
      expect(decodeChainReport(text)).toBeNull()
    },
  )
})
