import type { ReportedBook, Snapshot } from '../../model/snapshot.js'

/** The columns a snapshot is read from. Type json is parsed by the driver; its numbers are the doubles that were sent. */
export interface SnapshotRow {
  readonly id: string
  readonly ts: Date
  readonly pid: string | null
  readonly onchain: ReportedBook
  readonly onsite: ReportedBook
}

export function readSnapshot(row: SnapshotRow): Snapshot {
  return {
    id: row.id,
    ts: row.ts,
    pid: row.pid === null ? null : Number(row.pid),
    onchain: row.onchain,
    onsite: row.onsite,
  }
}
