import { describe, expect, it } from 'vitest'

import type { Address } from '../model/address.js'
import type { BlockHeader } from '../model/block.js'
import type { Attribution, BalanceReading } from '../model/chain-event.js'
import { positionKey } from '../model/position.js'
import type { Hash, Position } from '../model/position.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import { decideBlock } from './decide-block.js'
import type { BlockDecision } from './decide-block.js'
import type { StoredPosition } from './ledger-store.js'

const hash = (digit: string): Hash => `0x${digit.repeat(64)}`
const header: BlockHeader = { number: 7n, hash: hash('7'), parentHash: hash('6'), timestampSeconds: 1_700_000_000 }
const solver: Address = `0x${'a1'.repeat(20)}`
const position: Position = { chainId: 1n, token: 'native', solver }
const unnamed: TokenMetadata = { decimals: null, symbol: null, name: null }
const ether: TokenMetadata = { decimals: 18, symbol: 'ETH', name: 'Ether' }
const sole: Attribution = { transactionHashes: [hash('a')], cause: 'transfer', unexplained: 0n }

const watched: StoredPosition = {
  ...position,
  id: 1n,
  lastBalance: 100n,
  accruing: false,
  covered: true,
  fresh: false,
  staleReason: null,
  metadata: ether,
}
const fresh: StoredPosition = { ...watched, lastBalance: null, covered: false, fresh: true }
const takenUpAgain: StoredPosition = { ...watched, covered: false, fresh: true }
const stale: StoredPosition = { ...watched, covered: false, staleReason: 'it reverted' }
const nothing: BlockDecision = { records: [], opened: [], stale: [], events: [] }

describe('a position that was read at the block before', () => {
  it('gets nothing when its balance is the same', () => {
    expect(decide(watched, 100n)).toEqual(nothing)
    expect(decide({ ...watched, lastBalance: 0n }, 0n)).toEqual(nothing)
  })

  it('gets a record and an event when it differs, with the sole transaction', () => {
    const { records, opened, stale: turned, events } = decide(watched, 130n, sole)
    expect(records).toEqual([{ positionId: 1n, balance: 130n, previousBalance: 100n, ...sole, metadata: ether }])
    expect([opened, turned]).toEqual([[], []])
    expect(events).toEqual([
      {
        type: 'balance.updated',
        data: {
          chainId: 1n,
          tokenAddress: 'native',
          solverAddress: solver,
          blockNumber: 7n,
          blockHash: header.hash,
          timestamp: new Date(1_700_000_000_000),
          previousBalance: 100n,
          newBalance: 130n,
          changeAmount: 30n,
          transactionHash: hash('a'),
          transactionHashes: [hash('a')],
          cause: 'transfer',
          unexplained: 0n,
        },
      },
    ])
  })

  it('gets a record of zero when it was emptied', () => {
    expect(decide(watched, 0n).records).toMatchObject([{ balance: 0n, previousBalance: 100n }])
  })

  it.each<[string, Attribution | undefined]>([
    ['no transaction was found', undefined],
    ['several moved it', { transactionHashes: [hash('a'), hash('b')], cause: 'transfer' as const, unexplained: 0n }],
    [
      'one is known but does not explain all',
      { transactionHashes: [hash('a')], cause: 'unknown' as const, unexplained: 1n },
    ],
  ])('names no sole transaction when %s', (_name, attribution) => {
    const [event] = decide(watched, 130n, attribution).events
    expect(event?.data).not.toHaveProperty('transactionHash')
    expect(event?.data).toMatchObject({ transactionHashes: attribution?.transactionHashes ?? [] })
  })

  it('turns stale, with its balance as it was, when it cannot be read', () => {
    expect(decide(watched, 'it reverted')).toEqual({ ...nothing, stale: [{ positionId: 1n, reason: 'it reverted' }] })
  })
})

describe('a position that was never read', () => {
  it.each([0n, 5n])('starts with a record of its first balance, also when that is %s', (balance) => {
    const { records, opened, events } = decide(fresh, balance, sole)
    expect(records).toEqual([
      {
        positionId: 1n,
        balance,
        previousBalance: null,
        transactionHashes: [],
        cause: null,
        unexplained: 0n,
        metadata: ether,
      },
    ])
    expect(opened).toEqual([1n])
    expect(events).toMatchObject([{ type: 'position.started', data: { balance, blockNumber: 7n, symbol: 'ETH' } }])
  })

  it('has no balance, not even zero, while it cannot be read', () => {
    expect(decide(fresh, 'it reverted')).toEqual({ ...nothing, stale: [{ positionId: 1n, reason: 'it reverted' }] })
  })

  it('starts once it can be read', () => {
    const { records, opened, events } = decide({ ...fresh, staleReason: 'it reverted' }, 5n)
    expect(records).toMatchObject([{ balance: 5n, previousBalance: null }])
    expect(opened).toEqual([1n])
    expect(events).toMatchObject([{ type: 'position.started' }])
  })
})

describe('a position that is watched again', () => {
  it.each([100n, 5n])('starts anew, with a record whatever its balance: %s', (balance) => {
    const { records, opened, events } = decide(takenUpAgain, balance, sole)
    expect(records).toMatchObject([{ balance, previousBalance: null, transactionHashes: [] }])
    expect(opened).toEqual([1n])
    expect(events).toMatchObject([{ type: 'position.started', data: { balance } }])
  })
})

describe('a stale position', () => {
  it('is covered again without a record when its balance is the same', () => {
    expect(decide(stale, 100n)).toEqual({ ...nothing, opened: [1n] })
  })

  it('gets a record when it differs, not pinned on the transactions of this block', () => {
    const { records, opened, events } = decide(stale, 70n, sole)
    expect(records).toMatchObject([
      { balance: 70n, previousBalance: 100n, transactionHashes: [], cause: 'unknown', unexplained: -30n },
    ])
    expect(opened).toEqual([1n])
    expect(events).toMatchObject([{ type: 'balance.updated', data: { changeAmount: -30n } }])
  })

  it('is told once for each reason', () => {
    expect(decide(stale, 'it reverted')).toEqual(nothing)
    expect(decide(stale, 'no contract')).toMatchObject({ stale: [{ positionId: 1n, reason: 'no contract' }] })
  })

  it('turns stale again for the same reason once it was covered: a rollback may have been between', () => {
    const followed = { ...stale, covered: true }
    expect(decide(followed, 'it reverted')).toEqual({ ...nothing, stale: [{ positionId: 1n, reason: 'it reverted' }] })
  })
})

describe('a position that grows by itself', () => {
  const grown: Attribution = { transactionHashes: [], cause: 'rebase', unexplained: 30n }
  const sampledAgo = (seconds: number) => new Map([[positionKey(position), header.timestampSeconds - seconds]])
  const grow = (sampled: ReadonlyMap<string, number>, attribution: Attribution): BlockDecision => {
    const positions = new Map([[positionKey(position), { ...watched, accruing: true }]])
    return decideBlock(positions, observe({ kind: 'balance', position, balance: 130n }, attribution), sampled)
  }

  it('gets no record in the ten minutes after its last one', () => {
    expect(grow(sampledAgo(599), grown)).toEqual(nothing)
  })

  it('gets one afterwards', () => {
    expect(grow(sampledAgo(600), grown).records).toMatchObject([{ balance: 130n, previousBalance: 100n, ...grown }])
    expect(grow(new Map(), grown).records).toHaveLength(1)
  })

  it('gets one at once for what a transaction moved', () => {
    expect(grow(sampledAgo(1), sole).records).toMatchObject([{ balance: 130n, ...sole }])
  })
})

describe('decideBlock', () => {
  it('passes over a reading of a position that is no longer watched', () => {
    expect(decideBlock(new Map(), observe({ kind: 'balance', position, balance: 5n }))).toEqual(nothing)
  })

  it('takes the metadata of this block before the stored one', () => {
    const observation = observe({ kind: 'balance', position, balance: 5n })
    const positions = new Map([[positionKey(position), { ...watched, metadata: unnamed }]])
    const metadata = new Map([['native' as const, ether]])
    expect(decideBlock(positions, observation).records).toMatchObject([{ metadata: unnamed }])
    expect(decideBlock(positions, { ...observation, metadata }).records).toMatchObject([{ metadata: ether }])
  })
})

/** What is decided when a position is read with a balance, or not read for a reason. */
function decide(stored: StoredPosition, answer: bigint | string, attribution?: Attribution): BlockDecision {
  const reading: BalanceReading =
    typeof answer === 'bigint'
      ? { kind: 'balance', position, balance: answer }
      : { kind: 'failed', position, reason: answer }
  return decideBlock(new Map([[positionKey(position), stored]]), observe(reading, attribution))
}

function observe(reading: BalanceReading, attribution?: Attribution) {
  return {
    header,
    readings: [reading],
    attributions: new Map(attribution === undefined ? [] : [[positionKey(position), attribution]]),
    metadata: new Map(),
    finality: { safe: null, finalized: null },
  }
}
