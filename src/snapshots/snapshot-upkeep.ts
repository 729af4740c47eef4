/** How far the sums over snapshots have come. */
export interface RollUpProgress {
  /** Everything up to here is in the sums. */
  readonly seq: bigint
  /** Events that came after. */
  readonly behind: bigint
}

/** What one step of retention did. */
export interface PruneProgress {
  readonly deleted: number
  /** Where to go on; null when nothing more is to be deleted now. */
  readonly next: Date | null
}

/**
 * Work on stored snapshots and events that nobody waits for.
 *
 * Invariants: each step is one transaction, after which every list, total and series answers as if it were worked out
 * from the rows; one process at a time takes a step; an event never refers to a deleted snapshot.
 */
export interface SnapshotUpkeep {
  /**
   * Takes the snapshots of the next `limit` seqs into the sums.
   *
   * @returns null when another process is at it.
   */
  rollUp(limit: number): Promise<RollUpProgress | null>
  /**
   * Deletes the oldest events up to `limit`, but none that is younger than `days` and none that a registered consumer
   * still has to read.
   *
   * @returns how many; null when another process is at it.
   */
  pruneEvents(days: number, limit: number): Promise<number | null>
  /**
   * Deletes snapshots whose `ts` is older than `days`, minute after minute, as many as fit into `limit` but at least one
   * minute. Snapshots whose event is still in the log stay.
   *
   * @param from where the step before ended; null for the oldest.
   * @returns null when another process is at it, or the sums are too far behind.
   */
  pruneSnapshots(days: number, from: Date | null, limit: number): Promise<PruneProgress | null>
}
