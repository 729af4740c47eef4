import { expect, it } from 'vitest'

import { exitCodeOf, exitCodes } from '../exit-code.js'
import { DemoUnavailableError } from './demo-errors.js'
import { requireAnvil } from './require-anvil.js'

function failureOf(find: () => string): unknown {
  try {
    requireAnvil(find)
    return null
  } catch (error) {
    return error
  }
}

it('says what to install when anvil is missing, and counts as a wrong set-up', () => {
  const cause = new Error('no such package')
  const failure = failureOf(() => {
    throw cause
  })
  expect(failure).toBeInstanceOf(DemoUnavailableError)
  expect(failure).toMatchObject({ code: 'demo_unavailable', cause })
  expect((failure as DemoUnavailableError).hint).toContain('npm install @foundry-rs/anvil')
  expect(exitCodeOf(failure)).toBe(exitCodes.usage)
})

it('says nothing when anvil is there', () => {
  expect(failureOf(() => '/bin/anvil')).toBeNull()
})
