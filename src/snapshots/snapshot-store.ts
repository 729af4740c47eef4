import { RetryableError, TidemarkError } from '../model/errors.js'
import type { Snapshot } from '../model/snapshot.js'

/** A valid snapshot on its way into the store. */
export interface SnapshotDraft {
  readonly snapshot: Snapshot
  /** The books as JSON text, as they are stored. */
  readonly onchainJson: string
  readonly onsiteJson: string
  /** What makes a repeated request known; null for a snapshot that came without a key. */
  readonly idempotency: Idempotency | null
}

export interface Idempotency {
  readonly key: string
  /** SHA-256 of the body before defaults, in hex: tells a repeated request from a different one. */
  readonly bodyHash: string
}

/** What became of a draft. */
export type CommitOutcome =
  /** `seq` is the place of its event in the log; null when the store does not tell. */
  | { readonly kind: 'saved'; readonly snapshot: Snapshot; readonly seq: bigint | null }
  /** The key was used before with the same body: this is the first row. */
  | { readonly kind: 'repeated'; readonly snapshot: Snapshot }
  /** The key was used before with another body: nothing was stored. */
  | { readonly kind: 'conflict'; readonly snapshot: Snapshot }

/** The database refuses the batch for what is in it. Nothing of it was stored, and trying again changes nothing. */
export class BatchRefusedError extends TidemarkError {
  readonly code = 'batch_refused'
}

/** Nothing of the batch was stored, and nothing will be; it may be tried again. */
export class BatchNotStoredError extends RetryableError {
  readonly code = 'batch_not_stored'
}

/** Where snapshots are committed; `SnapshotReader` reads them back. */
export interface SnapshotStore {
  /**
   * Commits a batch with its events in one transaction. Outcomes are in the order of the drafts; of drafts with one key
   * the first one is stored.
   *
   * @param timeoutMs how long it may take, the wait for a connection included
   * @throws {BatchRefusedError} at least one draft cannot be stored
   * @throws {BatchNotStoredError} none was stored
   * @throws any other error: the batch may have been stored, or may still be
   */
  commit(drafts: readonly SnapshotDraft[], timeoutMs: number): Promise<readonly CommitOutcome[]>
}
