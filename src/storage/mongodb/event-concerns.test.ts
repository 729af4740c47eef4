import { expect, it } from 'vitest'

import { positionKey } from '../../model/position.js'
import type { Position } from '../../model/position.js'
import { concerns, rewrites } from './event-concerns.js'
import type { RecordEvent } from './record-source.js'

const position: Position = { chainId: 1n, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const other: Position = { ...position, chainId: 2n }
const hash = `0x${'ab'.repeat(32)}` as const

const started = (blockNumber: bigint, of = position): RecordEvent => ({
  type: 'position.started',
  data: {
    chainId: of.chainId,
    tokenAddress: of.token,
    solverAddress: of.solver,
    balance: 1n,
    blockNumber,
    blockHash: hash,
    timestamp: new Date(0),
    decimals: null,
    symbol: null,
    name: null,
  },
})
const reverted: RecordEvent = {
  type: 'balance.reverted',
  data: {
    chainId: 1n,
    ancestor: { number: 5n, hash },
    items: [
      { position, orphaned: [{ blockNumber: 6n, blockHash: hash, balance: 1n }], balance: null, blockNumber: null },
    ],
  },
}

it('takes a record of a block that was covered for one of another branch, and a later one for news', () => {
  const blocks = new Map([[positionKey(position), 10n]])
  expect(rewrites(started(10n), blocks)).toBe(true)
  expect(rewrites(started(11n), blocks)).toBe(false)
  expect(rewrites(started(10n, other), blocks)).toBe(false)
  expect(rewrites(reverted, blocks)).toBe(true)
  expect(rewrites(reverted, new Map([[positionKey(other), 10n]]))).toBe(false)
  expect(concerns(started(11n), blocks)).toBe(true)
  expect(concerns(started(11n, other), blocks)).toBe(false)
})
