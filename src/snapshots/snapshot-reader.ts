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

/** Reading side of the snapshots. */
export interface SnapshotReader {
  /** Newest first, by `(ts, seq)`; null when `before` names no snapshot. */
  list(request: SnapshotListRequest): Promise<SnapshotList | null>
}
