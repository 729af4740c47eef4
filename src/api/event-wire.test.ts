import { describe, expect, it } from 'vitest'

import type { LoggedEvent } from '../model/event.js'
import {
  balanceChangeSchema,
  balanceRevertedSchema,
  encodeLoggedEvent,
  encodeSeq,
  historyExtendedSchema,
  positionStartedSchema,
  snapshotEventSchema,
  tokenChangedSchema,
} from './event-wire.js'

const address = '0xd8da6bf26964af9d7eed9e03e53415d37aa96045'
const checksummed = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
const hash = `0x${'ab'.repeat(32)}` as const
const max = 2n ** 256n - 1n
const at = { blockNumber: 21_000_000n, blockHash: hash, timestamp: new Date('2026-01-01T00:00:00Z') }
const wireAt = { blockNumber: '21000000', blockHash: hash, timestamp: '2026-01-01T00:00:00.000Z' }
const position = { chainId: 1n, tokenAddress: 'native', solverAddress: address } as const
const wirePosition = { chainId: '1', tokenAddress: 'native', solverAddress: checksummed }

describe('encodeLoggedEvent', () => {
  it('writes a change with exact amounts and EIP-55 addresses', () => {
    const event: LoggedEvent = {
      seq: 7n,
      type: 'balance.updated',
      data: {
        ...position,
        tokenAddress: address,
        previousBalance: max,
        newBalance: 0n,
        changeAmount: -max,
        ...at,
        transactionHash: hash,
        transactionHashes: [hash],
        cause: 'transfer',
        unexplained: 0n,
      },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'balance:updated',
      payload: {
        ...wirePosition,
        tokenAddress: checksummed,
        previousBalance: max.toString(),
        newBalance: '0',
        changeAmount: `-${max}`,
        ...wireAt,
        transactionHash: hash,
        transactionHashes: [hash],
        cause: 'transfer',
        unexplained: '0',
        seq: 7,
      },
    })
    expect(balanceChangeSchema.parse(wire.payload)).toEqual(wire.payload)
  })

  it('leaves out a transaction hash that is not known', () => {
    const event: LoggedEvent = {
      seq: 7n,
      type: 'balance.updated',
      data: {
        ...position,
        previousBalance: 1n,
        newBalance: 2n,
        changeAmount: 1n,
        ...at,
        transactionHashes: [],
        cause: 'unknown',
        unexplained: 1n,
      },
    }
    expect(encodeLoggedEvent(event)?.payload).not.toHaveProperty('transactionHash')
  })

  it('writes a started position, with the metadata that is known', () => {
    const event: LoggedEvent = {
      seq: 8n,
      type: 'position.started',
      data: { ...position, balance: 1_500_000n, ...at, decimals: 6, symbol: '<b>', name: null },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'position:started',
      payload: {
        ...wirePosition,
        balance: '1500000',
        formatted: '1.5',
        ...wireAt,
        decimals: 6,
        tokenSymbol: '<b>',
        seq: 8,
      },
    })
    expect(positionStartedSchema.parse(wire.payload)).toEqual(wire.payload)
  })

  it('writes what was reverted', () => {
    const event: LoggedEvent = {
      seq: 9n,
      type: 'balance.reverted',
      data: {
        chainId: 1n,
        ancestor: { number: 5n, hash },
        items: [
          {
            position: { chainId: 1n, token: 'native', solver: address },
            orphaned: [{ blockNumber: 6n, blockHash: hash, balance: max }],
            balance: null,
            blockNumber: null,
          },
        ],
      },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'balance:reverted',
      payload: {
        chainId: '1',
        ancestor: { blockNumber: '5', blockHash: hash },
        items: [
          {
            position: wirePosition,
            orphaned: [{ blockNumber: '6', blockHash: hash, balance: max.toString() }],
            balance: null,
            blockNumber: null,
          },
        ],
        seq: 9,
      },
    })
    expect(balanceRevertedSchema.parse(wire.payload)).toEqual(wire.payload)
  })

  it('writes a snapshot as reported, in objects of its own', () => {
    const onchain = { usdt: '7656.360' }
    const event: LoggedEvent = {
      seq: 10n,
      type: 'snapshot.saved',
      data: { id: '0b8a2a0e-9d0c-4f5e-8a44-0c8d3f1f0b11', ts: at.timestamp, pid: null, onchain, onsite: { usd: 1 } },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'balance:snapshot',
      payload: { id: event.data.id, ts: '2026-01-01T00:00:00.000Z', onchain, onsite: { usd: 1 }, seq: 10 },
    })
    expect(snapshotEventSchema.parse(wire.payload)).toEqual(wire.payload)
    onchain.usdt = '0'
    expect(wire.payload).toMatchObject({ onchain: { usdt: '7656.360' } })
  })

  it('writes which part of a history was written anew', () => {
    const numbers = { reason: 'backfill', coverage: 'exact', added: 3, removed: 1 } as const
    const event: LoggedEvent = {
      seq: 11n,
      type: 'history.extended',
      data: { ...position, fromBlock: 5n, toBlock: 9n, ...numbers, balance: max },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'history:extended',
      payload: { ...wirePosition, fromBlock: '5', toBlock: '9', ...numbers, balance: max.toString(), seq: 11 },
    })
    expect(historyExtendedSchema.parse(wire.payload)).toEqual(wire.payload)
  })

  it('writes what is new about a token', () => {
    const event: LoggedEvent = {
      seq: 12n,
      type: 'token.changed',
      data: { chainId: 1n, tokenAddress: address, accruing: true, decimals: 6, symbol: 'G', name: null },
    }
    const wire = encodeLoggedEvent(event)
    expect(wire).toEqual({
      name: 'token:changed',
      payload: { chainId: '1', tokenAddress: checksummed, accruing: true, decimals: 6, tokenSymbol: 'G', seq: 12 },
    })
    expect(tokenChangedSchema.parse(wire.payload)).toEqual(wire.payload)
  })

  it('says that the watch list changed, and nothing else about it', () => {
    const wire = encodeLoggedEvent({ seq: 11n, type: 'watch-list.changed', data: { reason: 'x' } })
    expect(wire).toEqual({ name: 'watch-list:changed', payload: { seq: 11 } })
  })
})

describe('encodeSeq', () => {
  it.each([
    [0n, 0],
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [2n ** 53n, '9007199254740992'],
  ])('of %s is %s', (seq, wire) => {
    expect(encodeSeq(seq)).toBe(wire)
  })
})
