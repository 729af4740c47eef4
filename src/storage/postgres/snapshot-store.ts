import type { CommitOutcome, SnapshotDraft, SnapshotStore } from '../../snapshots/snapshot-store.js'
import { EVENT_CHANNEL } from './append-events.js'
import { sqlState } from './database.js'
import type { Database } from './database.js'
import { readSnapshot } from './snapshot-row.js'
import type { SnapshotRow } from './snapshot-row.js'

const UNIQUE_VIOLATION = '23505'
/** Rounds against another process that uses the same keys at the same moment; each round settles at least one key. */
const CONFLICT_ROUNDS_MAX = 8

type KeyedRow = SnapshotRow & { readonly idempotency_key: string; readonly body_hash: Buffer }

/** Where reported snapshots are committed in PostgreSQL. */
export class PostgresSnapshotStore implements SnapshotStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async commit(drafts: readonly SnapshotDraft[]): Promise<readonly CommitOutcome[]> {
    for (let round = 1; ; round += 1) {
      const existing = await this.#byKey(drafts)
      const fresh = drafts.filter((draft) => draft.idempotencyKey === null || !existing.has(draft.idempotencyKey))
      try {
        if (fresh.length > 0) await this.#insert(fresh)
        return drafts.map((draft) => outcomeOf(draft, existing))
      } catch (error) {
        // Another process stored one of the keys between the look-up and the insert: nothing was written, look again.
        if (sqlState(error) !== UNIQUE_VIOLATION || round === CONFLICT_ROUNDS_MAX) throw error
      }
    }
  }

  async #byKey(drafts: readonly SnapshotDraft[]): Promise<ReadonlyMap<string, KeyedRow>> {
    const keys = drafts.flatMap((draft) => draft.idempotencyKey ?? [])
    if (keys.length === 0) return new Map()
    const rows = await this.#database.query<KeyedRow>({
      name: 'snapshots-by-key',
      text: `select id, ts, pid, onchain, onsite, idempotency_key, body_hash
             from tidemark."BalanceSnapshot" where idempotency_key = any($1::text[])`,
      values: [keys],
    })
    return new Map(rows.map((row) => [row.idempotency_key, row]))
  }

  /** One statement, one commit: rows, counter and events. */
  async #insert(drafts: readonly SnapshotDraft[]): Promise<void> {
    await this.#database.query({
      name: 'insert-snapshots',
      text: `
        with counter as (
          update tidemark.event_log set seq = seq + $1, snapshots = snapshots + $1 returning seq - $1 as base
        ), inserted as (
          insert into tidemark."BalanceSnapshot" (seq, id, ts, pid, onchain, onsite, idempotency_key, body_hash)
          select counter.base + draft.ordinal, draft.id, draft.ts, draft.pid, draft.onchain::json, draft.onsite::json,
                 draft.key, draft.hash
          from counter, unnest($2::uuid[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bytea[])
            with ordinality as draft (id, ts, pid, onchain, onsite, key, hash, ordinal)
          returning seq, id
        ), appended as (
          insert into tidemark.event (seq, type, snapshot_id) select seq, 'snapshot.saved', id from inserted
        )
        select pg_notify('${EVENT_CHANNEL}', '')`,
      values: [
        drafts.length,
        drafts.map((draft) => draft.id),
        drafts.map((draft) => draft.ts),
        drafts.map((draft) => draft.pid),
        drafts.map((draft) => JSON.stringify(draft.onchain)),
        drafts.map((draft) => JSON.stringify(draft.onsite)),
        drafts.map((draft) => draft.idempotencyKey),
        drafts.map((draft) => draft.bodyHash),
      ],
    })
  }
}

function outcomeOf(draft: SnapshotDraft, existing: ReadonlyMap<string, KeyedRow>): CommitOutcome {
  const row = draft.idempotencyKey === null ? undefined : existing.get(draft.idempotencyKey)
  if (row === undefined) {
    const { id, ts, pid, onchain, onsite } = draft
    return { kind: 'saved', snapshot: { id, ts, pid, onchain, onsite } }
  }
  return { kind: row.body_hash.equals(draft.bodyHash) ? 'repeated' : 'conflict', snapshot: readSnapshot(row) }
}
