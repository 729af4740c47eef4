import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeCursor, encodeCursor } from './cursor.js'

describe('cursors', () => {
  it('come back as they were given', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }),
        fc.constantFrom('balances' as const, 'history' as const),
        (at, kind) => {
          const cursor = encodeCursor(kind, at)
          expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/)
          expect(decodeCursor(kind, cursor ?? '')).toBe(at)
        },
      ),
    )
  })

  it('are none at the end of a list', () => {
    expect(encodeCursor('history', null)).toBeNull()
  })

  it('of one list are refused by another', () => {
    expect(decodeCursor('history', encodeCursor('balances', 5n) ?? '')).toBeNull()
  })

  it('are never made of any other text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })),
        (text) => decodeCursor('history', text) === null,
      ),
    )
  })
})
