import { describe, expect, it } from 'vitest'

import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { MalformedAnswerError } from '../rpc/rpc-errors.js'
import { decodeCallTraces, decodeFlatTraces } from './decode-traces.js'

const wallet: Address = `0x${'a1'.repeat(20)}`
const contract: Address = `0x${'b2'.repeat(20)}`
const payee: Address = `0x${'c3'.repeat(20)}`
const hash: Hash = `0x${'01'.repeat(32)}`
const header: BlockHeader = { number: 5n, hash: `0x${'05'.repeat(32)}`, parentHash: hash, timestampSeconds: 1 }

describe('decodeCallTraces', () => {
  it('tells the value of the transaction from what moved inside, and passes over delegated calls', () => {
    const result = {
      ...call('CALL', 9),
      calls: [
        { ...call('CALL', 4), from: contract, to: payee },
        { ...call('DELEGATECALL', 9), from: contract, to: payee },
      ],
    }
    expect(decodeCallTraces([{ txHash: hash, result }]).get(hash)).toEqual([
      { from: wallet, to: contract, value: 9n, inner: false },
      { from: contract, to: payee, value: 4n, inner: true },
    ])
  })

  it('leaves out what failed, and all within it', () => {
    const failed = { ...call('CALL', 4), error: 'execution reverted', calls: [call('CALL', 2)] }
    expect(decodeCallTraces([{ txHash: hash, result: { ...call('CALL', 9), calls: [failed] } }]).get(hash)).toEqual([
      { from: wallet, to: contract, value: 9n, inner: false },
    ])
  })
})

describe('decodeFlatTraces', () => {
  it('reads calls, creations and self-destructions, without the block’s reward', () => {
    const transfers = decodeFlatTraces(
      [
        flat([], { callType: 'call', from: wallet, to: contract, value: '0x9' }),
        flat([0], { callType: 'delegatecall', from: contract, to: payee, value: '0x9' }),
        { ...flat([1], { from: contract, value: '0x2' }), type: 'create', result: { address: payee } },
        { ...flat([2], { address: contract, refundAddress: wallet, balance: '0x7' }), type: 'suicide' },
        { type: 'reward', blockHash: header.hash, transactionHash: null, traceAddress: [], action: { value: '0xff' } },
      ],
      header,
    )
    expect([...transfers]).toEqual([
      [
        hash,
        [
          { from: wallet, to: contract, value: 9n, inner: false },
          { from: contract, to: payee, value: 2n, inner: true },
          { from: contract, to: wallet, value: 7n, inner: true },
        ],
      ],
    ])
  })

  it('leaves out what failed, and all within it', () => {
    const value = { callType: 'call', from: contract, to: payee, value: '0x1' }
    const traces = [
      flat([], { ...value, value: '0x3' }),
      { ...flat([0], value), error: 'Reverted' },
      flat([0, 0], value),
      flat([0, 0, 1], value),
      flat([1], { ...value, value: '0x2' }),
    ]
    expect(
      decodeFlatTraces(traces, header)
        .get(hash)
        ?.map((transfer) => transfer.value),
    ).toEqual([3n, 2n])
  })

  it('refuses traces of another block', () => {
    const trace = { ...flat([], { callType: 'call', value: '0x1' }), blockHash: hash }
    expect(() => decodeFlatTraces([trace], header)).toThrow(MalformedAnswerError)
  })
})

function call(type: string, value: number) {
  return { type, from: wallet, to: contract, value: `0x${value.toString(16)}` }
}

function flat(traceAddress: readonly number[], action: Readonly<Record<string, string>>) {
  return { type: 'call', blockHash: header.hash, transactionHash: hash, traceAddress, action }
}
