import type { HistoryRequest, Page } from '../../ledger/balance-reader.js'
import type {
  PastBalancesRequest,
  RecordRange,
  RecordReader,
  SeriesRequest,
  StatsRequest,
} from '../../ledger/record-reader.js'
import type { Instant } from '../../model/instant.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import type { BalanceSeries, BalanceStats, PastBalance } from '../../model/balance-statistics.js'
import type { Position } from '../../model/position.js'
import type { Queryable } from './database.js'
import { selectPastBalance, selectPastBalances } from './past-balances.js'
import { selectHistory, streamRecords } from './record-history.js'
import { selectSeries } from './record-series.js'
import { selectStats } from './record-stats.js'

/** Balances over time out of PostgreSQL. Each answer is one statement, and so of one moment; a stream is many. */
export class PostgresRecordReader implements RecordReader {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  history(request: HistoryRequest): Promise<Page<BalanceRecord> | null> {
    return selectHistory(this.#database, request)
  }

  streamHistory(range: RecordRange): AsyncIterable<BalanceRecord> {
    return streamRecords(this.#database, range)
  }

  balanceAt(position: Position, instant: Instant): Promise<PastBalance | null> {
    return selectPastBalance(this.#database, position, instant)
  }

  balancesAt(request: PastBalancesRequest): Promise<Page<PastBalance>> {
    return selectPastBalances(this.#database, request)
  }

  stats(request: StatsRequest): Promise<BalanceStats | null> {
    return selectStats(this.#database, request)
  }

  series(request: SeriesRequest): Promise<BalanceSeries | null> {
    return selectSeries(this.#database, request)
  }
}
