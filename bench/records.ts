import { setImmediate } from 'node:timers/promises'

import type { RecordReader } from '../src/ledger/record-reader.js'
import type { Instant } from '../src/model/instant.js'
import type { Position } from '../src/model/position.js'
import { createRandom } from '../src/testing/random.js'
import type { Random } from '../src/testing/random.js'
import { median, quantile } from './quantile.js'
import { CHAIN_ID, POSITIONS, YEAR_MS, layRecordsGround } from './records-ground.js'
import type { RecordsGround } from './records-ground.js'
import { measureCatchUp } from './records-catch-up.js'
import type { CatchUpRow } from './records-catch-up.js'

/** How often each question is asked. */
export interface Asking {
  readonly requests: number
  readonly warmUp: number
  /** Positions of one look at a portfolio. */
  readonly portfolio: number
}

const PORTFOLIO = 1000
const usual: Asking = { requests: 200, warmUp: 20, portfolio: PORTFOLIO }

export interface ReadRow {
  readonly query: string
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface Records {
  readonly ground: Record<string, number>
  readonly reads: readonly ReadRow[]
  readonly stream: Record<string, number>
  readonly writes: readonly CatchUpRow[]
}

/** What balances over time cost with many records stored, and how fast catching up stores more of them. */
export async function measureRecords(rows: number): Promise<Records> {
  const ground = await layRecordsGround(rows)
  try {
    const { fillSeconds, sizeMiB, bigRows } = ground
    const { reader, records } = ground.storage
    const random = createRandom(2)
    const reads = [
      await measure('all current balances of 1,000 positions', usual, () =>
        reader.currentBalances({ limit: PORTFOLIO, after: anyPage(random) }),
      ),
      ...(await measureReads(ground, records, usual)),
      await measure('totals by token', usual, () => reader.totals({ by: 'token', limit: 100 })),
    ]
    const stream = await measureStream(ground)
    const writes = await measureCatchUp(ground)
    return { ground: { rows, positions: POSITIONS, bigRows, fillSeconds, sizeMiB }, reads, stream, writes }
  } finally {
    await ground.close()
  }
}

/** What one reader's answers take. */
export async function measureReads(ground: RecordsGround, records: RecordReader, asking: Asking): Promise<ReadRow[]> {
  const random = createRandom(1)
  const positions = await allPositions(ground)
  const anyPosition = (): Position => random.pick(positions)
  const [big] = positions
  if (big === undefined) throw new Error('invariant: there are positions')
  const anyTime = (): Date => new Date(ground.beginMs + random.integer(0, YEAR_MS))
  const anyBlock = (): bigint => ground.cursor.number - BigInt(random.integer(0, YEAR_MS / 12_000))
  const between = (): { from: Date; to: Date } => {
    const [one, other] = [anyTime(), anyTime()]
    return one < other ? { from: one, to: other } : { from: other, to: one }
  }
  const anyInstant = (): Instant => (random.integer(0, 1) === 0 ? { block: anyBlock() } : { time: anyTime() })
  return [
    await measure('history, 100 before any block of any position', asking, () =>
      records.history({ position: anyPosition(), limit: 100, beforeBlock: anyBlock() }),
    ),
    await measure('history, 100 before any block of the big position', asking, () =>
      records.history({ position: big, limit: 100, beforeBlock: anyBlock() }),
    ),
    await measure('history, 100 between two times of the big position', asking, () =>
      records.history({ position: big, limit: 100, ...between() }),
    ),
    await measure('statistics of the big position, all of it', asking, () => records.stats({ position: big })),
    await measure('statistics of the big position, between two times', asking, () =>
      records.stats({ position: big, ...between() }),
    ),
    await measure('statistics of any position', asking, () => records.stats({ position: anyPosition() })),
    await measure('the big position, a year as 2,000 points', asking, () =>
      records.series({ position: big, points: 2000 }),
    ),
    await measure('any position, a year as 500 points', asking, () =>
      records.series({ position: anyPosition(), points: 500 }),
    ),
    await measure('one balance as of any block or time', asking, async () => {
      // Before a position's first record nothing is known of it.
      return (await records.balanceAt(anyPosition(), anyInstant())) ?? 'nothing'
    }),
    await measure(`portfolio of ${asking.portfolio.toLocaleString('en')} positions as of any time`, asking, () =>
      records.balancesAt({ time: anyTime(), limit: asking.portfolio, after: anyPage(random) }),
    ),
  ]
}

/** So that a whole portfolio follows. */
function anyPage(random: Random): bigint {
  return BigInt(random.integer(0, POSITIONS - PORTFOLIO))
}

async function allPositions({ storage }: RecordsGround): Promise<readonly Position[]> {
  const positions = await storage.ledger.loadPositions(CHAIN_ID)
  return positions.toSorted((one, other) => Number(one.id - other.id))
}

/** All records of the big position, read to the end. */
async function measureStream(ground: RecordsGround): Promise<Record<string, number>> {
  console.error('records: stream …')
  const [position] = await allPositions(ground)
  if (position === undefined) throw new Error('invariant: there are positions')
  let count = 0
  const startedAt = performance.now()
  for await (const { balance } of ground.storage.records.streamHistory({ position })) {
    if (balance < 0n) throw new Error('invariant: a balance is never negative')
    count += 1
  }
  const seconds = (performance.now() - startedAt) / 1000
  if (count !== ground.bigRows) throw new Error(`expected ${ground.bigRows} records, got ${count}`)
  return { records: count, seconds, recordsPerSecond: count / seconds }
}

async function measure(query: string, { requests, warmUp }: Asking, work: () => Promise<unknown>): Promise<ReadRow> {
  console.error(`records: ${query} …`)
  for (let index = 0; index < warmUp; index += 1) await work()
  const times: number[] = []
  for (let index = 0; index < requests; index += 1) {
    await setImmediate()
    const startedAt = performance.now()
    const answer = await work()
    times.push(performance.now() - startedAt)
    if (answer === null) throw new Error(`${query}: expected an answer, got null`)
  }
  return { query, p50Ms: median(times), p95Ms: quantile(times, 0.95), p99Ms: quantile(times, 0.99) }
}
