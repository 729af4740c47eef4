import { expect } from 'vitest'

import type { HistoryRequest } from '../../src/ledger/balance-reader.js'
import type { PastBalancesRequest, RecordRange, RecordReader } from '../../src/ledger/record-reader.js'
import type { BalanceRecord } from '../../src/model/balance-record.js'
import type { PastBalance } from '../../src/model/balance-statistics.js'
import type { Position } from '../../src/model/position.js'
import { RecordQueries } from '../../src/storage/mongodb/record-queries.js'
import { AnnouncedCoverage } from '../../src/storage/mongodb/announced-coverage.js'
import { CopyWatch } from '../../src/storage/mongodb/copy-watch.js'
import { MongoDbRecordReader } from '../../src/storage/mongodb/record-reader.js'
import { PostgresCoverageReader } from '../../src/storage/postgres/coverage-runs.js'
import { PostgresUnannouncedHistory } from '../../src/storage/postgres/unannounced-history.js'
import { NaiveRecordReader } from '../support/naive-record-reader.js'
import type { KnownPosition } from '../support/naive-record-reader.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { drawFrom } from './mongodb-fixture.js'
import type { Copier } from './mongodb-fixture.js'

/** A reader of the copy, built as the service builds it, but with small pages and little patience. */
export function readerOf(fixture: StoreFixture, copier: Copier): MongoDbRecordReader {
  const { source, place, connection } = copier
  return new MongoDbRecordReader({
    queries: new RecordQueries(connection.records, 7),
    watch: new CopyWatch({ place, source, waitMs: 500 }),
    source,
    coverage: new AnnouncedCoverage(
      new PostgresCoverageReader(fixture.database),
      new PostgresUnannouncedHistory(fixture.database),
    ),
    positions: fixture.reader,
  })
}

/** Everything that is stored of some positions, in one list each. */
export async function everythingOf(fixture: StoreFixture, positions: readonly Position[]): Promise<NaiveRecordReader> {
  const coverage = await new PostgresCoverageReader(fixture.database).timedCoverage(positions)
  const known: KnownPosition[] = []
  for (const [index, position] of positions.entries()) {
    const covered = coverage[index]
    if (covered === null || covered === undefined) throw new Error('expected a position that was watched')
    const page = await fixture.reader.history({ position, limit: 100_000 })
    known.push({ position, records: (page?.items ?? []).toReversed(), coverage: covered })
  }
  return new NaiveRecordReader(known)
}

/** Asks a reader all kinds of questions, drawn by a seed, and compares its answers with the plain ones. */
export async function compareAnswers(
  reader: RecordReader,
  naive: NaiveRecordReader,
  {
    positions,
    seed,
    questions,
  }: { readonly positions: readonly Position[]; readonly seed: number; readonly questions: number },
): Promise<void> {
  const asked = new Questions(naive, positions, seed)
  for (let count = 0; count < questions; count += 1) {
    const position = asked.position()
    const range = { position, ...asked.times(), ...asked.blocks() }
    const limit = asked.oneOf([1, 2, 3, 7, 50])
    expect(await pagesOf(reader, { ...range, limit }), said('history', { ...range, limit })).toEqual(
      naive.history(range),
    )
    expect(await collect(reader.streamHistory(range)), said('stream', range)).toEqual(naive.history(range))

    const block = asked.block()
    expect(await reader.balanceAt(position, { block }), said('balance at', { position, block })).toEqual(
      naive.balanceAt(position, { block }),
    )
    const time = asked.time()
    expect(await reader.balanceAt(position, { time }), said('balance at', { position, time })).toEqual(
      naive.balanceAt(position, { time }),
    )
    const filter = asked.oneOf([
      {},
      { token: position.token },
      { solver: position.solver },
      { chainId: position.chainId },
    ])
    expect(
      await pastPagesOf(reader, { ...filter, time, limit: asked.oneOf([1, 2, 50]) }),
      said('balances at', { ...filter, time }),
    ).toEqual(naive.balancesAt({ ...filter, time }))

    const times = { position, ...asked.times() }
    expect(await reader.stats(times), said('stats', times)).toEqual(naive.stats(times))
    const frame = { ...times, points: asked.oneOf([1, 2, 5, 40, 2000]) }
    expect(await reader.series(frame), said('series', frame)).toEqual(naive.series(frame))
  }
}

/** All pages of a history; null for a position that was never watched. */
export async function pagesOf(reader: RecordReader, request: HistoryRequest): Promise<readonly BalanceRecord[] | null> {
  const items: BalanceRecord[] = []
  let beforeBlock = request.beforeBlock
  for (;;) {
    const page = await reader.history({ ...request, beforeBlock })
    if (page === null) return null
    expect(page.items.length).toBeLessThanOrEqual(request.limit)
    items.push(...page.items)
    if (page.nextCursor === null) return items
    beforeBlock = page.nextCursor
  }
}

export async function collect(records: AsyncIterable<BalanceRecord>): Promise<readonly BalanceRecord[]> {
  const items: BalanceRecord[] = []
  for await (const record of records) items.push(record)
  return items
}

async function pastPagesOf(reader: RecordReader, request: PastBalancesRequest): Promise<readonly PastBalance[]> {
  const items: PastBalance[] = []
  let { after } = request
  for (;;) {
    const page = await reader.balancesAt({ ...request, after })
    expect(page.items.length).toBeLessThanOrEqual(request.limit)
    items.push(...page.items)
    if (page.nextCursor === null) return items
    after = page.nextCursor
  }
}

/** Draws blocks and times that matter: those of records and coverage, a little beside them, and far away. */
class Questions {
  readonly #positions: readonly Position[]
  readonly #draw: (bound: number) => number
  readonly #times: readonly number[]
  readonly #blocks: readonly bigint[]

  constructor(naive: NaiveRecordReader, positions: readonly Position[], seed: number) {
    this.#positions = positions
    this.#draw = drawFrom(seed)
    const records = positions.flatMap((position) => naive.history({ position }) ?? [])
    this.#times = records.map(({ timestamp }) => timestamp.getTime())
    this.#blocks = records.map(({ blockNumber }) => blockNumber)
  }

  oneOf<Item>(items: readonly Item[]): Item {
    const item = items[this.#draw(items.length)]
    if (item === undefined) throw new Error('expected an item')
    return item
  }

  position(): Position {
    return this.oneOf(this.#positions)
  }

  time(): Date {
    const near = this.oneOf(this.#times) + this.oneOf([-86_400_000, -1000, -1, 0, 0, 0, 1, 1000, 86_400_000])
    return new Date(this.oneOf([near, near, near, near, near, near, 0, Date.UTC(2500, 0)]))
  }

  block(): bigint {
    const near = this.oneOf(this.#blocks) + this.oneOf([-1n, 0n, 0n, 1n])
    return this.oneOf([near, near, near, near, near, 0n, 2n ** 63n - 1n, 2n ** 70n])
  }

  times(): Pick<RecordRange, 'from' | 'to'> {
    return { ...this.#sometimes('from', () => this.time()), ...this.#sometimes('to', () => this.time()) }
  }

  blocks(): Pick<RecordRange, 'fromBlock' | 'toBlock'> {
    return { ...this.#sometimes('fromBlock', () => this.block()), ...this.#sometimes('toBlock', () => this.block()) }
  }

  #sometimes<Name extends string, Value>(name: Name, value: () => Value): { readonly [Key in Name]?: Value } {
    const given: { [Key in Name]?: Value } = {}
    if (this.#draw(2) === 0) given[name] = value()
    return given
  }
}

function said(question: string, request: object): string {
  return `${question} ${JSON.stringify(request, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`
}
