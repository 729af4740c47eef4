import { expect, it } from 'vitest'

import { ConfigurationError, DatabaseUnavailableError } from '../index.js'
import { refuseExposure } from './refuse-exposure.js'

const none = { required: false, isKnown: true }

it.each(['0.0.0.0', '::', '192.168.1.5', 'tidemark.example', '128.0.0.1', 'localhost.example'])(
  'a host that others can reach is refused without any key, with the way out: %s',
  (host) => {
    const refuse = (): void => refuseExposure({ host, allowUnauthenticated: false }, none)
    expect(refuse).toThrow(ConfigurationError)
    expect(refuse).toThrow(new RegExp(`^HOST: expected .* got "${host}" without any key$`))
    expect(refuse).toThrow(expect.objectContaining({ hint: expect.stringMatching(/tidemark keys add.*API_KEYS/) }))
  },
)

it.each(['127.0.0.1', '::1', 'localhost', '127.9.9.9'])('a host of this machine is none of them: %s', (host) => {
  expect(() => refuseExposure({ host, allowUnauthenticated: false }, { required: false, isKnown: false })).not.toThrow()
})

it('a host that others can reach is accepted with a key, and when it is wanted', () => {
  const host = '0.0.0.0'
  expect(() => refuseExposure({ host, allowUnauthenticated: false }, { required: true, isKnown: false })).not.toThrow()
  expect(() => refuseExposure({ host, allowUnauthenticated: true }, none)).not.toThrow()
})

it('a host that others can reach waits until it is known whether there is a key', () => {
  expect(() =>
    refuseExposure({ host: '0.0.0.0', allowUnauthenticated: false }, { required: false, isKnown: false }),
  ).toThrow(DatabaseUnavailableError)
})
