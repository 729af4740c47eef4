import { expect, it } from 'vitest'

import { ConfigurationError } from '../../index.js'
import { readDemoOptions } from './read-demo-options.js'

it('reads port and duration', () => {
  expect(readDemoOptions({ port: '3000' })).toEqual({ port: 3000, durationMs: null })
  expect(readDemoOptions({ port: '0', duration: '30' })).toEqual({ port: 0, durationMs: 30_000 })
})

it.each(['', '-1', '65536', '3e3', '0x10', ' 80', 'http'])('refuses the port %j', (port) => {
  expect(() => readDemoOptions({ port })).toThrow(ConfigurationError)
})

it.each(['0', '1.5', 'forever', '86401'])('refuses the duration %j and names the option', (duration) => {
  expect(() => readDemoOptions({ port: '3000', duration })).toThrow(/--duration: expected an integer from 1 to 86400/)
})
