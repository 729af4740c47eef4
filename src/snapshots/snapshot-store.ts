import type { Snapshot } from '../model/snapshot.js'

/** A valid snapshot on its way into the store. */
export interface SnapshotDraft extends Snapshot {
  readonly idempotencyKey: string | null
  /** SHA-256 of the body before defaults. */
  readonly bodyHash: Buffer
}

/** What became of a draft. */
export type CommitOutcome =
  | { readonly kind: 'saved'; readonly snapshot: Snapshot }
  /** The key was used before with the same body: this is the first row. */
  | { readonly kind: 'repeated'; readonly snapshot: Snapshot }
  /** The key was used before with another body: nothing was stored. */
  | { readonly kind: 'conflict'; readonly snapshot: Snapshot }

/** Where snapshots are committed; `SnapshotReader` reads them back. */
export interface SnapshotStore {
  /**
   * Commits a batch with its events in one transaction. Outcomes are in the order of the drafts; keys within a batch
   * are distinct.
   */
  commit(drafts: readonly SnapshotDraft[]): Promise<readonly CommitOutcome[]>
}
