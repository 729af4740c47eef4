import type { BalanceReader, HistoryRequest, Page } from '../../ledger/balance-reader.js'
import type {
  CoverageReader,
  PastBalancesRequest,
  PositionCoverage,
  RecordRange,
  RecordReader,
  SeriesRequest,
  StatsRequest,
} from '../../ledger/record-reader.js'
import type { Instant } from '../../model/instant.js'
import { certaintyAt } from '../../model/statistics/certainty.js'
import { SeriesFold } from '../../model/statistics/series-fold.js'
import { StatsFold, statsReachBack } from '../../model/statistics/stats-fold.js'
import type { FoldedRecord } from '../../model/statistics/stats-fold.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import type { BalanceSeries, BalanceStats, PastBalance } from '../../model/balance-statistics.js'
import type { BlockPoint } from '../../model/block.js'
import type { TimedInterval } from '../../model/coverage.js'
import { positionKey } from '../../model/position.js'
import type { Position } from '../../model/position.js'
import type { CopyWatch } from './copy-watch.js'
import { MongoDbUnavailableError } from './mongodb-errors.js'
import type { BlockRange, RecordQueries } from './record-queries.js'
import type { RecordSource } from './record-source.js'

/** History that is rewritten again and again while it is read is told to be busy. */
const ATTEMPTS_MAX = 4
/** A position of millions of records is read no longer than this for one answer. */
const ANSWER_TIMEOUT_MS = 30_000
/** Positions of one answer that are looked up at a time, so that other callers get their turn in between. */
const LOOKUPS_AT_ONCE = 4
/** Pages of positions of which nothing was known by then are passed over, so many for one answer. */
const EMPTY_PAGES_MAX = 20

/** What a reader of the copy asks PostgreSQL for. */
export interface RecordContext {
  /** The log: how far it is, and what it tells of records. */
  readonly source: Pick<RecordSource, 'place' | 'eventsAfter'>
  /** Coverage as far as it was announced: MongoDB has no records before they are. */
  readonly coverage: CoverageReader
  readonly positions: Pick<BalanceReader, 'currentBalances'>
}

export interface MongoDbRecordReaderParts extends RecordContext {
  readonly queries: RecordQueries
  readonly watch: CopyWatch
}

/**
 * Balances over time out of the records that MongoDB keeps. Which positions there are and how they are covered is in
 * PostgreSQL; of the records nothing is read there. Nothing is answered before MongoDB has everything that was committed
 * when the question came.
 *
 * Everything here throws {@link MongoDbUnavailableError} or `MongoDbBehindError` when MongoDB cannot tell.
 */
export class MongoDbRecordReader implements RecordReader {
  readonly #parts: MongoDbRecordReaderParts

  constructor(parts: MongoDbRecordReaderParts) {
    this.#parts = parts
  }

  history(request: HistoryRequest): Promise<Page<BalanceRecord> | null> {
    const { position, limit, beforeBlock, toBlock } = request
    const upTo = beforeBlock === undefined ? toBlock : lower(beforeBlock - 1n, toBlock)
    return this.#whileUnchanged([position], async ([coverage]) => {
      if (coverage === null) return null
      const range = await this.#blocksOf({ ...request, toBlock: upTo })
      const found = range === null ? [] : await this.#parts.queries.newest(position, range, limit + 1)
      const items = found.slice(0, limit)
      return { items, nextCursor: found.length > limit ? (items.at(-1)?.blockNumber ?? null) : null }
    })
  }

  async *streamHistory(request: RecordRange): AsyncIterable<BalanceRecord> {
    const { position } = request
    const range = await this.#whileUnchanged([position], async ([coverage]) =>
      coverage === null ? null : this.#blocksOf(request),
    )
    if (range === null) return
    const { queries, watch } = this.#parts
    const generation = await watch.generation()
    for (let { to } = range; ;) {
      const page = await queries.newest(position, { from: range.from, to }, queries.pageSize)
      yield* page
      const last = page.at(-1)
      if (page.length < queries.pageSize || last === undefined) break
      to = last.blockNumber - 1n
    }
    // MongoDB may have been emptied meanwhile: what was read then is not all.
    if ((await watch.generation()) !== generation) throw rewritten()
  }

  balanceAt(position: Position, instant: Instant): Promise<PastBalance | null> {
    return this.#whileUnchanged([position], ([coverage]) => this.#pastBalance(position, instant, coverage ?? null))
  }

  async balancesAt(request: PastBalancesRequest): Promise<Page<PastBalance>> {
    let after = request.after
    for (let pages = 1; ; pages += 1) {
      const page = await this.#parts.positions.currentBalances({ ...request, after })
      const positions = page.items.map(({ chainId, token, solver }): Position => ({ chainId, token, solver }))
      const items = await this.#whileUnchanged(positions, (coverage) =>
        this.#pastBalances(positions, request.time, coverage),
      )
      if (items.length > 0 || page.nextCursor === null || pages === EMPTY_PAGES_MAX) {
        return { items, nextCursor: page.nextCursor }
      }
      after = page.nextCursor
    }
  }

  stats({ position, from, to }: StatsRequest): Promise<BalanceStats | null> {
    return this.#whileUnchanged([position], async ([coverage]) => {
      if (!isProcessed(coverage)) return null
      const { processed } = coverage
      const intervals = await this.#timed(position, coverage.intervals)
      const range = { from: from ?? null, to: earlier(to, processed), intervals }
      const fold = new StatsFold(range)
      const reachBack = statsReachBack(range)
      for await (const record of this.#records(position, reachBack, { to: range.to, processed })) fold.add(record)
      return fold.finish()
    })
  }

  series({ position, from, to, points }: SeriesRequest): Promise<BalanceSeries | null> {
    return this.#whileUnchanged([position], async ([coverage]) => {
      if (!isProcessed(coverage)) return null
      const { processed } = coverage
      const intervals = await this.#timed(position, coverage.intervals)
      const end = earlier(to, processed)
      const first = from ?? (await this.#parts.queries.oldest(position, {}))?.timestamp ?? end
      const start = first.getTime() > end.getTime() ? end : first
      const fold = new SeriesFold({ from: start, to: end, points, intervals })
      for await (const record of this.#records(position, start, { to: end, processed })) fold.add(record)
      return fold.finish()
    })
  }

  /** Oldest first: the newest record before `since`, and all after it up to the end. */
  async *#records(
    position: Position,
    since: Date | null,
    { to, processed }: { readonly to: Date; readonly processed: BlockPoint },
  ): AsyncIterable<FoldedRecord> {
    const { queries } = this.#parts
    const before = since === null ? null : await queries.nearest(position, { before: since })
    const deadline = performance.now() + ANSWER_TIMEOUT_MS
    for await (const record of queries.ascending(position, { from: before?.blockNumber, to: processed.number })) {
      if (record.timestamp.getTime() > to.getTime()) return
      if (performance.now() > deadline) throw tooMuch()
      yield record
    }
  }

  /** Of those of which something was known by then. */
  async #pastBalances(
    positions: readonly Position[],
    time: Date,
    coverage: readonly (PositionCoverage | null)[],
  ): Promise<readonly PastBalance[]> {
    const deadline = performance.now() + ANSWER_TIMEOUT_MS
    const found: (PastBalance | null)[] = []
    const left = positions.entries()
    const lookUp = async (): Promise<void> => {
      for (const [index, position] of left) {
        if (performance.now() > deadline) throw tooMuch()
        found[index] = await this.#pastBalance(position, { time }, coverage[index] ?? null)
      }
    }
    await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, lookUp))
    return found.filter((balance) => balance !== null)
  }

  /** As of the cursor where the instant is beyond it. */
  async #pastBalance(
    position: Position,
    instant: Instant,
    coverage: PositionCoverage | null,
  ): Promise<PastBalance | null> {
    if (!isProcessed(coverage)) return null
    const { queries } = this.#parts
    const { processed, intervals } = coverage
    const at = withinCursor(instant, processed)
    // At the cursor's own second there may be blocks that are not processed yet.
    const isBefore = 'time' in at && at.time.getTime() < processed.timestamp.getTime()
    const found = isBefore
      ? await queries.nearest(position, { upTo: at.time })
      : (await queries.newest(position, { to: 'block' in at ? at.block : processed.number }, 1))[0]
    if (found === null || found === undefined) return null
    const { chainId, token, solver, decimals, symbol, name, balance, blockNumber, blockHash, timestamp } = found
    const certainty = certaintyAt(await this.#timed(position, intervals), at)
    return { chainId, token, solver, decimals, symbol, name, balance, certainty, blockNumber, blockHash, timestamp }
  }

  /** A bound without a time of its own has that of the nearest record within. */
  async #timed(position: Position, intervals: readonly TimedInterval[]): Promise<readonly TimedInterval[]> {
    const { queries } = this.#parts
    return Promise.all(
      intervals.map(async (interval) => {
        const { from, to } = interval
        const range = { from, to: to ?? undefined }
        const first = interval.fromTime === null ? await queries.oldest(position, range) : null
        const last = interval.toTime === null ? (await queries.newest(position, range, 1))[0] : null
        return {
          ...interval,
          fromTime: interval.fromTime ?? first?.timestamp ?? null,
          toTime: interval.toTime ?? last?.timestamp ?? null,
        }
      }),
    )
  }

  /** The blocks between two times and two blocks; null when there is no record between them. */
  async #blocksOf({ position, from, to, fromBlock, toBlock }: RecordRange): Promise<BlockRange | null> {
    const { queries } = this.#parts
    const [oldest, newest] = await Promise.all([
      from === undefined ? undefined : queries.nearest(position, { since: from }),
      to === undefined ? undefined : queries.nearest(position, { upTo: to }),
    ])
    if (oldest === null || newest === null) return null
    const range = { from: higher(fromBlock, oldest?.blockNumber), to: lower(toBlock, newest?.blockNumber) }
    return range.from !== undefined && range.to !== undefined && range.from > range.to ? null : range
  }

  /**
   * Reads coverage and then records, and both again when history below the cursor was rewritten meanwhile. What else is
   * written meanwhile is above the cursor that came with the coverage.
   */
  async #whileUnchanged<Answer>(
    positions: readonly Position[],
    read: (coverage: readonly (PositionCoverage | null)[]) => Promise<Answer>,
  ): Promise<Answer> {
    const { source, coverage, watch } = this.#parts
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const before = await source.place()
      const covered = await coverage.timedCoverage(positions)
      const cursors = new Map(
        positions.map((position, index) => [positionKey(position), covered[index]?.processed?.number ?? -1n]),
      )
      await watch.caughtUp(cursors)
      const answer = await read(covered)
      if (!(await watch.rewrittenAfter(before, cursors))) return answer
    }
    throw rewritten()
  }
}

function rewritten(): MongoDbUnavailableError {
  return new MongoDbUnavailableError('history was rewritten each time it was read', { trouble: 'busy' })
}

function isProcessed(
  coverage: PositionCoverage | null | undefined,
): coverage is PositionCoverage & { readonly processed: BlockPoint } {
  return coverage !== null && coverage !== undefined && coverage.processed !== null
}

function withinCursor(instant: Instant, processed: BlockPoint): Instant {
  if ('block' in instant) return instant.block > processed.number ? { block: processed.number } : instant
  return { time: earlier(instant.time, processed) }
}

function earlier(time: Date | undefined, { timestamp }: BlockPoint): Date {
  return time !== undefined && time.getTime() < timestamp.getTime() ? time : timestamp
}

function lower(one: bigint | undefined, two: bigint | undefined): bigint | undefined {
  if (one === undefined || two === undefined) return one ?? two
  return one < two ? one : two
}

function higher(one: bigint | undefined, two: bigint | undefined): bigint | undefined {
  if (one === undefined || two === undefined) return one ?? two
  return one > two ? one : two
}

function tooMuch(): MongoDbUnavailableError {
  return new MongoDbUnavailableError(
    `expected an answer out of MongoDB within ${ANSWER_TIMEOUT_MS / 1000} s, got more records than can be read in it`,
    { trouble: 'silent', hint: 'Ask for a shorter time.' },
  )
}
