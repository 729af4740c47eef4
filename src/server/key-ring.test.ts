import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { KeyRing, bearerSecret } from './key-ring.js'

const key = (name: string, secret: string, scopes: readonly ('read' | 'write' | 'admin')[]) => ({
  name,
  secretSha256: createHash('sha256').update(secret).digest('hex'),
  scopes,
})

describe('KeyRing', () => {
  it('lets everybody do everything when there are no keys', () => {
    const caller = new KeyRing([]).identify(null)
    expect([caller?.keyName, caller?.may('read'), caller?.may('write')]).toEqual([null, true, true])
  })

  it('finds the key among several, wherever it stands', () => {
    const ring = new KeyRing([key('a', 'secret-a', ['read']), key('b', 'secret-b', ['read', 'write'])])
    expect(ring.identify('secret-a')?.keyName).toBe('a')
    expect(ring.identify('secret-b')?.keyName).toBe('b')
    expect([ring.identify('secret-a')?.may('write'), ring.identify('secret-b')?.may('write')]).toEqual([false, true])
  })

  it.each([null, '', 'secret-', 'secret-aa', 'SECRET-A', 'a'.repeat(10_000)])('does not take %s', (secret) => {
    expect(new KeyRing([key('a', 'secret-a', ['read'])]).identify(secret)).toBeNull()
  })
})

describe('bearerSecret', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer   abc', 'abc'],
    ['Bearer ', null],
    ['Basic abc', null],
    ['Bearer a b', null],
    [undefined, null],
  ])('of %s is %s', (header, secret) => {
    expect(bearerSecret(header)).toBe(secret)
  })
})
