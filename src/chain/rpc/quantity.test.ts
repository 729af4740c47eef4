import { describe, expect, it } from 'vitest'

import { decodeHeader } from './decode-header.js'
import { decodeData, decodeHash, decodeQuantity, encodeQuantity } from './quantity.js'

const hash = `0x${'aB'.repeat(32)}`

describe('decodeQuantity', () => {
  it.each([
    ['0x0', 0n],
    ['0x1f', 31n],
    ['0x0001', 1n],
    ['0xABcd', 43_981n],
    [`0x${'f'.repeat(64)}`, 2n ** 256n - 1n],
  ])('reads %s', (text, value) => {
    expect(decodeQuantity(text, 'it')).toBe(value)
  })

  it.each([
    '0x',
    '',
    '1f',
    '0X1',
    '0x-1',
    '-0x1',
    '0x1g',
    ' 0x1',
    '0x1 ',
    '0x1.0',
    `0x${'f'.repeat(65)}`,
    null,
    undefined,
    31,
    31n,
    {},
    ['0x1'],
    true,
  ])('takes %s for no number, and never for zero', (value) => {
    expect(() => decodeQuantity(value, 'balance')).toThrow(/^balance: expected a hexadecimal quantity, got /)
  })

  it('reads back what is encoded', () => {
    for (const value of [0n, 1n, 255n, 2n ** 256n - 1n]) expect(decodeQuantity(encodeQuantity(value), 'it')).toBe(value)
  })
})

describe('decodeHash', () => {
  it('stores hashes in lower case', () => {
    expect(decodeHash(hash, 'it')).toBe(hash.toLowerCase())
  })

  it.each(['0x', hash.slice(0, -1), `${hash}0`, hash.slice(2), null, 5])('refuses %j', (value) => {
    expect(() => decodeHash(value, 'it')).toThrow(/expected a 32-byte hash/)
  })
})

describe('decodeData', () => {
  it('takes empty data for empty, and refuses half bytes', () => {
    expect(decodeData('0x', 'it')).toBe('0x')
    expect(decodeData('0xAB', 'it')).toBe('0xab')
    expect(() => decodeData('0xabc', 'it')).toThrow(/hexadecimal bytes/)
    expect(() => decodeData(null, 'it')).toThrow(/got null/)
  })
})

describe('decodeHeader', () => {
  const block = { number: '0x10', hash, parentHash: `0x${'01'.repeat(32)}`, timestamp: '0x65' }

  it('reads what Tidemark keeps of a block', () => {
    expect(decodeHeader({ ...block, extra: 1 })).toEqual({
      number: 16n,
      hash: hash.toLowerCase(),
      parentHash: block.parentHash,
      timestampSeconds: 101,
    })
  })

  it.each(['number', 'hash', 'parentHash', 'timestamp'])('refuses a block without %s', (field) => {
    expect(() => decodeHeader({ ...block, [field]: null })).toThrow(/expected .*, got null/)
  })

  it.each([null, 'block', [], 7])('refuses %j', (value) => {
    expect(() => decodeHeader(value)).toThrow(/expected an object/)
  })
})
