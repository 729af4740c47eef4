import { expect, it } from 'vitest'

import type { Position } from '../../model/position.js'
import { gatherChanges } from './gather-changes.js'
import type { RecordEvent } from './record-source.js'

const position: Position = { chainId: 1n, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const { chainId, token: tokenAddress, solver: solverAddress } = position
const blockHash = `0x${'00'.repeat(32)}` as const
const at = { chainId, tokenAddress, solverAddress, blockHash, timestamp: new Date(0) }

const updated = (blockNumber: bigint): RecordEvent => ({
  type: 'balance.updated',
  data: {
    ...at,
    blockNumber,
    previousBalance: 0n,
    newBalance: 1n,
    changeAmount: 1n,
    transactionHashes: [],
    cause: 'unknown',
    unexplained: 1n,
  },
})
const started = (blockNumber: bigint): RecordEvent => ({
  type: 'position.started',
  data: { ...at, blockNumber, balance: 1n, decimals: null, symbol: null, name: null },
})
const reverted = (...blocks: readonly bigint[]): RecordEvent => ({
  type: 'balance.reverted',
  data: {
    chainId,
    ancestor: { number: 1n, hash: blockHash },
    items: [
      {
        position,
        orphaned: blocks.map((blockNumber) => ({ blockNumber, blockHash, balance: 1n })),
        balance: 0n,
        blockNumber: 1n,
      },
    ],
  },
})
const extended = (fromBlock: bigint, toBlock: bigint): RecordEvent => ({
  type: 'history.extended',
  data: {
    chainId,
    tokenAddress,
    solverAddress,
    fromBlock,
    toBlock,
    reason: 'verify',
    coverage: 'exact',
    added: 1,
    removed: 0,
    balance: 1n,
  },
})

it('gathers each record once that events tell of', () => {
  const { keys, spans } = gatherChanges([started(4n), updated(5n), reverted(6n, 5n), updated(5n)])
  expect(keys).toEqual([4n, 5n, 6n].map((blockNumber) => ({ position, blockNumber })))
  expect(spans).toEqual([])
})

it('gathers each span of rewritten history once', () => {
  const { keys, spans } = gatherChanges([extended(1n, 9n), extended(1n, 9n), extended(1n, 10n)])
  expect(keys).toEqual([])
  expect(spans).toEqual([
    { position, fromBlock: 1n, toBlock: 9n },
    { position, fromBlock: 1n, toBlock: 10n },
  ])
})
