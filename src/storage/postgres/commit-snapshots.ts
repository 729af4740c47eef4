import { BatchNotStoredError, BatchRefusedError } from '../../snapshots/snapshot-store.js'
import type { CommitOutcome, SnapshotDraft } from '../../snapshots/snapshot-store.js'
import { messageOf } from '../../model/errors.js'
import type { Snapshot } from '../../model/snapshot.js'
import { EVENT_CHANNEL } from './append-events.js'
import { DatabaseUnavailableError, sqlState } from './database.js'
import type { Database, Queryable } from './database.js'
import { readSnapshot } from './snapshot-row.js'
import type { SnapshotRow } from './snapshot-row.js'

const UNIQUE_VIOLATION = '23505'
/** Errors that lie in the row itself: bad data, constraints, limits of the database, what a trigger raises. */
const refusingClasses = new Set(['22', '23', '44', '54', 'P0'])
/** Errors that end a connection: they may come after the commit. */
const endingClasses = new Set(['08', '57'])
/** What a statement gets at least, when the wait for a connection has used up the rest. */
const STATEMENT_MIN_MS = 1000

type KeyedRow = SnapshotRow & { readonly key: string; readonly body_hash: Buffer }

/** What is stored under a key. */
interface Keyed {
  readonly snapshot: Snapshot
  readonly bodyHash: Buffer
}

/**
 * Stores a batch: rows, counter and events in one statement, which is one commit and one round trip. Keys that are known
 * are found by the same statement.
 *
 * When another process stores one of the keys at the same moment the statement fails as a whole. It is repeated once, with
 * the counter locked first: whoever holds the counter is the only one that can store a snapshot, so no key can come in
 * between. The counter is always locked before any row, so two batches never wait for each other.
 */
export async function commitSnapshots(
  database: Database,
  drafts: readonly SnapshotDraft[],
  timeoutMs: number,
): Promise<readonly CommitOutcome[]> {
  const deadlineMs = performance.now() + timeoutMs
  const remainingMs = (): number => Math.max(STATEMENT_MIN_MS, deadlineMs - performance.now())
  const { distinct, byKey } = firstOfEachKey(drafts)
  try {
    const known = await insert(database, distinct, byKey.size > 0, remainingMs()).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error
      return database.transaction(async (transaction) => {
        await transaction.query({ ...lockCounter, timeoutMs: remainingMs() })
        return await insert(transaction, distinct, true, remainingMs())
      })
    })
    for (const row of known) byKey.set(row.key, { snapshot: readSnapshot(row), bodyHash: row.body_hash })
  } catch (error) {
    throw classified(error)
  }
  return drafts.map((draft) => outcomeOf(draft, byKey))
}

/** Of several drafts with one key only the first one is to be stored. */
function firstOfEachKey(drafts: readonly SnapshotDraft[]): {
  readonly distinct: readonly SnapshotDraft[]
  readonly byKey: Map<string, Keyed>
} {
  const byKey = new Map<string, Keyed>()
  const distinct = drafts.filter((draft) => {
    if (draft.idempotencyKey === null) return true
    if (byKey.has(draft.idempotencyKey)) return false
    byKey.set(draft.idempotencyKey, { snapshot: snapshotOf(draft), bodyHash: draft.bodyHash })
    return true
  })
  return { distinct, byKey }
}

function outcomeOf(draft: SnapshotDraft, byKey: ReadonlyMap<string, Keyed>): CommitOutcome {
  const keyed = draft.idempotencyKey === null ? undefined : byKey.get(draft.idempotencyKey)
  if (keyed === undefined) return { kind: 'saved', snapshot: snapshotOf(draft) }
  const { snapshot, bodyHash } = keyed
  if (snapshot.id === draft.id) return { kind: 'saved', snapshot }
  return { kind: bodyHash.equals(draft.bodyHash) ? 'repeated' : 'conflict', snapshot }
}

function snapshotOf({ id, ts, pid, onchain, onsite }: SnapshotDraft): Snapshot {
  return { id, ts, pid, onchain, onsite }
}

/** Says of a failure what is known about the rows: refused, surely not stored, or (as it came) nothing. */
function classified(error: unknown): unknown {
  const notSent = error instanceof DatabaseUnavailableError && !error.sent
  if (notSent) return new BatchNotStoredError(messageOf(error), { cause: error })
  const stateClass = sqlState(error)?.slice(0, 2)
  if (stateClass === undefined || endingClasses.has(stateClass)) return error
  if (refusingClasses.has(stateClass)) return new BatchRefusedError(messageOf(error), { cause: error })
  return new BatchNotStoredError(messageOf(error), { cause: error })
}

const lockCounter = { name: 'lock-counter', text: 'select 1 from tidemark.event_log for no key update' }

/** The columns of a draft, one list each. A list costs far less than a parameter per value. */
const columns = `unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[])
  with ordinality as draft (id, ts, pid, onchain, onsite, key, hash, place)`

/** What stores the rows of `fresh`, whose `place` counts from 1, once `counter` has given them their numbers. */
const store = `
  inserted as (
    insert into tidemark."BalanceSnapshot" (seq, id, ts, pid, onchain, onsite, idempotency_key, body_hash)
    select counter.base + fresh.place, fresh.id, fresh.ts, fresh.pid, fresh.onchain::json, fresh.onsite::json,
           fresh.key, fresh.hash
    from counter, fresh
    returning seq, id
  ), appended as (
    insert into tidemark.event (seq, type, snapshot_id) select seq, 'snapshot.saved', id from inserted
  )`

const insertSnapshots = {
  name: 'insert-snapshots',
  text: `
    with fresh as (select * from ${columns}), counter as (
      update tidemark.event_log set seq = seq + $8, snapshots = snapshots + $8
      returning seq - $8 as base, pg_notify('${EVENT_CHANNEL}', '')
    ), ${store}
    select 1 where false`,
}

/**
 * The look-ups are written so that the planner can only use the index, one probe per key: a plan made while the table was
 * empty is kept, and must not read a table of millions from end to end.
 */
const insertKeyedSnapshots = {
  name: 'insert-keyed-snapshots',
  text: `
    with draft as materialized (
      select draft.*, (select stored.seq from tidemark."BalanceSnapshot" as stored
                       where stored.idempotency_key = draft.key) as known_seq
      from ${columns}
    ), fresh as materialized (
      select id, ts, pid, onchain, onsite, key, hash, row_number() over (order by draft.place) as place
      from draft where known_seq is null
    ), counter as (
      update tidemark.event_log set seq = seq + added.count, snapshots = snapshots + added.count
      from (select count(*) as count from fresh) as added where added.count > 0
      returning seq - added.count as base, pg_notify('${EVENT_CHANNEL}', '')
    ), ${store}
    select stored.*
    from draft, lateral (
      select id, ts, pid, onchain, onsite, idempotency_key as key, body_hash
      from tidemark."BalanceSnapshot" where seq = draft.known_seq offset 0
    ) as stored
    where draft.known_seq is not null`,
}

/** Stores the drafts whose keys are not known; returns the rows of those that are. */
function insert(
  queryable: Queryable,
  drafts: readonly SnapshotDraft[],
  keyed: boolean,
  timeoutMs: number,
): Promise<readonly KeyedRow[]> {
  const values = [
    drafts.map((draft) => draft.id),
    drafts.map((draft) => draft.ts.toISOString()),
    drafts.map((draft) => draft.pid),
    drafts.map((draft) => draft.onchainJson),
    drafts.map((draft) => draft.onsiteJson),
    drafts.map((draft) => draft.idempotencyKey),
    drafts.map((draft) => draft.bodyHash),
  ]
  return keyed
    ? queryable.query<KeyedRow>({ ...insertKeyedSnapshots, values, timeoutMs })
    : queryable.query<KeyedRow>({ ...insertSnapshots, values: [...values, drafts.length], timeoutMs })
}
