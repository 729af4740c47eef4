import { describe, expect, it } from 'vitest'

import type { CurrentBalance } from '../model/balance-record.js'
import {
  encodeBalanceRecord,
  encodeCurrentBalance,
  wireBalanceRecordSchema,
  wireCurrentBalanceSchema,
} from './balance-wire.js'

const hashes = [`0x${'01'.repeat(32)}`, `0x${'02'.repeat(32)}`] as const
const timestamp = new Date('2026-01-01T00:00:00Z')
const balance: CurrentBalance = {
  chainId: 42161n,
  token: '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48',
  solver: '0xd8da6bf26964af9d7eed9e03e53415d37aa96045',
  balance: 1_234_567n,
  previousBalance: null,
  blockNumber: 5n,
  blockHash: hashes[0],
  timestamp,
  transactionHashes: [hashes[1]],
  cause: 'transfer',
  unexplained: 0n,
  decimals: 6,
  symbol: 'USDC',
  name: 'USD Coin',
  verified: { number: 9n, hash: hashes[1], timestamp },
  finality: 'safe',
  staleReason: null,
}

describe('encodeCurrentBalance', () => {
  it('writes every field as the contract names it', () => {
    const wire = encodeCurrentBalance(balance)
    expect(wire).toEqual({
      chainId: '42161',
      tokenAddress: '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48',
      solverAddress: '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045',
      balance: '1234567',
      formatted: '1.234567',
      previousBalance: null,
      blockNumber: '5',
      blockHash: hashes[0],
      timestamp: '2026-01-01T00:00:00.000Z',
      transactionHash: hashes[1],
      transactionHashes: [hashes[1]],
      cause: 'transfer',
      unexplained: '0',
      decimals: 6,
      tokenSymbol: 'USDC',
      tokenName: 'USD Coin',
      verified: { blockNumber: '9', blockHash: hashes[1], timestamp: '2026-01-01T00:00:00.000Z' },
      finality: 'safe',
      stale: false,
      staleReason: null,
    })
    expect(wireCurrentBalanceSchema.parse(wire)).toEqual(wire)
  })

  it('says that a balance is stale, and why', () => {
    expect(encodeCurrentBalance({ ...balance, staleReason: 'balanceOf reverts' })).toMatchObject({
      stale: true,
      staleReason: 'balanceOf reverts',
    })
  })
})

describe('encodeBalanceRecord', () => {
  it('leaves unknown metadata out and formats the integer then', () => {
    const wire = encodeBalanceRecord({ ...balance, decimals: null, symbol: null, name: null })
    expect(wire.formatted).toBe('1234567')
    for (const key of ['decimals', 'tokenSymbol', 'tokenName', 'verified']) expect(wire).not.toHaveProperty(key)
    expect(wireBalanceRecordSchema.parse(wire)).toEqual(wire)
  })

  it.each([
    ['several moved the balance', { transactionHashes: hashes }],
    ['one is known but does not explain the change', { transactionHashes: [hashes[0]], unexplained: 1n }],
    ['none is known', { transactionHashes: [] }],
  ])('names no single transaction when %s', (_name, attribution) => {
    const wire = encodeBalanceRecord({ ...balance, ...attribution })
    expect(wire).not.toHaveProperty('transactionHash')
    expect(wire.transactionHashes).toEqual(attribution.transactionHashes)
  })

  it('is exact for the largest balance', () => {
    const wire = encodeBalanceRecord({ ...balance, balance: 2n ** 256n - 1n, decimals: 18 })
    expect(wire.formatted).toBe('115792089237316195423570985008687907853269984665640564039457.584007913129639935')
  })
})
