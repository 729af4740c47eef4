import { setTimeout as delay } from 'node:timers/promises'

import { systemClock } from '../src/model/clock.js'
import { silentLogger } from '../src/model/logger.js'
import type { SnapshotReader } from '../src/snapshots/snapshot-reader.js'
import { SnapshotIntake } from '../src/snapshots/snapshot-intake.js'
import { UpkeepWorker } from '../src/snapshots/upkeep-worker.js'
import { PostgresSnapshotReader } from '../src/storage/postgres/snapshot-reader.js'
import { PostgresSnapshotStore } from '../src/storage/postgres/snapshot-store.js'
import { PostgresSnapshotUpkeep } from '../src/storage/postgres/snapshot-upkeep.js'
import { createRandom } from '../src/testing/random.js'
import { SPREAD_DAYS, idOf, layDepthGround } from './depth-ground.js'
import type { DepthGround } from './depth-ground.js'
import { median, quantile } from './quantile.js'

const REQUESTS = 250
const WARM_UP = 20
const DAY_MS = 86_400_000
const CALLERS = 256
const LOAD_MS = 5000

export interface ReadRow {
  readonly query: string
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface WriteRow {
  readonly intake: string
  readonly savedPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Depth {
  readonly ground: Record<string, number>
  readonly reads: readonly ReadRow[]
  readonly writes: readonly WriteRow[]
}

/** What reading costs with many snapshots stored, and what summing up and retention cost the intake beside them. */
export async function measureDepth(rows: number): Promise<Depth> {
  const ground = await layDepthGround(rows)
  try {
    const { fillSeconds, rollUpSeconds, sizeMiB } = ground
    const reads = await measureReads(ground)
    const writes = await measureWrites(ground)
    return {
      ground: { rows, fillSeconds, rollUpSeconds, summedPerSecond: rows / rollUpSeconds, sizeMiB },
      reads,
      writes,
    }
  } finally {
    await ground.close()
  }
}

async function measureReads(ground: DepthGround): Promise<ReadRow[]> {
  const { database, rows, beginMs } = ground
  const reader = new PostgresSnapshotReader(database)
  const random = createRandom(1)
  const anyTime = (leaveMs: number): Date => new Date(beginMs + random.integer(0, SPREAD_DAYS * DAY_MS - leaveMs))
  const anyId = async (): Promise<string> => {
    const found = await database.query<{ id: string }>({
      name: 'any-id',
      text: `select ${idOf} as id from (select $1::bigint as n) as drawn`,
      values: [random.integer(1, rows)],
    })
    return found[0]?.id ?? ''
  }
  const between = (lengthMs: number): { from: Date; to: Date } => {
    const from = anyTime(lengthMs)
    return { from, to: new Date(from.getTime() + lengthMs) }
  }
  const series = (lengthMs: number, points: number) => (): Promise<unknown> =>
    reader.series({ book: 'onchain', asset: 'rlb', ...between(lengthMs), points })
  const deepest = Math.min(1_000_000, Math.floor(rows * 0.9))
  return [
    await measure('newest 100', () => reader.list({ limit: 100, offset: 0 })),
    await measurePages(reader, anyId),
    await measure('100 between two times, with their total', () =>
      reader.list({ limit: 100, offset: 0, ...between(10 * DAY_MS) }),
    ),
    await measure(`100 at offset ${deepest}`, () => reader.list({ limit: 100, offset: deepest })),
    await measure(`100 at any offset up to ${deepest}`, () =>
      reader.list({ limit: 100, offset: random.integer(0, deepest) }),
    ),
    await measure('one hour as 500 points', series(DAY_MS / 24, 500)),
    await measure('one day as 500 points', series(DAY_MS, 500)),
    await measure('one month as 2000 points', series(30 * DAY_MS, 2000)),
    await measure('all months as 2000 points', series(SPREAD_DAYS * DAY_MS - 1, 2000)),
  ]
}

async function measurePages(reader: SnapshotReader, anyId: () => Promise<string>): Promise<ReadRow> {
  const times: number[] = []
  for (let index = 0; index < REQUESTS; index += 1) {
    const before = await anyId()
    times.push(await millisecondsOf(() => reader.list({ limit: 100, offset: 0, before })))
  }
  return summary('100 before any snapshot (keyset)', times)
}

async function measure(query: string, work: () => Promise<unknown>): Promise<ReadRow> {
  console.error(`depth: ${query} …`)
  for (let index = 0; index < WARM_UP; index += 1) await work()
  const times: number[] = []
  for (let index = 0; index < REQUESTS; index += 1) times.push(await millisecondsOf(work))
  return summary(query, times)
}

async function measureWrites({ database }: DepthGround): Promise<WriteRow[]> {
  const intake = new SnapshotIntake({
    store: new PostgresSnapshotStore(database),
    logger: silentLogger,
    onCommitted: () => undefined,
  })
  const worker = (snapshotRetentionDays: number): UpkeepWorker =>
    new UpkeepWorker({
      upkeep: new PostgresSnapshotUpkeep(database),
      clock: systemClock,
      logger: silentLogger,
      snapshotRetentionDays,
      eventRetentionDays: 30,
    })
  const rows: WriteRow[] = []
  const run = async (name: string, callers: number, upkeep: UpkeepWorker | null): Promise<void> => {
    console.error(`depth: intake, ${name} …`)
    upkeep?.start()
    const waker = setInterval(() => upkeep?.wake(), 100)
    rows.push(await load(intake, `${name}, ${callers} callers`, callers))
    clearInterval(waker)
    await upkeep?.close()
  }
  for (const callers of [CALLERS, 4]) {
    await run('alone', callers, null)
    await run('beside summing up', callers, worker(0))
    // Each run deletes a day, as far as it gets.
    await run('beside summing up and retention', callers, worker(SPREAD_DAYS - rows.length / 3 - 1))
  }
  await intake.close()
  return rows
}

async function load(intake: SnapshotIntake, name: string, callers: number): Promise<WriteRow> {
  const times: number[] = []
  const endsAt = performance.now() + LOAD_MS
  let count = 0
  const call = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      count += 1
      const body = { onchain: { rlb: count, usdt: '7656.36' }, onsite: { rlb: count + 0.5, usd: 7646.96 } }
      times.push(await millisecondsOf(() => intake.save(body)))
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  await delay(500)
  return {
    intake: name,
    savedPerSecond: times.length / (LOAD_MS / 1000),
    p50Ms: median(times),
    p99Ms: quantile(times, 0.99),
  }
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function summary(query: string, times: readonly number[]): ReadRow {
  return { query, p50Ms: median(times), p95Ms: quantile(times, 0.95), p99Ms: quantile(times, 0.99) }
}
