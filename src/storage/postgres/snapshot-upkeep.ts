import type { PruneProgress, RollUpProgress, SnapshotUpkeep } from '../../snapshots/snapshot-upkeep.js'
import type { Database, Queryable, Statement } from './database.js'
import { dropSums, restoreSums, rollUpSeqs } from './rollup-statements.js'
import type { TimeRange } from './rollup-statements.js'

/** Rows that one statement deletes. */
const DELETED_ROWS_MAX = 50_000

/** Upkeep of snapshots and events in PostgreSQL. */
export class PostgresSnapshotUpkeep implements SnapshotUpkeep {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  rollUp(limit: number): Promise<RollUpProgress | null> {
    return this.#alone(async (transaction, rolledUpSeq) => {
      // Read after the lock was got, so that it is not older than what the holder before saw.
      const head = await headOf(transaction)
      const upto = min(rolledUpSeq + BigInt(limit), head)
      if (upto > rolledUpSeq) await transaction.query(rollUpSeqs(rolledUpSeq, upto))
      return { seq: upto, behind: head - upto }
    })
  }

  pruneEvents(days: number, limit: number): Promise<number | null> {
    return this.#alone(async (transaction) => {
      const rows = await transaction.query<{ deleted: string }>(deleteOldestEvents(days, limit))
      return Number(rows[0]?.deleted ?? 0)
    })
  }

  pruneSnapshots(days: number, from: Date | null, limit: number): Promise<PruneProgress | null> {
    return this.#alone(async (transaction, rolledUpSeq) => {
      const oldestEventSeq = await oldestEventOf(transaction)
      // Rows that may go are not in the sums yet: not before they are.
      if (rolledUpSeq + 1n < oldestEventSeq) return null
      const [range] = await transaction.query<TimeRange>(oldestMinutes(days, from, limit))
      if (range === undefined) return { deleted: 0, next: null }
      const deleted = await deleteSnapshots(transaction, range, oldestEventSeq)
      if (deleted > 0) {
        for (const statement of [...dropSums(range), ...restoreSums(range)]) await transaction.query(statement)
        // Last, because the intake waits for this row until we commit.
        await transaction.query({
          name: 'count-deleted',
          text: 'update tidemark.event_log set snapshots = snapshots - $1',
          values: [deleted],
        })
      }
      return { deleted, next: range.end }
    })
  }

  /** Runs one step in a transaction, unless another process is running one. */
  #alone<Result>(step: (transaction: Queryable, rolledUpSeq: bigint) => Promise<Result>): Promise<Result | null> {
    return this.#database.transaction(async (transaction) => {
      const rows = await transaction.query<{ rolled_up_seq: string }>({
        name: 'lock-upkeep',
        text: 'select rolled_up_seq from tidemark.snapshot_upkeep for update skip locked',
      })
      const state = rows[0]
      if (state === undefined) return null
      // A step that a power cut undoes is done again: nobody was told of it.
      await transaction.query({ name: 'upkeep-without-flush', text: 'set local synchronous_commit = off' })
      return step(transaction, BigInt(state.rolled_up_seq))
    })
  }
}

async function headOf(transaction: Queryable): Promise<bigint> {
  const rows = await transaction.query<{ seq: string }>({
    name: 'upkeep-head',
    text: 'select seq from tidemark.event_log',
  })
  return BigInt(rows[0]?.seq ?? 0)
}

/** The oldest event that is left; where none is, the next one to come. */
async function oldestEventOf(transaction: Queryable): Promise<bigint> {
  const rows = await transaction.query<{ oldest: string }>({
    name: 'oldest-event',
    text: 'select coalesce((select min(seq) from tidemark.event), seq + 1) as oldest from tidemark.event_log',
  })
  return BigInt(rows[0]?.oldest ?? 0)
}

/** Deletes from the front only, so that the log stays without a gap. */
function deleteOldestEvents(days: number, limit: number): Statement {
  return {
    name: 'delete-oldest-events',
    text: `
      with oldest as (
        select seq, at from tidemark.event order by seq limit $2
      ), kept as (
        select least(
          (select min(seq) from oldest where at >= now() - $1 * interval '1 day'),
          (select min(seq) + 1 from tidemark.event_consumer),
          (select max(seq) + 1 from oldest)
        ) as seq
      ), deleted as (
        delete from tidemark.event using kept where event.seq < kept.seq returning 1
      )
      select count(*) as deleted from deleted`,
    values: [days, limit],
  }
}

/** The oldest minutes beyond retention that hold snapshots: as many as fit into the limit, at least one. */
function oldestMinutes(days: number, from: Date | null, limit: number): Statement {
  return {
    name: 'oldest-minutes',
    text: `
      with candidate as (
        select start, sum(count) over (order by start) - count as before
        from (
          select start, count from tidemark.snapshot_count
          where width_minutes = 1 and start >= coalesce($2, '-infinity'::timestamptz)
            and start < date_bin('1 minute', now() - $1 * interval '1 day', 'epoch')
          order by start limit $3
        ) as old
      )
      select min(start) as from, max(start) + interval '1 minute' as end
      from candidate where before = 0 or before < $3
      having count(*) > 0`,
    values: [days, from, limit],
  }
}

/** In parts, because a single minute may hold more than one statement can delete in its time. */
async function deleteSnapshots(transaction: Queryable, range: TimeRange, belowSeq: bigint): Promise<number> {
  let total = 0
  for (;;) {
    const rows = await transaction.query<{ deleted: string }>(deletePart(range, belowSeq))
    const deleted = Number(rows[0]?.deleted ?? 0)
    total += deleted
    if (deleted < DELETED_ROWS_MAX) return total
  }
}

function deletePart({ from, end }: TimeRange, belowSeq: bigint): Statement {
  return {
    name: 'delete-snapshots',
    text: `
      with part as (
        select seq from tidemark."BalanceSnapshot" where ts >= $1 and ts < $2 and seq < $3 limit $4
      ), deleted as (
        delete from tidemark."BalanceSnapshot" as snapshot using part where snapshot.seq = part.seq returning 1
      )
      select count(*) as deleted from deleted`,
    values: [from, end, belowSeq, DELETED_ROWS_MAX],
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
