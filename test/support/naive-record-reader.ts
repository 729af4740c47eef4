import type { HistoryRequest } from '../../src/ledger/balance-reader.js'
import type {
  PastBalancesRequest,
  PositionCoverage,
  RecordRange,
  SeriesRequest,
  StatsRequest,
} from '../../src/ledger/record-reader.js'
import type { Instant } from '../../src/model/instant.js'
import { certaintyAt } from '../../src/model/statistics/certainty.js'
import { SeriesFold } from '../../src/model/statistics/series-fold.js'
import { StatsFold } from '../../src/model/statistics/stats-fold.js'
import type { BalanceRecord } from '../../src/model/balance-record.js'
import type { BalanceSeries, BalanceStats, PastBalance } from '../../src/model/balance-statistics.js'
import { positionKey } from '../../src/model/position.js'
import type { Position } from '../../src/model/position.js'

/** One position, all of it. */
export interface KnownPosition {
  readonly position: Position
  /** Oldest first. */
  readonly records: readonly BalanceRecord[]
  readonly coverage: PositionCoverage
}

/** What a record reader should answer, found by looking at everything there is. */
export class NaiveRecordReader {
  readonly #known: readonly KnownPosition[]

  constructor(known: readonly KnownPosition[]) {
    this.#known = known
  }

  /** All of a range, newest first; null for a position that was never watched. */
  history(range: RecordRange & Partial<Pick<HistoryRequest, 'beforeBlock'>>): readonly BalanceRecord[] | null {
    const known = this.#of(range.position)
    if (known === null) return null
    return known.records
      .filter(({ blockNumber, timestamp }) => {
        if (range.beforeBlock !== undefined && blockNumber >= range.beforeBlock) return false
        if (range.fromBlock !== undefined && blockNumber < range.fromBlock) return false
        if (range.toBlock !== undefined && blockNumber > range.toBlock) return false
        if (range.from !== undefined && timestamp < range.from) return false
        return range.to === undefined || timestamp <= range.to
      })
      .toReversed()
  }

  balanceAt(position: Position, instant: Instant): PastBalance | null {
    const known = this.#of(position)
    const processed = known?.coverage.processed
    if (known === null || processed === null || processed === undefined) return null
    const record = known.records.findLast((candidate) =>
      'block' in instant ? candidate.blockNumber <= instant.block : candidate.timestamp <= instant.time,
    )
    if (record === undefined) return null
    const clipped =
      'block' in instant
        ? { block: instant.block < processed.number ? instant.block : processed.number }
        : { time: instant.time < processed.timestamp ? instant.time : processed.timestamp }
    const { chainId, token, solver, decimals, symbol, name, balance, blockNumber, blockHash, timestamp } = record
    const certainty = certaintyAt(known.coverage.intervals, clipped)
    return { chainId, token, solver, decimals, symbol, name, balance, certainty, blockNumber, blockHash, timestamp }
  }

  /** All pages of it. */
  balancesAt({ chainId, token, solver, time }: Omit<PastBalancesRequest, 'limit' | 'after'>): readonly PastBalance[] {
    return this.#known
      .filter(({ position }) => chainId === undefined || position.chainId === chainId)
      .filter(({ position }) => token === undefined || position.token === token)
      .filter(({ position }) => solver === undefined || position.solver === solver)
      .flatMap(({ position }) => this.balanceAt(position, { time }) ?? [])
  }

  stats({ position, from, to }: StatsRequest): BalanceStats | null {
    const known = this.#of(position)
    const processed = known?.coverage.processed
    if (known === null || processed === null || processed === undefined) return null
    const end = to === undefined || to > processed.timestamp ? processed.timestamp : to
    const fold = new StatsFold({ from: from ?? null, to: end, intervals: known.coverage.intervals })
    for (const record of known.records) fold.add(record)
    return fold.finish()
  }

  series({ position, from, to, points }: SeriesRequest): BalanceSeries | null {
    const known = this.#of(position)
    const processed = known?.coverage.processed
    if (known === null || processed === null || processed === undefined) return null
    const end = to === undefined || to > processed.timestamp ? processed.timestamp : to
    const first = from ?? known.records[0]?.timestamp ?? end
    const start = first > end ? end : first
    const fold = new SeriesFold({ from: start, to: end, points, intervals: known.coverage.intervals })
    for (const record of known.records) fold.add(record)
    return fold.finish()
  }

  #of(position: Position): KnownPosition | null {
    return this.#known.find((candidate) => positionKey(candidate.position) === positionKey(position)) ?? null
  }
}
