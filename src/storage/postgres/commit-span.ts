import { KEPT_HEADERS } from '../../ledger/ledger-store.js'
import type { HistoryRow, SpanCommit } from '../../ledger/ledger-store.js'
import type { BlockHeader } from '../../model/block.js'
import { prepareEvents } from './append-events.js'
import { toBytes } from './bytes.js'
import { cursorMoved, insertHeaders, moveCursor } from './chain-cursor.js'
import type { Queryable } from './database.js'
import { insertRecords } from './record-rows.js'

/**
 * Moves the cursor over many blocks at once.
 *
 * @throws {CursorMovedError | LeaseLostError}
 */
export async function commitSpan(transaction: Queryable, commit: SpanCommit, epoch: bigint | null): Promise<void> {
  const { chainId, parent, records, finality, events } = commit
  const target = targetOf(commit)
  await moveCursor(transaction, { chainId, from: parent, to: target, finality, epoch })
  // What else is read from here on cannot change any more: every writer of balances takes the chain's row first.
  if (!(await buildsOnStoredBalances(transaction, records))) throw cursorMoved(chainId, parent)
  await closeCoverage(transaction, commit)
  await replaceHeaders(transaction, commit)
  // The database stores records while the events are put into words.
  const [appending] = await Promise.all([prepareEvents(events), insertRecords(transaction, records)])
  await followNewestRecords(transaction, records)
  await passPositions(transaction, commit, target)
  if (appending !== null) await transaction.query(appending)
}

function targetOf({ headers, parent }: SpanCommit): BlockHeader {
  const target = headers.at(-1)
  if (target === undefined || target.number <= parent.number) {
    throw new Error(`invariant: a span ends above its parent ${parent.number}, got ${target?.number ?? 'no header'}`)
  }
  return target
}

/** A position's first record of the span continues from the balance that is stored. */
async function buildsOnStoredBalances(transaction: Queryable, records: readonly HistoryRow[]): Promise<boolean> {
  const first = new Map<bigint, HistoryRow>()
  for (const record of records) if (!first.has(record.positionId)) first.set(record.positionId, record)
  const changes = [...first.values()].filter((record) => record.previousBalance !== null)
  if (changes.length === 0) return true
  const differing = await transaction.query({
    name: 'span-differs',
    text: `
      select from unnest($1::bigint[], $2::numeric[]) as change (id, previous)
      join tidemark.position on position.id = change.id
      where position.balance is distinct from change.previous
      limit 1`,
    values: [
      changes.map((record) => record.positionId),
      changes.map((record) => record.previousBalance?.toString() ?? null),
    ],
  })
  return differing.length === 0
}

/** Kept headers are always linked: what does not lead to the new ones goes. */
async function replaceHeaders(transaction: Queryable, { chainId, parent, headers }: SpanCommit): Promise<void> {
  const linked = headers.some((header) => header.parentHash === parent.hash || header.hash === parent.hash)
  await transaction.query({
    name: 'span-headers',
    text: 'delete from tidemark.block where chain_id = $1 and ($2::bigint is null or number <= $2)',
    values: [chainId, linked ? (headers.at(-1)?.number ?? 0n) - BigInt(KEPT_HEADERS) : null],
  })
  await insertHeaders(transaction, chainId, headers)
}

async function followNewestRecords(transaction: Queryable, records: readonly HistoryRow[]): Promise<void> {
  const newest = new Map(records.map((record) => [record.positionId, record]))
  if (newest.size === 0) return
  await transaction.query({
    name: 'follow-newest-records',
    text: `
      update tidemark.position set record_number = entry.number, balance = entry.balance
      from unnest($1::bigint[], $2::bigint[], $3::numeric[]) as entry (id, number, balance)
      where position.id = entry.id`,
    values: [
      [...newest.keys()],
      [...newest.values()].map((record) => record.block.number),
      [...newest.values()].map((record) => record.balance.toString()),
    ],
  })
}

/** Ends coverage at the parent where the span was not seen, or not every block of it. */
async function closeCoverage(transaction: Queryable, { chainId, parent, coverage, stale }: SpanCommit): Promise<void> {
  const sampled = [...coverage].filter(([, kind]) => kind === 'sampled').map(([id]) => id)
  await transaction.query({
    name: 'span-closed',
    text: `
      with failed as (
        select * from unnest($4::bigint[], $5::text[]) as entry (id, reason)
      ), closed as (
        update tidemark.coverage set to_number = $2
        where to_number is null
          and (position_id in (select id from failed) or (position_id = any($6::bigint[]) and kind = 'exact'))
        returning position_id
      )
      update tidemark.position
      set stale_reason = failed.reason,
          verified_number = case when closed.position_id is null then verified_number else $2 end,
          verified_hash = case when closed.position_id is null then verified_hash else $3 end,
          verified_timestamp = case when closed.position_id is null then verified_timestamp
            else (select timestamp from tidemark.block where chain_id = $1 and number = $2) end
      from failed left join closed on closed.position_id = failed.id
      where position.id = failed.id`,
    values: [
      chainId,
      parent.number,
      toBytes(parent.hash),
      stale.map((entry) => entry.positionId),
      stale.map((entry) => entry.reason),
      sampled,
    ],
  })
}

/**
 * Brings coverage over the span and to the target. A position that is started by the span is covered from the target on;
 * one whose token accrues stays sampled throughout. What is no longer watched stays closed.
 */
async function passPositions(transaction: Queryable, commit: SpanCommit, target: BlockHeader): Promise<void> {
  const { chainId, parent, coverage, stale } = commit
  const failed = new Set(stale.map((entry) => entry.positionId))
  const passed = [...coverage].filter(([id]) => !failed.has(id))
  await transaction.query({
    name: 'span-passed',
    text: `
      with entry as (
        select entry.*, position.fresh, coalesce(known.accruing, false) as accruing,
               exists (select from tidemark.coverage where position_id = entry.id and to_number is null) as covered
        from unnest($4::bigint[], $5::text[]) as entry (id, kind)
        join tidemark.position on position.id = entry.id and position.active
        left join tidemark.token_metadata as known on known.chain_id = $1 and known.token = position.token
      ), bridged as (
        insert into tidemark.coverage (position_id, from_number, to_number, kind)
        select id, $2::bigint + 1, $3::bigint - 1, 'sampled' from entry
        where kind = 'sampled' and not covered and not fresh and not accruing and $3 > $2::bigint + 1
        on conflict do nothing
      ), opened as (
        insert into tidemark.coverage (position_id, from_number, kind)
        select id,
               case when fresh or (kind = 'sampled' and not accruing) then $3 else $2::bigint + 1 end,
               case when accruing then 'sampled' else 'exact' end
        from entry where not covered
        on conflict do nothing
      )
      update tidemark.position
      set fresh = false, stale_reason = null, verified_number = null, verified_hash = null, verified_timestamp = null
      from entry
      where position.id = entry.id
        and (position.fresh or stale_reason is not null or verified_number is not null)`,
    values: [chainId, parent.number, target.number, passed.map(([id]) => id), passed.map(([, kind]) => kind)],
  })
}
