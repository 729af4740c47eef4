import { describe, expect, it } from 'vitest'

import type { Address } from '../model/address.js'
import type { Attribution, BlockObservation } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { Hash, Token } from '../model/position.js'
import { AccrualWatch, isWorthRecording } from './accrual-watch.js'
import type { StoredPosition } from './ledger-store.js'

const token: Address = `0x${'70'.repeat(20)}`
const hash: Hash = `0x${'ab'.repeat(32)}`
const held: StoredPosition = {
  chainId: 1n,
  token,
  solver: `0x${'a1'.repeat(20)}`,
  id: 1n,
  lastBalance: 100n,
  accruing: false,
  covered: true,
  fresh: false,
  staleReason: null,
  metadata: { decimals: 18, symbol: 'G', name: 'Growing' },
}
const byItself: Attribution = { transactionHashes: [], cause: 'rebase', unexplained: 1n }
const byTransaction: Attribution = { transactionHashes: [hash], cause: 'unknown', unexplained: 1n }

type Block = 'grows' | 'falls' | 'moved' | 'same' | 'unseen'

describe('AccrualWatch', () => {
  it('finds a token that changes by itself in sixteen of twenty blocks', () => {
    const blocks: readonly Block[] = [
      ...times<Block>(8, 'grows'),
      ...times<Block>(4, 'same'),
      ...times<Block>(8, 'grows'),
    ]
    expect(run(blocks)).toEqual([...times(19, 0), 1])
  })

  it('passes over one that changes in fifteen of twenty, for ever', () => {
    const pattern: readonly Block[] = [...times<Block>(3, 'grows'), 'same']
    expect(run(times(40, pattern).flat())).not.toContain(1)
  })

  it('passes over a token that transactions move in every block', () => {
    expect(run(times(40, 'moved'))).not.toContain(1)
  })

  it('passes over a token that falls by itself now and then', () => {
    const pattern: readonly Block[] = [...times<Block>(15, 'grows'), 'falls']
    expect(run(times(10, pattern).flat())).not.toContain(1)
  })

  it('takes nothing from blocks whose transactions could not be looked at', () => {
    expect(run(times(40, 'unseen'))).not.toContain(1)
  })

  it.each<[string, Partial<StoredPosition>]>([
    ['the chain’s own currency', { token: 'native' }],
    ['a position that is not covered', { covered: false }],
    ['a position without a balance', { lastBalance: null }],
    ['a token that is known as accruing', { accruing: true }],
  ])('passes over %s', (_name, change) => {
    expect(run(times(40, 'grows'), { ...held, ...change })).not.toContain(1)
  })
})

describe('isWorthRecording', () => {
  it('is what a transaction moved, and a balance whose last record is ten minutes old or not known', () => {
    expect(isWorthRecording(byTransaction, 1000, 999)).toBe(true)
    expect(isWorthRecording(byItself, 1000, 401)).toBe(false)
    expect(isWorthRecording(byItself, 1000, 400)).toBe(true)
    expect(isWorthRecording(null, 1000, undefined)).toBe(true)
  })

  it('forgets records that a reorganisation took back', () => {
    const watch = new AccrualWatch()
    watch.recorded({ ...held, accruing: true }, 1000)
    watch.rollBack(1000)
    expect(watch.sampledAtSeconds.get(positionKey(held))).toBe(1000)
    watch.rollBack(999)
    expect(watch.sampledAtSeconds.size).toBe(0)
  })
})

/** How many tokens each block makes accruing. */
function run(blocks: readonly Block[], position: StoredPosition = held): readonly number[] {
  const watch = new AccrualWatch()
  const positions = new Map([[positionKey(position), position]])
  return blocks.map((block) => watch.observe(positions, observe(position, block)).length)
}

function observe(position: StoredPosition, block: Block): BlockObservation {
  const attribution = { grows: byItself, falls: byItself, moved: byTransaction, same: undefined, unseen: undefined }[
    block
  ]
  return {
    header: { number: 7n, hash, parentHash: hash, timestampSeconds: 1 },
    readings: [
      { kind: 'balance', position, balance: { same: 100n, falls: 99n, grows: 101n, moved: 101n, unseen: 101n }[block] },
    ],
    attributions: new Map(attribution === undefined ? [] : [[positionKey(position), attribution]]),
    metadata: new Map<Token, never>(),
    finality: { safe: null, finalized: null },
  }
}

function times<Item>(count: number, item: Item): readonly Item[] {
  return Array.from({ length: count }, () => item)
}
