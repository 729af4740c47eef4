import { describe, expect, it } from 'vitest'

import type { Address } from '../model/address.js'
import type { BlockHeader } from '../model/block.js'
import type { Attribution, CoverageKind, SpanChange, SpanPosition } from '../model/chain-event.js'
import type { TidemarkEvent } from '../model/event.js'
import { positionKey } from '../model/position.js'
import type { Hash, Position } from '../model/position.js'
import { decideSpan } from './decide-span.js'
import type { SpanDecision } from './decide-span.js'
import type { StoredPosition } from './ledger-store.js'

const hashOf = (number: bigint): Hash => `0x${number.toString(16).padStart(64, '0')}`
const block = (number: bigint) => ({
  number,
  hash: hashOf(number),
  timestampSeconds: 1_700_000_000 + Number(number) * 12,
})
const target: BlockHeader = { ...block(20n), parentHash: hashOf(19n) }
const parent = { number: 10n, hash: hashOf(10n) }
const one: Position = { chainId: 1n, token: 'native', solver: `0x${'a1'.repeat(20)}` satisfies Address }
const two: Position = { ...one, solver: `0x${'b2'.repeat(20)}` }
const moved = (digit: string): Attribution => ({
  transactionHashes: [`0x${digit.repeat(64)}`],
  cause: 'transfer',
  unexplained: 0n,
})
const covered: StoredPosition = {
  ...one,
  id: 1n,
  lastBalance: 100n,
  accruing: false,
  covered: true,
  fresh: false,
  staleReason: null,
  metadata: { decimals: 18, symbol: 'ETH', name: 'Ether' },
}
const change = (number: bigint, balance: bigint, position = one): SpanChange => ({
  position,
  block: block(number),
  balance,
  attribution: moved('c'),
})
const ends = (answer: bigint | string, coverage: CoverageKind = 'exact', position = one): SpanPosition => ({
  position,
  coverage,
  reading:
    typeof answer === 'bigint'
      ? { kind: 'balance', position, balance: answer }
      : { kind: 'failed', position, reason: answer },
})

describe('decideSpan', () => {
  it('makes a record and an event of each change, each following on the one before', () => {
    const { records, events, coverage, stale } = decide([covered], [change(12n, 130n), change(15n, 90n)], [ends(90n)])
    expect(records).toMatchObject([
      { block: block(12n), balance: 130n, previousBalance: 100n, ...moved('c') },
      { block: block(15n), balance: 90n, previousBalance: 130n },
    ])
    expect(events).toMatchObject([
      { type: 'balance.updated', data: { blockNumber: 12n, blockHash: hashOf(12n), changeAmount: 30n } },
      { type: 'balance.updated', data: { blockNumber: 15n, previousBalance: 130n, newBalance: 90n } },
    ])
    expect([...coverage]).toEqual([[1n, 'exact']])
    expect(stale).toEqual([])
  })

  it('tells the changes of all positions in block order', () => {
    const other: StoredPosition = { ...covered, ...two, id: 2n }
    const changes = [change(12n, 1n), change(13n, 7n, two), change(14n, 2n), change(14n, 8n, two)]
    const { records, events } = decide([covered, other], changes, [ends(8n, 'exact', two), ends(2n)])
    expect(records.map((record) => [record.block.number, record.balance])).toEqual([
      [12n, 1n],
      [13n, 7n],
      [14n, 8n],
      [14n, 2n],
    ])
    expect(events.map((event) => 'blockNumber' in event.data && event.data.blockNumber)).toEqual([12n, 13n, 14n, 14n])
  })

  it('covers a position without changes as it was searched', () => {
    expect([...decide([covered], [], [ends(100n)]).coverage]).toEqual([[1n, 'exact']])
    expect([...decide([covered], [], [ends(100n, 'sampled')]).coverage]).toEqual([[1n, 'sampled']])
  })

  it('starts a position that was never read at the last block, without a word on the blocks before', () => {
    const fresh: StoredPosition = { ...covered, lastBalance: null, covered: false, fresh: true }
    const { records, events } = decide([fresh], [change(12n, 130n)], [ends(130n)])
    expect(records).toMatchObject([{ block: { number: 20n }, balance: 130n, previousBalance: null, cause: null }])
    expect(events).toMatchObject([{ type: 'position.started', data: { blockNumber: 20n, balance: 130n } }])
  })

  it('turns a position stale that cannot be read at the end, and takes none of its changes', () => {
    const decision = decide([covered], [change(12n, 130n)], [ends('it reverted')])
    expect(decision).toMatchObject({ records: [], events: [], stale: [{ positionId: 1n, reason: 'it reverted' }] })
    expect(decision.coverage.size).toBe(0)
  })

  it('says no more than once why a position is stale', () => {
    const stale: StoredPosition = { ...covered, covered: false, staleReason: 'it reverted' }
    expect(decide([stale], [], [ends('it reverted')]).stale).toEqual([])
    expect(decide([stale], [], [ends('no contract')]).stale).toHaveLength(1)
  })

  it('does not pin the first difference of a stale position on the block after the cursor', () => {
    const stale: StoredPosition = { ...covered, covered: false, staleReason: 'it reverted' }
    const { records } = decide([stale], [change(11n, 130n), change(12n, 140n)], [{ ...ends(140n), before: 100n }])
    expect(records).toMatchObject([
      { block: { number: 11n }, transactionHashes: [], cause: 'unknown', unexplained: 30n },
      { block: { number: 12n }, ...moved('c') },
    ])
  })

  it('says no more than the last balance of a position that had changed unseen before the span', () => {
    const stale: StoredPosition = { ...covered, covered: false, staleReason: 'it reverted' }
    const { records, coverage } = decide([stale], [change(12n, 140n)], [{ ...ends(140n), before: 90n }])
    expect(records).toMatchObject([{ block: { number: 20n }, balance: 140n, previousBalance: 100n, cause: 'unknown' }])
    expect([...coverage]).toEqual([[1n, 'sampled']])
    expect(decide([stale], [], [{ ...ends(100n), before: 90n }])).toMatchObject({ records: [] })
  })

  it('passes over a change that changes nothing', () => {
    expect(decide([covered], [change(12n, 100n)], [ends(100n)]).records).toEqual([])
  })

  it('records the balance at the end where the changes do not lead to it, and proves nothing then', () => {
    const { records, coverage } = decide([covered], [change(12n, 130n)], [ends(150n)])
    expect(records).toMatchObject([
      { block: { number: 12n }, balance: 130n },
      { block: { number: 20n }, balance: 150n, previousBalance: 130n, cause: 'unknown', unexplained: 20n },
    ])
    expect([...coverage]).toEqual([[1n, 'sampled']])
  })

  it('keeps one record for the last block when a change there is not what was read at the end', () => {
    const { records } = decide([covered], [change(20n, 130n)], [ends(150n)])
    expect(records).toMatchObject([{ block: { number: 20n }, balance: 150n, previousBalance: 100n }])
    expect(decide([covered], [change(20n, 130n)], [ends(100n)]).records).toEqual([])
  })

  it('passes over a position that is no longer watched', () => {
    const decision = decide([], [change(12n, 130n)], [ends(130n)])
    expect([decision.records, decision.coverage.size]).toEqual([[], 0])
  })

  it('records of an accruing position what a transaction moved, and else a sample every ten minutes', () => {
    const accruing: StoredPosition = { ...covered, accruing: true }
    const grows = (number: bigint): SpanChange => ({
      ...change(number, 100n + number),
      attribution: { transactionHashes: [], cause: 'rebase', unexplained: 1n },
    })
    const changes = [grows(11n), grows(12n), { ...change(13n, 500n) }, grows(14n)]
    const now = block(10n).timestampSeconds
    const sampled = decide([accruing], changes, [ends(114n)], new Map([[positionKey(one), now]]))
    expect(sampled.records).toMatchObject([{ block: { number: 13n }, balance: 500n, previousBalance: 100n }])
    expect(sampled.coverage.size).toBe(0)
    const overdue = decide([accruing], changes, [ends(114n)], new Map([[positionKey(one), now - 590]]))
    expect(overdue.records.map((record) => record.block.number)).toEqual([11n, 13n])
  })

  it('records of an accruing position that was not searched what was read at the end, when a sample is due', () => {
    const accruing: StoredPosition = { ...covered, accruing: true }
    const now = target.timestampSeconds
    const end = [ends(114n, 'sampled')]
    const due = decide([accruing], [], end, new Map([[positionKey(one), now - 600]]))
    expect(due.records).toMatchObject([{ block: { number: target.number }, balance: 114n, previousBalance: 100n }])
    expect(due.coverage.size).toBe(0)
    expect(decide([accruing], [], end, new Map([[positionKey(one), now - 599]])).records).toEqual([])
    expect(decide([accruing], [], [ends(100n, 'sampled')]).records).toEqual([])
  })
})

function decide(
  positions: readonly StoredPosition[],
  changes: readonly SpanChange[],
  seen: readonly SpanPosition[],
  sampledAtSeconds: ReadonlyMap<string, number> = new Map(),
): SpanDecision & { readonly events: readonly TidemarkEvent[] } {
  const byKey = new Map(positions.map((position) => [positionKey(position), position]))
  const decision = decideSpan(
    { positions: byKey, parent, sampledAtSeconds },
    { target, headers: [target], changes, positions: seen, finality: { safe: null, finalized: null } },
  )
  return { ...decision, events: [...decision.events] }
}
