import { describe, expect, it } from 'vitest'

import type { Address } from '../../model/address.js'
import type { BalanceReading } from '../../model/chain-event.js'
import type { Token } from '../../model/position.js'
import { findNativeTwins } from './native-twin.js'

const one: Address = `0x${'a1'.repeat(20)}`
const two: Address = `0x${'b2'.repeat(20)}`
const twin: Address = `0x${'c3'.repeat(20)}`
const natives = [reading('native', one, 10n), reading('native', two, 20n)]

describe('findNativeTwins', () => {
  it('finds the token that is the native currency for every wallet', () => {
    expect([...findNativeTwins([...natives, reading(twin, one, 10n), reading(twin, two, 20n)])]).toEqual([twin])
  })

  it('finds none where one wallet differs, or cannot be read', () => {
    expect(findNativeTwins([...natives, reading(twin, one, 10n), reading(twin, two, 21n)]).size).toBe(0)
    const failed: BalanceReading = { ...reading(twin, two, 0n), kind: 'failed', reason: 'reverted' }
    expect(findNativeTwins([...natives, reading(twin, one, 10n), failed]).size).toBe(0)
  })

  it('takes one amount for a coincidence', () => {
    const same = [reading('native', one, 10n), reading('native', two, 10n)]
    expect(findNativeTwins([...same, reading(twin, one, 10n), reading(twin, two, 10n)]).size).toBe(0)
    expect(findNativeTwins([...natives, reading(twin, one, 10n)]).size).toBe(0)
  })
})

function reading(token: Token, solver: Address, balance: bigint): Extract<BalanceReading, { kind: 'balance' }> {
  return { kind: 'balance', position: { chainId: 1n, token, solver }, balance }
}
