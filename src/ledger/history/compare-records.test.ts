import { describe, expect, it } from 'vitest'

import type { CoverageKind, SpanChange } from '../../model/chain-event.js'
import type { Hash, Position } from '../../model/position.js'
import type { StoredRecord } from '../ledger-store.js'
import { compareRecords, noteOf } from './compare-records.js'
import type { Difference } from './compare-records.js'

const position: Position = { chainId: 1n, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const hashOf = (number: bigint): Hash => `0x${number.toString(16).padStart(64, '0')}`
const start = { number: 10n, hash: hashOf(10n), parentHash: hashOf(9n), timestampSeconds: 1_700_000_000 }

type Entry = readonly [block: bigint, balance: bigint]

const change = ([number, balance]: Entry): SpanChange => ({
  position,
  block: { number, hash: hashOf(number), timestampSeconds: 1_700_000_000 },
  balance,
  attribution: { transactionHashes: [], cause: 'unknown', unexplained: 0n },
})
const record = ([blockNumber, balance]: Entry): StoredRecord => ({
  positionId: 1n,
  position,
  blockNumber,
  blockHash: hashOf(blockNumber),
  balance,
})

/** The chain holds 5 at block 10, and 7 from block 12 on, and 9 from block 15 on. */
const changes: readonly Entry[] = [
  [12n, 7n],
  [15n, 9n],
]

describe('compareRecords', () => {
  it('finds nothing where the records are what the chain says', () => {
    expect(
      compare([
        [8n, 5n],
        [12n, 7n],
        [15n, 9n],
      ]),
    ).toEqual([])
  })

  it.each<[string, readonly Entry[], readonly unknown[]]>([
    [
      'a missing one',
      [
        [8n, 5n],
        [15n, 9n],
      ],
      [['missing', 12n, null, 7n]],
    ],
    [
      'a wrong one',
      [
        [8n, 5n],
        [12n, 8n],
        [15n, 9n],
      ],
      [['wrong', 12n, 8n, 7n]],
    ],
    [
      'one too many',
      [
        [8n, 5n],
        [12n, 7n],
        [13n, 1n],
        [15n, 9n],
      ],
      [['extra', 13n, 1n, null]],
    ],
    [
      'a balance that was wrong before',
      [
        [8n, 4n],
        [12n, 7n],
        [15n, 9n],
      ],
      [['missing', 10n, null, 5n]],
    ],
    [
      'a wrong one at the start',
      [
        [10n, 4n],
        [12n, 7n],
        [15n, 9n],
      ],
      [['wrong', 10n, 4n, 5n]],
    ],
    [
      'none at all',
      [],
      [
        ['missing', 10n, null, 5n],
        ['missing', 12n, null, 7n],
        ['missing', 15n, null, 9n],
      ],
    ],
  ])('finds %s', (_name, stored, expected) => {
    expect(compare(stored).map(({ kind, block, stored: was, found }) => [kind, block.number, was, found])).toEqual(
      expected,
    )
  })

  it('finds a record of another block with the same number', () => {
    const [first, second] = [record([12n, 7n]), record([15n, 9n])]
    const found = compareRecords(
      { start, startBalance: 5n, changes: changes.map(change), coverage: 'exact' },
      { before: record([8n, 5n]), records: [{ ...first, blockHash: hashOf(99n) }, second] },
    )
    expect(found).toMatchObject([{ kind: 'wrong', block: { hash: hashOf(12n) }, stored: 7n, found: 7n }])
    expect(found.map(noteOf)).toMatchObject([{ note: 'record of another block with this number' }])
  })

  it('takes a record that only repeats the balance for no difference', () => {
    expect(
      compare([
        [8n, 5n],
        [12n, 7n],
        [13n, 7n],
        [15n, 9n],
      ]),
    ).toEqual([])
  })

  it('tells only by what was found where that may not be all', () => {
    expect(
      compare(
        [
          [8n, 5n],
          [12n, 7n],
          [13n, 1n],
          [14n, 7n],
          [15n, 9n],
        ],
        'sampled',
      ),
    ).toEqual([])
    expect(
      compare(
        [
          [8n, 5n],
          [11n, 7n],
          [15n, 9n],
        ],
        'sampled',
      ),
    ).toEqual([])
    expect(
      compare(
        [
          [8n, 5n],
          [15n, 9n],
        ],
        'sampled',
      ),
    ).toMatchObject([{ kind: 'missing', found: 7n }])
    expect(
      compare(
        [
          [8n, 5n],
          [12n, 7n],
          [15n, 8n],
        ],
        'sampled',
      ),
    ).toMatchObject([{ kind: 'wrong', found: 9n }])
  })
})

function compare(stored: readonly Entry[], coverage: CoverageKind = 'exact'): readonly Difference[] {
  const records = stored.map(record)
  return compareRecords(
    { start, startBalance: 5n, changes: changes.map(change), coverage },
    {
      before: records.findLast(({ blockNumber }) => blockNumber <= start.number) ?? null,
      records: records.filter(({ blockNumber }) => blockNumber > start.number),
    },
  )
}
