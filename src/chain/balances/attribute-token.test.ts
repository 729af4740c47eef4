import { describe, expect, it } from 'vitest'

import type { Address } from '../../model/address.js'
import type { Hash, Hex } from '../../model/position.js'
import { attributeToken } from './attribute-token.js'
import type { BalanceChange } from './balance-change.js'
import type { TransferLog } from './fetch-activity.js'
import { DEPOSIT, REBASES, TRANSFER, WITHDRAWAL } from './transfer-topics.js'

const wallet: Address = `0x${'a1'.repeat(20)}`
const other: Address = `0x${'b2'.repeat(20)}`
const token: Address = `0x${'c3'.repeat(20)}`
const zero: Address = `0x${'00'.repeat(20)}`

describe('attributeToken', () => {
  it('explains transfers in and out, in block order', () => {
    const logs = [log(3, [TRANSFER, word(wallet), word(other)], 4n), log(1, [TRANSFER, word(other), word(wallet)], 10n)]
    expect(attribute(6n, logs)).toEqual({
      transactionHashes: [hashOf(1), hashOf(3)],
      cause: 'transfer',
      unexplained: 0n,
    })
  })

  it('names a transaction once, however many transfers it makes', () => {
    const logs = [log(1, [TRANSFER, word(other), word(wallet)], 10n), log(1, [TRANSFER, word(other), word(wallet)], 5n)]
    expect(attribute(15n, logs)).toEqual({ transactionHashes: [hashOf(1)], cause: 'transfer', unexplained: 0n })
  })

  it('explains the wrapping and unwrapping of WETH9, which emits no transfer', () => {
    const wrapped = { transactionHashes: [hashOf(1)], cause: 'wrap', unexplained: 0n }
    expect(attribute(7n, [log(1, [DEPOSIT, word(wallet)], 7n)])).toEqual(wrapped)
    expect(attribute(-7n, [log(1, [WITHDRAWAL, word(wallet)], 7n)])).toEqual(wrapped)
  })

  it('does not count a deposit twice for tokens that emit a transfer beside it', () => {
    const both = [log(1, [DEPOSIT, word(wallet)], 7n), log(1, [TRANSFER, word(zero), word(wallet)], 7n)]
    expect(attribute(7n, both)).toEqual({ transactionHashes: [hashOf(1)], cause: 'wrap', unexplained: 0n })
    const more = [...both, log(2, [DEPOSIT, word(wallet)], 7n), log(3, [TRANSFER, word(other), word(wallet)], 2n)]
    expect(attribute(16n, more)).toEqual({
      transactionHashes: [hashOf(1), hashOf(2), hashOf(3)],
      cause: 'wrap',
      unexplained: 0n,
    })
  })

  it('counts nothing for a transfer to itself', () => {
    const logs = [log(1, [TRANSFER, word(wallet), word(wallet)], 9n), log(2, [TRANSFER, word(other), word(wallet)], 2n)]
    expect(attribute(2n, logs)).toMatchObject({ unexplained: 0n })
  })

  it('shows what a token took as its fee, or claimed in a phantom transfer, as unexplained', () => {
    const arrived = [log(1, [TRANSFER, word(other), word(wallet)], 100n)]
    expect(attribute(98n, arrived)).toEqual({ transactionHashes: [hashOf(1)], cause: 'transfer', unexplained: -2n })
    expect(attribute(1n, arrived)).toEqual({ transactionHashes: [hashOf(1)], cause: 'transfer', unexplained: -99n })
    expect(attribute(-3n, arrived)).toEqual({ transactionHashes: [hashOf(1)], cause: 'unknown', unexplained: -103n })
    expect(attribute(3n, [])).toEqual({ transactionHashes: [], cause: 'unknown', unexplained: 3n })
  })

  it('calls it a rebase when the token announced one, and never calls its amount explained', () => {
    const [rebased] = REBASES
    if (rebased === undefined) throw new Error('expected an event')
    const announced = [log(1, [rebased], 1n)]
    expect(attribute(3n, announced)).toEqual({ transactionHashes: [], cause: 'rebase', unexplained: 3n })
    expect(attribute(3n, [{ ...log(1, [rebased], 1n), token: other }])).toMatchObject({ cause: 'unknown' })
    const received = [...announced, log(2, [TRANSFER, word(other), word(wallet)], 100n)]
    expect(attribute(103n, received)).toEqual({ transactionHashes: [hashOf(2)], cause: 'transfer', unexplained: 3n })
  })

  it('calls it a rebase when several holders changed without a log of theirs', () => {
    const changes = [change(3n, wallet), change(5n, other)]
    expect([...attributeToken(changes, []).values()].map(({ cause }) => cause)).toEqual(['rebase', 'rebase'])
    const received = [log(1, [TRANSFER, word(zero), word(other)], 5n)]
    expect([...attributeToken(changes, received).values()].map(({ cause }) => cause)).toEqual(['unknown', 'transfer'])
  })

  it('does not take a field that only ends like the wallet for the wallet', () => {
    const alike: Hash = `0x${'1'.repeat(24)}${wallet.slice(2)}`
    expect(attribute(5n, [log(1, [TRANSFER, word(other), alike], 5n)])).toMatchObject({ unexplained: 5n })
  })

  it('leaves out other tokens, other wallets, and events of the same name with other fields', () => {
    const logs = [
      { ...log(1, [TRANSFER, word(other), word(wallet)], 5n), token: other },
      log(2, [TRANSFER, word(other), word(other)], 5n),
      log(3, [TRANSFER, word(other), word(wallet), hashOf(77)], 5n),
      { ...log(4, [TRANSFER, word(other), word(wallet)], 5n), data: '0x' as Hex },
      log(5, [DEPOSIT, word(other)], 5n),
      log(6, [TRANSFER], 5n),
    ]
    expect(attribute(5n, logs)).toEqual({ transactionHashes: [], cause: 'unknown', unexplained: 5n })
  })
})

function attribute(delta: bigint, logs: readonly TransferLog[]) {
  return [...attributeToken([change(delta, wallet)], logs).values()][0]
}

function change(delta: bigint, solver: Address): BalanceChange {
  return { position: { chainId: 1n, token, solver }, delta }
}

function log(index: number, topics: readonly Hash[], amount: bigint): TransferLog {
  const data: Hex = `0x${amount.toString(16).padStart(64, '0')}`
  return { token, topics, data, transactionHash: hashOf(index), transactionIndex: index }
}

function word(address: Address): Hash {
  return `0x${'0'.repeat(24)}${address.slice(2)}`
}

function hashOf(number: number): Hash {
  return `0x${number.toString(16).padStart(64, '0')}`
}
