import { BatchNotStoredError, BatchRefusedError } from '../../snapshots/snapshot-store.js'
import type { CommitOutcome, SnapshotDraft } from '../../snapshots/snapshot-store.js'
import { messageOf } from '../../model/errors.js'
import type { Snapshot } from '../../model/snapshot.js'
import { EVENT_CHANNEL } from './append-events.js'
import { DatabaseUnavailableError, sqlState } from './database.js'
import type { Database } from './database.js'
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
  readonly bodyHash: string
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
    if (byKey.size === 0) {
      const values = [...columnsOf(drafts), drafts.length]
      const [counter] = await database.query<{ base: string }>({ ...insertSnapshots, values, timeoutMs })
      if (counter === undefined) throw new Error('invariant: the event log has its counter row')
      const base = BigInt(counter.base)
      return drafts.map(({ snapshot }, index) => ({ kind: 'saved', snapshot, seq: base + BigInt(index + 1) }))
    } else {
      const statement = { ...insertKeyedSnapshots, values: [...columnsOf(distinct), ...keyColumnsOf(distinct)] }
      const known = await database.query<KeyedRow>({ ...statement, timeoutMs }).catch(async (error: unknown) => {
        if (sqlState(error) !== UNIQUE_VIOLATION) throw error
        return await database.transaction(async (transaction) => {
          await transaction.query({ ...lockCounter, timeoutMs: remainingMs() })
          return await transaction.query<KeyedRow>({ ...statement, timeoutMs: remainingMs() })
        })
      })
      for (const row of known) {
        byKey.set(row.key, { snapshot: readSnapshot(row), bodyHash: row.body_hash.toString('hex') })
      }
    }
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
  const distinct = drafts.filter(({ snapshot, idempotency }) => {
    if (idempotency === null) return true
    const { key, bodyHash } = idempotency
    if (byKey.has(key)) return false
    byKey.set(key, { snapshot, bodyHash })
    return true
  })
  return { distinct, byKey }
}

function outcomeOf({ snapshot, idempotency }: SnapshotDraft, byKey: ReadonlyMap<string, Keyed>): CommitOutcome {
  const keyed = idempotency === null ? undefined : byKey.get(idempotency.key)
  if (keyed === undefined || keyed.snapshot.id === snapshot.id) return { kind: 'saved', snapshot, seq: null }
  return { kind: keyed.bodyHash === idempotency?.bodyHash ? 'repeated' : 'conflict', snapshot: keyed.snapshot }
}

/** Says of a failure what is known about the rows: refused, surely not stored, or (as it came) nothing. */
function classified(error: unknown): unknown {
  const notSent = error instanceof DatabaseUnavailableError && !error.sent
  if (notSent) return new BatchNotStoredError(messageOf(error), { cause: error })
  const state = sqlState(error)
  const stateClass = state?.slice(0, 2)
  if (stateClass === undefined || endingClasses.has(stateClass)) return error
  // Keys cannot collide any more: the number or the id did, for which no reporter is to blame.
  const collision = state === UNIQUE_VIOLATION
  if (refusingClasses.has(stateClass) && !collision) return new BatchRefusedError(messageOf(error), { cause: error })
  return new BatchNotStoredError(messageOf(error), { cause: error })
}

const lockCounter = { name: 'lock-counter', text: 'select 1 from tidemark.event_log for no key update' }

/** The values of all rows, one list for each column: far cheaper than a parameter for each value. */
const columns = `
  unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::bigint[]), json_array_elements($4::json),
  json_array_elements($5::json)`

/** Stores the rows of `fresh`, whose `place` counts from 1, once `counter` has given them their numbers. */
function storing(key: string, bodyHash: string): string {
  return `
    inserted as (
      insert into tidemark."BalanceSnapshot" (seq, id, ts, pid, onchain, onsite, idempotency_key, body_hash)
      select counter.base + fresh.place, id, ts, pid, onchain, onsite, ${key}, ${bodyHash} from counter, fresh
      returning seq, id
    ), appended as (
      insert into tidemark.event (seq, type, snapshot_id) select seq, 'snapshot.saved', id from inserted
    )`
}

const insertSnapshots = {
  name: 'insert-snapshots',
  text: `
    with fresh as (
      select * from rows from (${columns}) with ordinality as draft (id, ts, pid, onchain, onsite, place)
    ), counter as (
      update tidemark.event_log set seq = seq + $6, snapshots = snapshots + $6
      returning seq - $6 as base, pg_notify('${EVENT_CHANNEL}', '')
    ), ${storing('null', `''`)}
    select base from counter`,
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
      from rows from (${columns}, unnest($6::text[]), unnest($7::text[]))
        with ordinality as draft (id, ts, pid, onchain, onsite, key, hash, ordinal)
    ), fresh as materialized (
      select draft.*, row_number() over (order by ordinal) as place from draft where known_seq is null
    ), counter as (
      update tidemark.event_log set seq = seq + added.count, snapshots = snapshots + added.count
      from (select count(*) as count from fresh) as added where added.count > 0
      returning seq - added.count as base, pg_notify('${EVENT_CHANNEL}', '')
    ), ${storing('key', `coalesce(decode(hash, 'hex'), '')`)}
    select stored.*
    from draft, lateral (
      select id, ts, pid, onchain, onsite, idempotency_key as key, body_hash
      from tidemark."BalanceSnapshot" where seq = draft.known_seq offset 0
    ) as stored
    where draft.known_seq is not null`,
}

function columnsOf(drafts: readonly SnapshotDraft[]): readonly string[] {
  return [
    listOf(drafts, ({ snapshot }) => snapshot.id),
    listOf(drafts, ({ snapshot }) => snapshot.ts.toISOString()),
    listOf(drafts, ({ snapshot }) => snapshot.pid),
    `[${drafts.map(({ onchainJson }) => onchainJson).join(',')}]`,
    `[${drafts.map(({ onsiteJson }) => onsiteJson).join(',')}]`,
  ]
}

function keyColumnsOf(drafts: readonly SnapshotDraft[]): readonly unknown[] {
  return [
    // Keys may hold any character, so the driver has to quote them.
    drafts.map(({ idempotency }) => idempotency?.key ?? null),
    listOf(drafts, ({ idempotency }) => idempotency?.bodyHash ?? null),
  ]
}

/** An array of values that are ours and need no quotes, as PostgreSQL reads it. */
function listOf(drafts: readonly SnapshotDraft[], read: (draft: SnapshotDraft) => string | number | null): string {
  return `{${drafts.map((draft) => read(draft) ?? 'null').join(',')}}`
}
