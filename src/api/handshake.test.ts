import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseHandshake } from './handshake.js'

describe('parseHandshake', () => {
  it.each([
    [undefined, { token: null, since: null, log: null, events: true }],
    [{}, { token: null, since: null, log: null, events: true }],
    [
      { since: null, token: null, log: null },
      { token: null, since: null, log: null, events: true },
    ],
    [
      { since: 5, log: 'x', token: 't', other: 1 },
      { token: 't', since: 5n, log: 'x', events: true },
    ],
    [{ events: false }, { token: null, since: null, log: null, events: false }],
    [{ since: '9007199254740993' }, { token: null, since: 9007199254740993n, log: null, events: true }],
  ])('reads %j', (auth, expected) => {
    expect(parseHandshake(auth)).toEqual(expected)
  })

  it.each([
    { events: 0 },
    { since: -1 },
    { since: 1.5 },
    { since: '-1' },
    { since: '' },
    { since: 2 ** 60 },
    { token: 5 },
    { log: {} },
    [],
    'x',
    5,
  ])('refuses %j', (auth) => {
    expect(parseHandshake(auth)).toBeNull()
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.anything(), (auth) => void parseHandshake(auth)))
  })
})
