import { describe, expect, it } from 'vitest'

import type { Address } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import { attributeNative } from './attribute-native.js'
import type { BalanceChange } from './balance-change.js'
import type { BlockActivity, BlockTransaction, TransferLog } from './fetch-activity.js'
import type { ValueTransfer } from './decode-traces.js'
import { DEPOSIT } from './transfer-topics.js'

const wallet: Address = `0x${'a1'.repeat(20)}`
const other: Address = `0x${'b2'.repeat(20)}`
const contract: Address = `0x${'c3'.repeat(20)}`

describe('attributeNative', () => {
  it('explains what a transfer brought', () => {
    expect(attribute(70n, [transaction(1, { from: other, to: wallet, value: 70n })])).toEqual(explainedBy(1))
  })

  it('counts value and fee against the sender', () => {
    expect(attribute(-75n, [transaction(1, { from: wallet, to: other, value: 70n, fee: 5n })])).toEqual(explainedBy(1))
  })

  it('counts only the fee of a transaction that failed', () => {
    const failed = transaction(1, { from: wallet, to: other, value: 70n, fee: 5n, succeeded: false })
    expect(attribute(-5n, [failed])).toEqual({ ...explainedBy(1), cause: 'gas' })
    expect(
      attribute(70n, [transaction(2, { from: other, to: wallet, value: 70n, succeeded: false })]).unexplained,
    ).toBe(70n)
  })

  it('counts only the fee of a transaction to itself', () => {
    const toItself = transaction(1, { from: wallet, to: wallet, value: 70n, fee: 5n })
    expect(attribute(-5n, [toItself])).toEqual({ ...explainedBy(1), cause: 'gas' })
  })

  it('counts what a creation was given, for its sender and for the contract', () => {
    const creation = transaction(1, { from: other, to: null, created: wallet, value: 9n })
    expect(attribute(9n, [creation])).toEqual(explainedBy(1))
    expect(
      attribute(-12n, [transaction(2, { from: wallet, to: null, created: contract, value: 9n, fee: 3n })]),
    ).toEqual(explainedBy(2))
  })

  it('adds up several transactions in block order and leaves out those of others', () => {
    const transactions = [
      transaction(1, { from: other, to: wallet, value: 10n }),
      transaction(2, { from: other, to: contract, value: 99n }),
      transaction(3, { from: wallet, to: other, value: 4n, fee: 1n }),
    ]
    expect(attribute(5n, transactions)).toEqual(explainedBy(1, 3))
  })

  it('counts the tips that the producer of the block earns', () => {
    const transactions = [transaction(1, { tip: 2n }), transaction(2, { tip: 3n, succeeded: false })]
    expect(attribute(5n, transactions, { producer: wallet })).toEqual({
      ...explainedBy(1, 2),
      cause: 'reward',
    })
    expect(attribute(5n, transactions, { producer: other })).toEqual({
      transactionHashes: [],
      cause: 'unknown',
      unexplained: 5n,
    })
  })

  it('names what touched the wallet but claims nothing when the sum does not fit', () => {
    const step = attribute(71n, [transaction(1, { from: other, to: wallet, value: 70n })])
    expect(step).toEqual({ transactionHashes: [hashOf(1)], cause: 'transfer', unexplained: 1n })
  })

  it('counts what traces show inside contracts instead of the value of the body', () => {
    const transactions = [
      transaction(1, { from: other, to: contract, value: 30n }),
      transaction(2, { from: wallet, to: contract, fee: 1n }),
    ]
    const traces = new Map([
      [
        hashOf(1),
        [
          { from: other, to: contract, value: 30n, inner: false },
          { from: contract, to: wallet, value: 20n, inner: true },
        ],
      ],
      [hashOf(2), [{ from: contract, to: wallet, value: 6n, inner: true }]],
    ])
    expect(attribute(25n, transactions)).not.toMatchObject({ unexplained: 0n })
    expect(attribute(25n, transactions, { traces })).toEqual({ ...explainedBy(1, 2), cause: 'internal' })
  })

  it('counts withdrawals of validators, which no transaction makes', () => {
    const withdrawals = [
      { to: wallet, value: 30n },
      { to: other, value: 9n },
      { to: wallet, value: 4n },
    ]
    expect(attribute(34n, [], { withdrawals })).toEqual({ transactionHashes: [], cause: 'reward', unexplained: 0n })
  })

  it('counts what a deposit from the parent chain minted, also when it failed', () => {
    const deposit = { from: wallet, to: other, value: 40n, minted: 50n }
    expect(attribute(10n, [transaction(1, deposit)])).toEqual({ ...explainedBy(1), cause: 'reward' })
    expect(attribute(50n, [transaction(1, { ...deposit, succeeded: false })])).toMatchObject({ unexplained: 0n })
  })

  it('tells wrapping by what the other side says of that very amount in that very transaction', () => {
    const wrapping = transaction(1, { from: wallet, to: contract, value: 70n, fee: 5n })
    expect(attribute(-75n, [wrapping], { logs: [deposited(1, 70n)] })).toEqual({ ...explainedBy(1), cause: 'wrap' })
    for (const logs of [[], [deposited(1, 71n)], [deposited(2, 70n)], [{ ...deposited(1, 70n), token: other }]]) {
      expect(attribute(-75n, [wrapping], { logs })).toEqual(explainedBy(1))
    }
  })

  it('names the largest part, and the fee only where nothing else moved', () => {
    const transactions = [
      transaction(1, { from: other, to: wallet, value: 7n }),
      transaction(2, { from: wallet, fee: 100n }),
    ]
    const withdrawals = [{ to: wallet, value: 8n }]
    expect(attribute(-93n, transactions).cause).toBe('transfer')
    expect(attribute(-85n, transactions, { withdrawals }).cause).toBe('reward')
    expect(attribute(-93n - 8n, transactions)).toMatchObject({ cause: 'unknown', unexplained: -8n })
  })
})

function attribute(
  delta: bigint,
  transactions: readonly BlockTransaction[],
  { traces, ...extra }: Partial<BlockActivity> & { readonly traces?: ReadonlyMap<Hash, readonly ValueTransfer[]> } = {},
) {
  const change: BalanceChange = { position: { chainId: 1n, token: 'native', solver: wallet }, delta }
  const indexes = new Map(transactions.map(({ hash, index }) => [hash, index]))
  const activity: BlockActivity = { producer: null, transactions, indexes, withdrawals: [], logs: [], ...extra }
  return attributeNative(change, activity, traces)
}

function transaction(number: number, fields: Partial<BlockTransaction>): BlockTransaction {
  return {
    hash: hashOf(number),
    index: number,
    from: other,
    to: contract,
    created: null,
    value: 0n,
    succeeded: true,
    fee: 0n,
    tip: 0n,
    minted: 0n,
    ...fields,
  }
}

function deposited(number: number, amount: bigint): TransferLog {
  return {
    token: contract,
    topics: [DEPOSIT, `0x${'0'.repeat(24)}${wallet.slice(2)}`],
    data: hashOf(Number(amount)),
    transactionHash: hashOf(number),
    transactionIndex: number,
  }
}

function explainedBy(...numbers: number[]) {
  return { transactionHashes: numbers.map(hashOf), cause: 'transfer', unexplained: 0n }
}

function hashOf(number: number): Hash {
  return `0x${number.toString(16).padStart(64, '0')}`
}
