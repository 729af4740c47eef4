import type { CommitOutcome, SnapshotDraft, SnapshotStore } from '../../snapshots/snapshot-store.js'
import { commitSnapshots } from './commit-snapshots.js'
import type { Database } from './database.js'

/** Where reported snapshots are committed in PostgreSQL. */
export class PostgresSnapshotStore implements SnapshotStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  commit(drafts: readonly SnapshotDraft[], timeoutMs: number): Promise<readonly CommitOutcome[]> {
    return commitSnapshots(this.#database, drafts, timeoutMs)
  }
}
