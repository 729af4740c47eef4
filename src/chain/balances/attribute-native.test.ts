import { describe, expect, it } from 'vitest'

import type { Address } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import { attributeNative } from './attribute-native.js'
import type { BalanceChange } from './balance-change.js'
import type { BlockActivity, BlockTransaction } from './fetch-activity.js'
import type { ValueTransfer } from './fetch-value-transfers.js'

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
    expect(attribute(-5n, [failed])).toEqual(explainedBy(1))
    expect(
      attribute(70n, [transaction(2, { from: other, to: wallet, value: 70n, succeeded: false })]).unexplained,
    ).toBe(70n)
  })

  it('counts only the fee of a transaction to itself', () => {
    expect(attribute(-5n, [transaction(1, { from: wallet, to: wallet, value: 70n, fee: 5n })])).toEqual(explainedBy(1))
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
    expect(attribute(5n, transactions, { producer: wallet })).toEqual(explainedBy(1, 2))
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
          { from: other, to: contract, value: 30n },
          { from: contract, to: wallet, value: 20n },
        ],
      ],
      [hashOf(2), [{ from: contract, to: wallet, value: 6n }]],
    ])
    expect(attribute(25n, transactions)).not.toMatchObject({ unexplained: 0n })
    expect(attribute(25n, transactions, { traces })).toEqual(explainedBy(1, 2))
  })
})

function attribute(
  delta: bigint,
  transactions: readonly BlockTransaction[],
  extra: { readonly producer?: Address; readonly traces?: ReadonlyMap<Hash, readonly ValueTransfer[]> } = {},
) {
  const change: BalanceChange = { position: { chainId: 1n, token: 'native', solver: wallet }, delta }
  const activity: BlockActivity = { producer: extra.producer ?? null, transactions, logs: [] }
  return attributeNative(change, activity, extra.traces)
}

function transaction(number: number, fields: Partial<BlockTransaction>): BlockTransaction {
  return {
    hash: hashOf(number),
    from: other,
    to: contract,
    created: null,
    value: 0n,
    succeeded: true,
    fee: 0n,
    tip: 0n,
    ...fields,
  }
}

function explainedBy(...numbers: number[]) {
  return { transactionHashes: numbers.map(hashOf), cause: 'transfer', unexplained: 0n }
}

function hashOf(number: number): Hash {
  return `0x${number.toString(16).padStart(64, '0')}`
}
