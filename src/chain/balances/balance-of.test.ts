import { describe, expect, it } from 'vitest'

import { balanceOfCall, decodeBalanceOf } from './balance-of.js'

const word = (value: bigint): string => value.toString(16).padStart(64, '0')

describe('decodeBalanceOf', () => {
  it('reads one word, and ignores what little follows it', () => {
    expect(decodeBalanceOf(`0x${word(0n)}`)).toBe(0n)
    expect(decodeBalanceOf(`0x${word(2n ** 256n - 1n)}`)).toBe(2n ** 256n - 1n)
    expect(decodeBalanceOf(`0x${word(5n)}${word(9n)}`)).toBe(5n)
  })

  it('takes too little and far too much for no answer, never for zero', () => {
    expect(decodeBalanceOf('0x')).toBeNull()
    expect(decodeBalanceOf(`0x${word(0n).slice(2)}`)).toBeNull()
    expect(decodeBalanceOf(`0x${word(0n).repeat(33)}`)).toBeNull()
  })
})

describe('balanceOfCall', () => {
  it('asks for the balance of an address', () => {
    expect(balanceOfCall(`0x${'a1'.repeat(20)}`)).toBe(`0x70a08231${'0'.repeat(24)}${'a1'.repeat(20)}`)
  })
})
