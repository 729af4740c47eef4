import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { BlockHeader } from '../../src/model/block.js'
import { blockTime } from '../../src/model/block.js'
import type { Position } from '../../src/model/position.js'
import { PostgresCoverageReader } from '../../src/storage/postgres/coverage-runs.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import {
  blockCommit,
  chainId,
  header,
  historyCommit,
  openStore,
  record,
  row,
  solver,
  spanCommit,
} from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'

const position: Position = { chainId, token: 'native', solver }
const timeOf = (number: bigint): Date => blockTime(header(number))

let fixture: StoreFixture

beforeEach(async () => {
  fixture = await openStore()
})

afterEach(async () => {
  await fixture.close()
})

/** Such as `exact 10 at 10 to 14 at 14`, where the times are given as the blocks that have them. */
async function spans(): Promise<readonly string[]> {
  const [covered] = await new PostgresCoverageReader(fixture.database).timedCoverage([position])
  const blockAt = (time: Date | null): string =>
    time === null ? '?' : String((time.getTime() / 1000 - header(0n).timestampSeconds) / 12)
  return (covered?.intervals ?? []).map(
    ({ kind, from, to, fromTime, toTime }) => `${kind} ${from} at ${blockAt(fromTime)} to ${to} at ${blockAt(toTime)}`,
  )
}

async function follow(from: bigint, to: bigint, change: Parameters<typeof blockCommit>[2] = {}): Promise<void> {
  for (let number = from; number <= to; number += 1n) {
    await fixture.store.commitBlock(blockCommit(header(number - 1n), header(number), number === from ? change : {}))
  }
}

/** Goes over many blocks that nobody looks at, so that no header of those before is kept. */
async function leap(from: bigint, to: bigint): Promise<void> {
  const headers: BlockHeader[] = [header(to)]
  await fixture.store.commitSpan(spanCommit(header(from), headers))
}

describe('coverage', () => {
  it('knows the times of its first and last block long after their headers went', async () => {
    const id = fixture.native
    await follow(10n, 14n, { opened: [id], records: [record(id, 5n, null)] })
    await follow(15n, 16n, { stale: [{ positionId: id, reason: 'it failed' }] })
    expect(await spans()).toEqual(['exact 10 at 10 to 14 at 14'])
    await leap(16n, 5000n)
    expect(await spans()).toEqual(['exact 10 at 10 to 14 at 14'])

    const stats = await new PostgresRecordReader(fixture.database).stats({ position })
    expect(stats).toMatchObject({
      averageBalance: 5n,
      coverage: [{ from: timeOf(10n), to: timeOf(14n), kind: 'exact' }],
    })
  })

  it('keeps them while history is filled in before it, and learns those of what is filled in', async () => {
    const id = fixture.native
    await follow(10n, 14n, { opened: [id], records: [record(id, 5n, null)] })
    await follow(15n, 15n, { stale: [{ positionId: id, reason: 'it failed' }] })
    await leap(15n, 5000n)
    const records = [row(id, header(3n), 7n, null)]
    await fixture.store.commitHistory(historyCommit(id, 3n, header(9n), { records }))
    expect(await spans()).toEqual(['exact 3 at 3 to 14 at 14'])
    await fixture.store.commitHistory(
      historyCommit(id, 1000n, header(2000n), { records: [row(id, header(1000n), 7n, null)], coverage: 'sampled' }),
    )
    expect(await spans()).toEqual(['exact 3 at 3 to 14 at 14', 'sampled 1000 at 1000 to 2000 at 2000'])
  })

  it('goes back with a reorganisation, and on with the times of the new branch', async () => {
    const id = fixture.native
    await follow(10n, 14n, { opened: [id], records: [record(id, 5n, null)] })
    await follow(15n, 15n, { stale: [{ positionId: id, reason: 'it failed' }] })
    await fixture.rollBack(header(15n), header(12n))
    expect(await spans()).toEqual(['exact 10 at 10 to null at 12'])
    const late = { ...header(13n, 'b', 'a'), timestampSeconds: header(14n).timestampSeconds }
    await fixture.store.commitBlock(blockCommit(header(12n), late))
    const next = { ...header(14n, 'b'), timestampSeconds: header(16n).timestampSeconds }
    await fixture.store.commitBlock(blockCommit(late, next, { stale: [{ positionId: id, reason: 'it failed' }] }))
    expect(await spans()).toEqual(['exact 10 at 10 to 13 at 14'])
  })
})
