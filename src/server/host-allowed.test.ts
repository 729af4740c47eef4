import { describe, expect, it } from 'vitest'

import { createHostCheck } from './host-allowed.js'

const key = { name: 'a', secretSha256: '0'.repeat(64), scopes: ['read'] } as const

describe('a service on loopback without keys', () => {
  const check = createHostCheck({ host: '127.0.0.1', apiKeys: [] })

  it.each(['localhost', 'localhost:3000', '127.0.0.1:3000', '127.8.9.1', '[::1]:3000', undefined])(
    'answers requests to %s',
    (host) => expect(check({ host })).toBe(true),
  )

  it.each([
    'evil.example',
    'evil.example:3000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    ':',
    '',
  ])('refuses requests to %s, as a page whose name was made to point here sends them', (host) =>
    expect(check({ host })).toBe(false),
  )
})

describe('a service with keys, or on another address', () => {
  it('may go by any name', () => {
    expect(createHostCheck({ host: '127.0.0.1', apiKeys: [key] })({ host: 'tidemark.example' })).toBe(true)
    expect(createHostCheck({ host: '0.0.0.0', apiKeys: [] })({ host: 'tidemark.example' })).toBe(true)
  })
})
