import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { balanceCauses } from '../../model/balance-cause.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import {
  documentId,
  fromDocument,
  generationOf,
  isRemoved,
  parseDocumentId,
  toDocument,
  toRemoved,
  versionOf,
} from './record-document.js'

const hex = (length: number): fc.Arbitrary<`0x${string}`> =>
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: length, maxLength: length })
    .map((digits): `0x${string}` => `0x${digits.map((digit) => digit.toString(16)).join('')}`)
const amount = fc.bigInt({ min: 0n, max: 10n ** 78n - 1n })
const record: fc.Arbitrary<BalanceRecord> = fc.record({
  chainId: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
  token: fc.oneof(fc.constant('native' as const), hex(40)),
  solver: hex(40),
  balance: amount,
  previousBalance: fc.option(amount),
  blockNumber: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  blockHash: hex(64),
  timestamp: fc.date({ noInvalidDate: true }),
  transactionHashes: fc.array(hex(64), { maxLength: 3 }),
  cause: fc.option(fc.constantFrom(...balanceCauses)),
  unexplained: fc.bigInt({ min: -(10n ** 78n), max: 10n ** 78n }),
  decimals: fc.option(fc.integer({ min: 0, max: 255 })),
  symbol: fc.option(fc.string()),
  name: fc.option(fc.string()),
})

describe('a record as a document', () => {
  it('is the same record again', () => {
    fc.assert(
      fc.property(record, (given) => {
        expect(fromDocument(toDocument(given, 1n))).toEqual(given)
      }),
    )
  })

  it('has a key that sorts as the blocks of its position do', () => {
    fc.assert(
      fc.property(record, record, (one, other) => {
        const low = documentId({ position: one, blockNumber: one.blockNumber })
        const high = documentId({ position: one, blockNumber: other.blockNumber })
        expect(low < high).toBe(one.blockNumber < other.blockNumber)
        expect(parseDocumentId(high)?.blockNumber).toBe(other.blockNumber)
      }),
    )
  })

  it.each([
    'x',
    '1:native:0xab:0000000000000000001',
    `1:native:0x${'a'.repeat(40)}:1`,
    `1:0x1:0x${'a'.repeat(40)}:${'0'.repeat(19)}`,
  ])('has a key that %j is not', (text) => {
    expect(parseDocumentId(text)).toBe(null)
  })

  it('that was removed has nothing of it but its key, and a chain that there is not', () => {
    const removed = toRemoved('1:native:0xa:5', 9n)
    expect(removed).toEqual({ _id: '1:native:0xa:5', chainId: 'reverted:1:native:0xa:5', version: 9n })
    expect(isRemoved(removed)).toBe(true)
    expect(isRemoved({ chainId: '1' })).toBe(false)
    expect(isRemoved({})).toBe(true)
  })

  it('is refused when somebody else wrote into it', () => {
    const [given] = fc.sample(record, 1)
    if (given === undefined) throw new Error('a sample was asked for')
    const document = toDocument(given, 1n)
    expect(() => fromDocument({ ...document, blockHash: 'x' })).toThrow(TypeError)
    expect(() => fromDocument({ ...document, cause: 'magic' })).toThrow(TypeError)
    expect(() => fromDocument({ ...document, balance: 'many' })).toThrow(SyntaxError)
    expect(() => fromDocument({ ...document, _id: 'x' })).toThrow(TypeError)
  })
})

describe('a version', () => {
  it('orders by generation, then by seq', () => {
    expect(versionOf(1n, 5n)).toBeLessThan(versionOf(1n, 6n))
    expect(versionOf(1n, 2n ** 44n - 1n)).toBeLessThan(versionOf(2n, 0n))
    expect(generationOf(versionOf(7n, 123n))).toBe(7n)
    expect(versionOf(2n ** 19n - 1n, 2n ** 44n - 1n)).toBe(2n ** 63n - 1n)
  })

  it.each([
    [2n ** 19n, 0n],
    [0n, 2n ** 44n],
    [0n, -1n],
  ])('has no room for generation %s with seq %s', (generation, seq) => {
    expect(() => versionOf(generation, seq)).toThrow('invariant')
  })
})
