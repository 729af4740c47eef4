import { describe, expect, it } from 'vitest'

import { isOriginAllowed } from './origin-allowed.js'

describe('isOriginAllowed', () => {
  it.each([
    ['no origin', undefined, 'a.example', [], true],
    ['our own host', 'http://a.example:3000', 'a.example:3000', [], true],
    ['our own host behind a proxy with TLS', 'https://a.example', 'a.example', [], true],
    ['our own host in capitals', 'http://a.example', 'A.EXAMPLE', [], true],
    ['our host on another port', 'http://a.example:4000', 'a.example:3000', [], false],
    ['another host', 'http://evil.example', 'a.example', [], false],
    ['a host that begins like ours', 'http://a.example.evil', 'a.example', [], false],
    ['our host as user information', 'http://a.example@evil.example', 'a.example', [], false],
    ['the opaque origin', 'null', 'a.example', [], false],
    ['the opaque origin and no host', 'null', undefined, [], false],
    ['one of the list', 'https://b.example', 'a.example', ['https://b.example'], true],
    ['the list’s host with another scheme', 'http://b.example', 'a.example', ['https://b.example'], false],
    ['anything with *', 'https://any.example', 'a.example', ['*'], true],
  ])('%s', (_name, origin, host, list, allowed) => {
    expect(
      isOriginAllowed({ ...(origin === undefined ? {} : { origin }), ...(host === undefined ? {} : { host }) }, list),
    ).toBe(allowed)
  })
})
