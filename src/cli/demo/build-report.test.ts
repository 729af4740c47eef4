import { describe, expect, it } from 'vitest'

import type { WireCurrentBalance } from '../../api/balance-wire.js'
import { buildReport } from './build-report.js'

function balance(tokenSymbol: string | undefined, decimals: number | undefined, units: string): WireCurrentBalance {
  const block = { blockNumber: '1', blockHash: `0x${'0'.repeat(64)}`, timestamp: '2026-01-01T00:00:00.000Z' }
  return {
    ...block,
    chainId: '1',
    tokenAddress: 'native',
    solverAddress: '0x7ee7EE2a67229E575D9acCB394ff60C1B3812044',
    balance: units,
    formatted: units,
    previousBalance: null,
    transactionHashes: [],
    cause: 'unknown',
    unexplained: '0',
    verified: block,
    finality: 'latest',
    stale: false,
    staleReason: null,
    ...(tokenSymbol === undefined ? {} : { tokenSymbol }),
    ...(decimals === undefined ? {} : { decimals }),
  }
}

describe('buildReport', () => {
  it('sums each asset over wallets and chains, and names the onsite side as books do', () => {
    const balances = [
      balance('ETH', 18, '1500000000000000000'),
      balance('WETH', 18, '500000000000000000'),
      balance('USDC', 6, '10000000'),
      balance('USDC', 6, '2500000'),
      balance('DAI', 18, '1000000000000000000'),
    ]
    expect(buildReport(balances, 0)).toEqual({
      onchain: { eth: 1.5, weth: 0.5, usdc: 12.5, dai: 1 },
      onsite: { eth: 2, usd: 13.5 },
    })
  })

  it('moves only the onsite side by the drift', () => {
    expect(buildReport([balance('USDC', 6, '1000000000')], -0.0005)).toEqual({
      onchain: { usdc: 1000 },
      onsite: { usd: 999.5 },
    })
  })

  it('leaves out what has no usable name or no decimals', () => {
    const balances = [
      balance('USDC', 6, '1'),
      balance('a b', 6, '1'),
      balance(undefined, 6, '1'),
      balance('X', undefined, '1'),
    ]
    expect(buildReport(balances, 0)?.onchain).toEqual({ usdc: 0.000001 })
  })

  it('reports nothing while no balance is known', () => {
    expect(buildReport([], 0)).toBeNull()
  })
})
