import type { BookName, SnapshotSeries } from '../model/snapshot-series.js'
import type { Snapshot } from '../model/snapshot.js'

export interface SnapshotListRequest {
  readonly limit: number
  readonly offset: number
  /** Only what comes after this snapshot in the list: keyset paging. */
  readonly before?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

export interface SnapshotList {
  readonly snapshots: readonly Snapshot[]
  /** Rows kept; with `from` or `to`, rows in that range. */
  readonly total: number
  readonly hasMore: boolean
}

export interface SnapshotSeriesRequest {
  readonly book: BookName
  readonly asset: string
  /** Inclusive. */
  readonly from: Date
  /** Inclusive. */
  readonly to: Date
  /** The most buckets that may come back; at least 2. */
  readonly points: number
}

/** Reading side of the snapshots. */
export interface SnapshotReader {
  /** Newest first, by `(ts, seq)`; null when `before` names no snapshot. */
  list(request: SnapshotListRequest): Promise<SnapshotList | null>
  /** What was reported of one asset in a time range, in at most so many buckets. */
  series(request: SnapshotSeriesRequest): Promise<SnapshotSeries>
}
