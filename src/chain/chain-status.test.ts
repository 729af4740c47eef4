import { expect, it } from 'vitest'

import { branchOf } from '../../test/support/played-chain.js'
import type { BlockHeader } from '../model/block.js'
import { ChainStatus } from './chain-status.js'

function headerAt(number: number): BlockHeader {
  const header = branchOf(null, number + 1, 1).at(-1)
  if (header === undefined) throw new Error('expected a header')
  return header
}

it('A chain is syncing until it is near its head, then live', () => {
  const status = new ChainStatus()
  expect(status).toMatchObject({ state: 'syncing', reason: 'connecting to the chain' })
  status.sawHead(headerAt(100))
  status.processed(headerAt(90))
  expect(status).toMatchObject({ state: 'syncing', reason: '10 blocks behind the head' })
  status.processed(headerAt(98))
  expect(status).toMatchObject({ state: 'live', reason: null })
})

it('Of several troubles the worst is told, and each ends by itself', () => {
  const status = new ChainStatus()
  status.sawHead(headerAt(100))
  status.processed(headerAt(100))
  status.silent('no block above 100 for 130 s')
  expect(status).toMatchObject({ state: 'stalled', reason: 'no block above 100 for 130 s' })
  status.disputed('the endpoints contradict each other')
  expect(status).toMatchObject({ state: 'degraded', reason: 'the endpoints contradict each other' })
  status.failed('stalled', 'no endpoint answered')
  expect(status).toMatchObject({ state: 'stalled', reason: 'no endpoint answered' })
  status.caughtUp()
  expect(status.state).toBe('degraded')
  status.disputed(null)
  expect(status.state).toBe('stalled')
  status.silent(null)
  expect(status).toMatchObject({ state: 'live', reason: null })
})
