import { describe, expect, it } from 'vitest'

import { createHostCheck } from './host-allowed.js'

describe('a service on loopback without keys', () => {
  const check = createHostCheck('127.0.0.1', { required: false, isKnown: true })

  it.each(['localhost', 'localhost:3000', '127.0.0.1:3000', '127.8.9.1', '[::1]:3000', undefined])(
    'answers requests to %s',
    (host) => expect(check({ host })).toBe('allowed'),
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
    expect(check({ host })).toBe('forbidden'),
  )
})

it('who may go by another name is not known before the keys are', () => {
  const check = createHostCheck('127.0.0.1', { required: false, isKnown: false })
  expect(check({ host: 'tidemark.example' })).toBe('not_known')
  expect(check({ host: 'localhost:3000' })).toBe('allowed')
})

describe('a service with keys, or on another address', () => {
  it('may go by any name', () => {
    expect(createHostCheck('127.0.0.1', { required: true, isKnown: true })({ host: 'tidemark.example' })).toBe(
      'allowed',
    )
    expect(createHostCheck('0.0.0.0', { required: false, isKnown: true })({ host: 'tidemark.example' })).toBe('allowed')
  })

  it('may do so from the moment when the first key is there', () => {
    const keys = { required: false, isKnown: true }
    const check = createHostCheck('localhost', keys)
    expect(check({ host: 'tidemark.example' })).toBe('forbidden')
    keys.required = true
    expect(check({ host: 'tidemark.example' })).toBe('allowed')
  })
})
