import type {
  SnapshotList,
  SnapshotListRequest,
  SnapshotReader,
  SnapshotSeriesRequest,
} from '../../snapshots/snapshot-reader.js'
import type { SnapshotSeries } from '../../model/snapshot-series.js'
import type { Queryable } from './database.js'
import { MINUTE_MS } from './range-pieces.js'
import type { Span } from './range-pieces.js'
import { selectCount, selectPage } from './snapshot-list.js'
import type { ListPlace } from './snapshot-list.js'
import { readSnapshot } from './snapshot-row.js'
import type { SnapshotRow } from './snapshot-row.js'
import { bucketWidthMs, readBucket, selectSeries } from './snapshot-series.js'
import type { SeriesRow } from './snapshot-series.js'

/** No snapshot is older: reports with an earlier time are refused. */
const TIME_MIN = 0
/** No snapshot is younger by far. */
const TIME_MAX = Date.UTC(9999, 0)

export interface ReaderLimits {
  /** An offset up to this is reached by going through the rows; beyond, whole minutes are skipped by their sums. */
  readonly walkedMax: number
  /** Snapshots in a range up to which its buckets may be shorter than a minute: those are worked out from the rows. */
  readonly shortBucketRowsMax: number
}

const defaultLimits: ReaderLimits = { walkedMax: 1000, shortBucketRowsMax: 50_000 }

/** Reads stored snapshots out of PostgreSQL: from sums where there are some, from the rows for the rest. */
export class PostgresSnapshotReader implements SnapshotReader {
  readonly #database: Queryable

  readonly #limits: ReaderLimits

  constructor(database: Queryable, limits: ReaderLimits = defaultLimits) {
    this.#database = database
    this.#limits = limits
  }

  async list(request: SnapshotListRequest): Promise<SnapshotList | null> {
    const { limit, offset, before, from, to } = request
    const span = spanOf(from, to)
    const place = before === undefined ? null : await this.#placeOf(before)
    if (before !== undefined && place === null) return null
    const end = { ts: new Date(span.end), seq: 0n }
    const below = place === null || place.ts.getTime() >= span.end ? end : place
    const rows = await this.#database.query<SnapshotRow & { total: string; id: string | null }>(
      selectPage(
        { span, below, limit: limit + 1, offset, walkedMax: this.#limits.walkedMax },
        from === undefined && to === undefined,
      ),
    )
    const found = rows.filter(({ id }) => id !== null)
    return {
      snapshots: found.slice(0, limit).map(readSnapshot),
      total: Number(rows[0]?.total ?? 0),
      hasMore: found.length > limit,
    }
  }

  async series(request: SnapshotSeriesRequest): Promise<SnapshotSeries> {
    const span = spanOf(request.from, request.to)
    const bucketMs = await this.#bucketWidthMs(span, request.points)
    const rows = await this.#database.query<SeriesRow>(selectSeries(request, span, bucketMs))
    return { bucketMs, buckets: rows.map(readBucket) }
  }

  /** Short buckets need every row to be read, so they are given only where there are not too many. */
  async #bucketWidthMs(span: Span, points: number): Promise<number> {
    const widthMs = bucketWidthMs(span, points)
    if (widthMs >= MINUTE_MS) return widthMs
    const rows = await this.#database.query<{ total: string }>(selectCount(span))
    return Number(rows[0]?.total ?? 0) <= this.#limits.shortBucketRowsMax ? widthMs : MINUTE_MS
  }

  async #placeOf(id: string): Promise<ListPlace | null> {
    const rows = await this.#database.query<{ ts: Date; seq: string }>({
      name: 'snapshot-place',
      text: 'select ts, seq from tidemark."BalanceSnapshot" where id = $1',
      values: [id],
    })
    const row = rows[0]
    return row === undefined ? null : { ts: row.ts, seq: BigInt(row.seq) }
  }
}

function spanOf(from: Date | undefined, to: Date | undefined): Span {
  const start = Math.min(Math.max(from?.getTime() ?? TIME_MIN, TIME_MIN), TIME_MAX)
  // Times are kept to the millisecond, so that the next one is the first that is not meant.
  return { from: start, end: Math.min(Math.max((to?.getTime() ?? TIME_MAX) + 1, start), TIME_MAX) }
}
