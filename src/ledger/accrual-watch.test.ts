import { describe, expect, it } from 'vitest'

import type { Address } from '../model/address.js'
import type { Attribution, BlockObservation } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { Hash, Token } from '../model/position.js'
import { AccrualWatch, isWorthRecording } from './accrual-watch.js'
import type { AccrualFindings } from './accrual-watch.js'
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

type Block = 'grows' | 'falls' | 'moved' | 'explained' | 'same' | 'unseen'
/** Blocks without a change by itself after which a token is an ordinary one. */
const SETTLED = 100

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

  it('passes over one that falls by itself now and then', () => {
    expect(run(times(40, [...times<Block>(14, 'grows'), 'falls'] satisfies readonly Block[]).flat())).not.toContain(1)
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

describe('AccrualWatch of an accruing token', () => {
  const accruing: StoredPosition = { ...held, accruing: true }

  it('takes it back when all its changes are explained for a hundred blocks', () => {
    const settled = settle([...times<Block>(SETTLED - 1, 'same'), 'grows', ...times<Block>(60, 'same')], accruing)
    expect(settled).not.toContain(1)
    expect(settle([...times<Block>(60, 'same'), ...times<Block>(40, 'explained')], accruing)).toEqual([
      ...times(SETTLED - 1, 0),
      1,
    ])
  })

  it.each<[string, Partial<StoredPosition>, Block]>([
    ['grows', {}, 'grows'],
    ['is moved by what logs do not tell', {}, 'moved'],
    ['cannot be looked at', {}, 'unseen'],
    ['is not covered', { covered: false }, 'same'],
    ['is not accruing', { accruing: false }, 'same'],
  ])('leaves it as it is while it %s', (_name, change, block) => {
    expect(settle(times(3 * SETTLED, block), { ...accruing, ...change })).not.toContain(1)
  })

  it('does not learn from a wallet that has none of it', () => {
    expect(settle(times(3 * SETTLED, 'same'), { ...accruing, lastBalance: 0n })).not.toContain(1)
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
  return observeAll(blocks, position).map(({ accruing }) => accruing.length)
}

/** How many tokens each block makes ordinary ones again. */
function settle(blocks: readonly Block[], position: StoredPosition): readonly number[] {
  return observeAll(blocks, position).map(({ settled }) => settled.length)
}

function observeAll(blocks: readonly Block[], position: StoredPosition): readonly AccrualFindings[] {
  const accruals = new AccrualWatch()
  const positions = new Map([[positionKey(position), position]])
  return blocks.map((block) => accruals.observe(positions, observe(position, block)))
}

const attributionOf: Readonly<Record<Block, Attribution | undefined>> = {
  grows: byItself,
  falls: byItself,
  moved: byTransaction,
  explained: { ...byTransaction, unexplained: 0n },
  same: undefined,
  unseen: undefined,
}

function observe(position: StoredPosition, block: Block): BlockObservation {
  const attribution = attributionOf[block]
  const last = position.lastBalance ?? 100n
  const balance = block === 'same' ? last : block === 'falls' ? last - 1n : last + 1n
  return {
    header: { number: 7n, hash, parentHash: hash, timestampSeconds: 1 },
    readings: [{ kind: 'balance', position, balance }],
    attributions: new Map(attribution === undefined ? [] : [[positionKey(position), attribution]]),
    metadata: new Map<Token, never>(),
    finality: { safe: null, finalized: null },
  }
}

function times<Item>(count: number, item: Item): readonly Item[] {
  return Array.from({ length: count }, () => item)
}
