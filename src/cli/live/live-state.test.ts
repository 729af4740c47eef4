import { describe, expect, it } from 'vitest'

import type { WireCurrentBalance } from '../../api/balance-wire.js'
import type { WireBalanceChange } from '../../api/event-wire.js'
import { rowKey } from './balance-row.js'
import { LiveState } from './live-state.js'

const chainId = '31337'
const solverAddress = '0x7ee7EE2a67229E575D9acCB394ff60C1B3812044'
const usdc = '0x5FbDB2315678afecb367f032d93F642f64180aa3'

function at(blockNumber: number): { blockNumber: string; blockHash: string; timestamp: string } {
  return { blockNumber: String(blockNumber), blockHash: '0x01', timestamp: new Date(blockNumber * 1_000).toISOString() }
}

function listed(tokenAddress: string, blockNumber: number, balance: string): WireCurrentBalance {
  return {
    chainId,
    tokenAddress,
    solverAddress,
    balance,
    formatted: balance,
    previousBalance: '40',
    transactionHashes: [],
    cause: 'unknown',
    unexplained: '0',
    decimals: 6,
    tokenSymbol: 'USDC',
    ...at(blockNumber),
    verified: at(blockNumber),
    finality: 'latest',
    stale: false,
    staleReason: null,
  }
}

function changed(tokenAddress: string, blockNumber: number, [before, after]: [bigint, bigint]): WireBalanceChange {
  return {
    chainId,
    tokenAddress,
    solverAddress,
    previousBalance: String(before),
    newBalance: String(after),
    changeAmount: String(after - before),
    ...at(blockNumber),
    transactionHashes: [],
    cause: 'unknown',
    unexplained: '0',
    seq: blockNumber,
  }
}

describe('LiveState', () => {
  it('keeps rows in the given order however they arrive, and others after them', () => {
    const keys = ['native', usdc].map((tokenAddress) => rowKey({ chainId, tokenAddress, solverAddress }))
    const state = new LiveState(keys)
    state.applyBalances([listed('0xffff', 1, '1'), listed(usdc.toLowerCase(), 1, '1'), listed('native', 1, '1')])
    expect(state.rows().map(({ tokenAddress }) => tokenAddress)).toEqual(['native', usdc.toLowerCase(), '0xffff'])
  })

  it('takes over a change with its sign and block, and counts it', () => {
    const state = new LiveState([])
    state.applyBalances([listed(usdc, 5, '50')])
    state.applyChange(changed(usdc, 6, [50n, 20n]))
    expect(state.rows()).toMatchObject([{ balance: 20n, change: -30n, blockNumber: 6n, symbol: 'USDC', decimals: 6 }])
    expect(state.changes).toBe(1)
  })

  it('does not let an older list undo a newer event', () => {
    const state = new LiveState([])
    state.applyBalances([listed(usdc, 5, '50')])
    state.applyChange(changed(usdc, 6, [50n, 20n]))
    state.applyBalances([listed(usdc, 5, '50')])
    expect(state.rows()).toMatchObject([{ balance: 20n, blockNumber: 6n }])
  })

  it('lets an older balance stand again after a revert', () => {
    const state = new LiveState([])
    state.applyBalances([listed(usdc, 6, '60')])
    state.applyRevert({
      chainId,
      ancestor: at(5),
      items: [
        { position: { chainId, tokenAddress: usdc, solverAddress }, orphaned: [], balance: '50', blockNumber: '5' },
      ],
      seq: 7,
    })
    state.applyBalances([listed(usdc, 5, '50')])
    expect(state.rows()).toMatchObject([{ balance: 50n, blockNumber: 5n }])
  })
})
