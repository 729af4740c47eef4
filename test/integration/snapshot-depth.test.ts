import { randomUUID } from 'node:crypto'

import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import type { BookName, SeriesBucket, SeriesValue } from '../../src/model/snapshot-series.js'
import type { ReportedAmount, ReportedBook, Snapshot } from '../../src/model/snapshot.js'
import type { SnapshotSeriesRequest } from '../../src/snapshots/snapshot-reader.js'
import type { SnapshotDraft } from '../../src/snapshots/snapshot-store.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresSnapshotReader } from '../../src/storage/postgres/snapshot-reader.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { PostgresSnapshotUpkeep } from '../../src/storage/postgres/snapshot-upkeep.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const COMMIT_TIMEOUT_MS = 10_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * 60 * MINUTE_MS
/** Reports lie in the five hours from here on. */
const BASE_MS = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 50 * DAY_MS
const SPREAD_MS = 5 * 60 * MINUTE_MS

interface StoredRow {
  readonly seq: bigint
  readonly id: string
  readonly ts: Date
  readonly onchain: Readonly<Record<string, string>>
  readonly onsite: Readonly<Record<string, string>>
}

/** Times that like to meet: on minutes and hours, next to them, and the same ones again. */
const timeArbitrary = fc.oneof(
  fc.nat(SPREAD_MS),
  fc.nat(5).map((hour) => hour * 60 * MINUTE_MS),
  fc.tuple(fc.nat(300), fc.integer({ min: -1, max: 1 })).map(([minute, beside]) => minute * MINUTE_MS + beside),
  fc.nat(20).map((second) => 2 * 60 * MINUTE_MS + second * 1000),
)
const instant = timeArbitrary.map((offset) => new Date(BASE_MS + offset))

const amount: fc.Arbitrary<ReportedAmount> = fc.oneof(
  fc.constantFrom<ReportedAmount>(0, 1, 1.5, '1.50', '1.5', 0.1, 1e-7, 5e-324, Number.MAX_SAFE_INTEGER, '0.000'),
  fc.constantFrom<ReportedAmount>(`${'9'.repeat(78)}.${'9'.repeat(36)}`, `${'9'.repeat(78)}.${'9'.repeat(35)}8`),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
)
const book: fc.Arbitrary<ReportedBook> = fc.dictionary(fc.constantFrom('a', 'b', 'toString'), amount, { minKeys: 1 })

const draft = fc.record({ ts: instant, onchain: book, onsite: book }).map((report) => draftOf(report))

function draftOf(report: Pick<Snapshot, 'ts' | 'onchain' | 'onsite'>): SnapshotDraft {
  return {
    snapshot: { ...report, id: randomUUID(), pid: null },
    onchainJson: JSON.stringify(report.onchain),
    onsiteJson: JSON.stringify(report.onsite),
    idempotency: null,
  }
}

type Step =
  | { readonly kind: 'save'; readonly drafts: readonly SnapshotDraft[] }
  | { readonly kind: 'rollUp'; readonly limit: number }
  | { readonly kind: 'prune'; readonly cutoff: Date; readonly events: number; readonly limit: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('save' as const),
      drafts: fc.array(draft, { minLength: 1, maxLength: 40 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('rollUp' as const), limit: fc.integer({ min: 1, max: 60 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('prune' as const),
      cutoff: instant,
      events: fc.nat(60),
      limit: fc.integer({ min: 1, max: 40 }),
    }),
  },
)

const series: fc.Arbitrary<SnapshotSeriesRequest> = fc
  .record({
    book: fc.constantFrom<BookName>('onchain', 'onsite'),
    asset: fc.constantFrom('a', 'b', 'toString', 'unknown'),
    ends: fc.tuple(instant, instant),
    points: fc.oneof(fc.integer({ min: 2, max: 30 }), fc.constant(2000)),
  })
  .map(({ ends, ...request }) => {
    const [from, to] = ends.toSorted((a, b) => a.getTime() - b.getTime())
    return { ...request, from: from ?? ends[0], to: to ?? ends[1] }
  })

const page = fc.record({
  limit: fc.integer({ min: 1, max: 50 }),
  offset: fc.nat(150),
  before: fc.option(fc.nat(200)),
  from: fc.option(instant, { nil: undefined }),
  to: fc.option(instant, { nil: undefined }),
})

class Store {
  readonly database: Database
  readonly store: PostgresSnapshotStore
  readonly reader: PostgresSnapshotReader
  readonly upkeep: PostgresSnapshotUpkeep
  readonly log: PostgresEventLog

  readonly address: TestDatabase['address']

  constructor(database: Database, address: TestDatabase['address']) {
    this.address = address
    this.database = database
    this.store = new PostgresSnapshotStore(database)
    // Small limits, so that a few rows are enough to get beyond them.
    this.reader = new PostgresSnapshotReader(database, { walkedMax: 5, shortBucketRowsMax: 60 })
    this.upkeep = new PostgresSnapshotUpkeep(database)
    this.log = new PostgresEventLog(database, silentLogger)
  }

  /** All there is, newest first, with amounts as plain text of their exact value. */
  async rows(): Promise<readonly StoredRow[]> {
    const rows = await this.database.query<{
      seq: string
      id: string
      ts: Date
      onchain: ReportedBook
      onsite: ReportedBook
    }>({
      name: 'all-snapshots',
      text: 'select seq, id, ts, onchain, onsite from tidemark."BalanceSnapshot" order by ts desc, seq desc',
    })
    return rows.map((row) => ({
      ...row,
      seq: BigInt(row.seq),
      onchain: exactBook(row.onchain),
      onsite: exactBook(row.onsite),
    }))
  }

  async execute(given: Step): Promise<void> {
    switch (given.kind) {
      case 'save':
        await this.store.commit(given.drafts, COMMIT_TIMEOUT_MS)
        return
      case 'rollUp':
        await this.upkeep.rollUp(given.limit)
        return
      case 'prune':
        await this.#prune(given)
    }
  }

  /** Lets the oldest events be old, and runs retention until nothing is left to do. */
  async #prune({ cutoff, events, limit }: Extract<Step, { kind: 'prune' }>): Promise<void> {
    await this.database.query({
      name: 'age-events',
      text: `update tidemark.event set at = now() - interval '40 days'
             where seq < (select coalesce(min(seq), 0) from tidemark.event) + $1`,
      values: [events],
    })
    while ((await this.upkeep.pruneEvents(30, limit)) !== 0);
    const days = (Date.now() - cutoff.getTime()) / DAY_MS
    let from: Date | null = null
    for (;;) {
      const progress = await this.upkeep.pruneSnapshots(days, from, limit)
      if (progress?.next === null) break
      // The sums are behind what may go.
      if (progress === null) await this.upkeep.rollUp(limit)
      else from = progress.next
    }
    await this.#checkPruned(new Date(Math.floor(cutoff.getTime() / MINUTE_MS) * MINUTE_MS))
  }

  async #checkPruned(cutoff: Date): Promise<void> {
    const { oldestSeq } = await this.log.head()
    const [state] = await this.database.query<{ rolled_up_seq: string }>({
      name: 'rolled-up',
      text: 'select rolled_up_seq from tidemark.snapshot_upkeep',
    })
    const rolledUp = BigInt(state?.rolled_up_seq ?? 0)
    const left = (await this.rows()).filter(({ ts, seq }) => ts < cutoff && seq < oldestSeq && seq <= rolledUp)
    expect(left).toEqual([])
    const orphans = await this.database.query({
      name: 'orphans',
      text: `select seq from tidemark.event where not exists (
               select 1 from tidemark."BalanceSnapshot" as snapshot where snapshot.seq = event.seq)`,
    })
    expect(orphans).toEqual([])
  }
}

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const testDatabase = await createTestDatabase()
  const database = new Database(testDatabase.address, silentLogger)
  try {
    await work(new Store(database, testDatabase.address))
  } finally {
    await database.close()
    await testDatabase.drop()
  }
}

/** Exact plain decimal text without zeros at its end; a number is the shortest decimal that names the double. */
function exactText(reported: ReportedAmount): string {
  const [mantissa = '', exponent = '0'] = String(reported).split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const shift = Number(exponent)
  const digits = whole + fraction
  const point = whole.length + shift
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0')
  const at = Math.max(point, 1)
  const text = `${padded.slice(0, at)}.${padded.slice(at)}`.replace(/0+$/, '').replace(/\.$/, '')
  return text.replace(/^0+(?=\d)/, '')
}

function exactBook(reported: ReportedBook): Record<string, string> {
  return Object.fromEntries(Object.entries(reported).map(([asset, value]) => [asset, exactText(value)]))
}

function compareAmounts(a: string, b: string): number {
  const [wholeA = '', fractionA = ''] = a.split('.')
  const [wholeB = '', fractionB = ''] = b.split('.')
  if (wholeA.length !== wholeB.length) return wholeA.length - wholeB.length
  if (wholeA !== wholeB) return wholeA < wholeB ? -1 : 1
  const length = Math.max(fractionA.length, fractionB.length)
  const [left, right] = [fractionA.padEnd(length, '0'), fractionB.padEnd(length, '0')]
  return left === right ? 0 : left < right ? -1 : 1
}

/** The series as it follows from the rows, one by one, oldest first. */
function seriesOf(rows: readonly StoredRow[], request: SnapshotSeriesRequest, bucketMs: number): SeriesBucket[] {
  const buckets = new Map<number, SeriesBucket>()
  for (const row of rows.toReversed()) {
    const reported = Object.hasOwn(row[request.book], request.asset) ? row[request.book][request.asset] : undefined
    if (reported === undefined || row.ts < request.from || row.ts > request.to) continue
    const start = Math.floor(row.ts.getTime() / bucketMs) * bucketMs
    const value: SeriesValue = { ts: row.ts, amount: reported }
    const bucket = buckets.get(start)
    if (bucket === undefined) {
      buckets.set(start, { start: new Date(start), count: 1, first: value, last: value, min: value, max: value })
      continue
    }
    buckets.set(start, {
      ...bucket,
      count: bucket.count + 1,
      last: value,
      min: compareAmounts(value.amount, bucket.min.amount) < 0 ? value : bucket.min,
      max: compareAmounts(value.amount, bucket.max.amount) > 0 ? value : bucket.max,
    })
  }
  return [...buckets.values()]
}

describe('snapshots read at depth', () => {
  it(
    'are what follows from the rows, however far the sums have come and whatever retention took away',
    async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(series, { minLength: 6, maxLength: 6 }),
        fc.array(page, { minLength: 12, maxLength: 12 }),
        (steps, requests, pages) =>
          withStore(async (store) => {
            for (const given of steps) await store.execute(given)
            const rows = await store.rows()
            for (const request of requests) {
              const { bucketMs, buckets } = await store.reader.series(request)
              expect(buckets).toEqual(seriesOf(rows, request, bucketMs))
              expect(buckets.length).toBeLessThanOrEqual(request.points)
            }
            for (const { before, ...request } of pages) {
              const anchor = before === null ? undefined : rows[before % Math.max(1, rows.length)]
              const list = await store.reader.list({ ...request, before: anchor?.id })
              const inRange = rows.filter(
                ({ ts }) =>
                  (request.from === undefined || ts >= request.from) && (request.to === undefined || ts <= request.to),
              )
              const below = anchor === undefined ? inRange : inRange.filter((row) => isBelow(row, anchor))
              const expected = below.slice(request.offset, request.offset + request.limit)
              expect(list?.snapshots.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
              expect(list?.total).toBe(inRange.length)
              expect(list?.hasMore).toBe(below.length > request.offset + request.limit)
            }
          }),
      )
      await fc.assert(property, { numRuns: times(12, 400) })
    },
    longTimeoutMs,
  )

  it('stay right in the hour and the ten minutes that retention cuts', async () => {
    await withStore(async (store) => {
      const at = (minute: number): Date => new Date(BASE_MS + minute * MINUTE_MS)
      const drafts = Array.from({ length: 180 }, (_, minute) =>
        draftOf({ ts: at(minute), onchain: { a: minute }, onsite: { a: 180 - minute } }),
      )
      await store.store.commit(drafts, COMMIT_TIMEOUT_MS)
      await store.upkeep.rollUp(1000)
      await store.execute({ kind: 'prune', cutoff: at(85), events: 1000, limit: 7 })
      const rows = await store.rows()
      expect(rows).toHaveLength(95)
      for (const [points, minutes] of [
        [4, 60],
        [19, 10],
        [181, 1],
      ] as const) {
        const request = {
          book: 'onchain' as const,
          asset: 'a',
          from: at(0),
          to: new Date(at(180).getTime() - 1),
          points,
        }
        const { bucketMs, buckets } = await store.reader.series(request)
        expect(bucketMs).toBe(minutes * MINUTE_MS)
        expect(buckets).toEqual(seriesOf(rows, request, bucketMs))
      }
      const from = at(0)
      expect(await store.reader.list({ limit: 1, offset: 0, from })).toMatchObject({ total: 95 })
      expect(await store.reader.list({ limit: 10, offset: 90, from })).toMatchObject({ total: 95, hasMore: false })
    })
  })

  it('are summed up once, whoever of several processes does it while others save', async () => {
    await withStore(async (store) => {
      const others = [1, 2].map(() => new Database(store.address, silentLogger))
      const upkeeps = [store.upkeep, ...others.map((database) => new PostgresSnapshotUpkeep(database))]
      let saving = true
      let locked = 0
      const steps = upkeeps.map(async (upkeep) => {
        while (saving) if ((await upkeep.rollUp(50)) === null) locked += 1
      })
      const drafts = fc.sample(draft, { numRuns: 600, seed: 7 })
      for (let first = 0; first < drafts.length; first += 20)
        await store.store.commit(drafts.slice(first, first + 20), COMMIT_TIMEOUT_MS)
      saving = false
      await Promise.all(steps)
      while (((await store.upkeep.rollUp(1000))?.behind ?? 1n) > 0n);
      // Somebody came while another one was at it, or the test shows nothing.
      expect(locked).toBeGreaterThan(0)
      const rows = await store.rows()
      for (const asset of ['a', 'b']) {
        const from = new Date(BASE_MS)
        const request = { book: 'onsite' as const, asset, from, to: new Date(BASE_MS + SPREAD_MS), points: 6 }
        const { bucketMs, buckets } = await store.reader.series(request)
        expect(bucketMs % HOUR_MS).toBe(0)
        expect(buckets).toEqual(seriesOf(rows, request, bucketMs))
      }
      await Promise.all(others.map((database) => database.close()))
    })
  })

  it('are saved and read while somebody holds the sums for long', async () => {
    await withStore(async (store) => {
      const holder = new pg.Client(store.address)
      await holder.connect()
      await holder.query('begin')
      await holder.query('select 1 from tidemark.snapshot_upkeep for update')
      const drafts = fc.sample(draft, { numRuns: 30, seed: 8 })
      await store.store.commit(drafts, COMMIT_TIMEOUT_MS)
      expect(await store.upkeep.rollUp(10)).toBeNull()
      expect(await store.upkeep.pruneSnapshots(1, null, 10)).toBeNull()
      const from = new Date(BASE_MS)
      expect(await store.reader.list({ limit: 50, offset: 10, from })).toMatchObject({ total: 30, hasMore: false })
      await holder.end()
    })
  })

  it('leave the log only when nobody has to read their event any more', async () => {
    await withStore(async (store) => {
      await store.store.commit(fc.sample(draft, { numRuns: 10, seed: 9 }), COMMIT_TIMEOUT_MS)
      await store.upkeep.rollUp(100)
      const run = (text: string): Promise<unknown> => store.database.query({ name: '', text })
      await run(`update tidemark.event set at = now() - interval '40 days'`)
      await run(`insert into tidemark.event_consumer (name, seq) values ('slow', 4), ('quick', 9)`)
      expect(await store.upkeep.pruneEvents(30, 100)).toBe(4)
      expect((await store.log.head()).oldestSeq).toBe(5n)
      await run('delete from tidemark.event_consumer')
      expect(await store.upkeep.pruneEvents(41, 100)).toBe(0)
      expect(await store.upkeep.pruneEvents(30, 100)).toBe(6)
      expect(await store.log.head()).toMatchObject({ seq: 10n, oldestSeq: 11n })
    })
  })

  it('come in buckets as short as fits, but not shorter than a minute where there are very many', async () => {
    await withStore(async (store) => {
      const ts = (ms: number): Date => new Date(BASE_MS + ms)
      const books = { onchain: { a: 1 }, onsite: { a: 2 } }
      const drafts = (count: number): SnapshotDraft[] =>
        Array.from({ length: count }, (_, index) => draftOf({ ...books, ts: ts(index * 10) }))
      await store.store.commit(drafts(60), COMMIT_TIMEOUT_MS)
      const request = { book: 'onchain' as const, asset: 'a', from: ts(0), to: ts(599), points: 61 }
      expect((await store.reader.series(request)).bucketMs).toBe(10)
      await store.store.commit(drafts(1), COMMIT_TIMEOUT_MS)
      expect((await store.reader.series(request)).bucketMs).toBe(MINUTE_MS)
    })
  })
})

function isBelow(row: StoredRow, anchor: StoredRow): boolean {
  return row.ts < anchor.ts || (row.ts.getTime() === anchor.ts.getTime() && row.seq < anchor.seq)
}
