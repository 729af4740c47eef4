import { blockTime } from '../../model/block.js'
import type { LoggedEvent } from '../../model/event.js'
import type { CoverageKind } from '../../model/chain-event.js'
import type { Token } from '../../model/position.js'
import type { BlockCommit } from '../../ledger/ledger-store.js'
import { KEPT_HEADERS } from '../../ledger/ledger-store.js'
import { WAKE_READERS, addEvents, placeEvents } from './append-events.js'
import { toBytes, tokenToBytes } from './bytes.js'
import { isClaimedFor, refusal } from './chain-cursor.js'
import type { Queryable } from './database.js'
import { addRecords } from './record-rows.js'
import { StatementParts } from './statement-parts.js'

/** Headers are dropped at every so many blocks, so that most blocks pay nothing for it. */
const PRUNE_EVERY = 64n

/**
 * Stores everything one block changed, in one statement: a single round trip, and all of it or nothing. Every part
 * hangs on the row of `moved`, which is there only when the cursor stood where the writer thinks.
 *
 * @param epoch of the lease under which the chain was read; null where none is needed
 * @returns the events as they stand in the log
 * @throws {CursorMovedError | LeaseLostError}
 */
export async function commitBlock(
  database: Queryable,
  commit: BlockCommit,
  epoch: bigint | null,
): Promise<readonly LoggedEvent[]> {
  const { chainId, header, parent, records, events } = commit
  const statement = new StatementParts('commit-block')
  addCursorMove(statement, commit, epoch)
  addHeader(statement, commit)
  if (commit.metadata.size + commit.accruing.length + commit.settled.length > 0) addMetadata(statement, commit)
  if (commit.stale.length > 0) addClosedCoverage(statement, commit)
  if (records.length > 0) {
    addRecords(
      statement,
      records.map((record) => ({ ...record, block: header })),
      'moved',
    )
  }
  if (records.length + commit.opened.length + commit.stale.length > 0) addPositions(statement, commit)
  if (commit.opened.length > 0) addOpenedCoverage(statement, commit)
  if (commit.accruing.length > 0) addTurnedCoverage(statement, commit, { tokens: commit.accruing, kind: 'sampled' })
  if (commit.settled.length > 0) addTurnedCoverage(statement, commit, { tokens: commit.settled, kind: 'exact' })
  if (events.length > 0) addEvents(statement, events, 'moved')
  const [row] = await database.query<{ base?: string }>(
    statement.build(events.length > 0 ? WAKE_READERS : 'select from moved'),
  )
  if (row === undefined) throw await refusal(database, { chainId, from: parent, epoch })
  return row.base === undefined ? [] : placeEvents(events, row.base)
}

/**
 * Two writers meet at the chain's row: the second one waits for the first, then looks at the row as it is by then. What
 * else the statement sees is from before the wait, so `rewrites`, read both ways, tells whether balances changed in the
 * meantime; and a record must build on the balance that is stored.
 */
function addCursorMove(statement: StatementParts, commit: BlockCommit, epoch: bigint | null): void {
  const { chainId, header, parent, finality, records } = commit
  const chain = `${statement.value(chainId)}::bigint`
  const changes = records.filter((record) => record.previousBalance !== null)
  const ids = statement.value(changes.map((record) => record.positionId))
  const balances = statement.value(changes.map((record) => record.previousBalance?.toString()))
  statement.add(
    'moved',
    `
    update tidemark.chain
    set cursor_number = ${statement.value(header.number)}, cursor_hash = ${statement.value(toBytes(header.hash))},
        cursor_timestamp = ${statement.value(blockTime(header))},
        safe_number = coalesce(${statement.value(finality.safe)}, safe_number),
        finalized_number = coalesce(${statement.value(finality.finalized)}, finalized_number)
    from (select rewrites from tidemark.chain where chain_id = ${chain}) as seen
    where chain_id = ${chain} and chain.rewrites = seen.rewrites and ${isClaimedFor(statement.value(epoch))}
      and cursor_hash is not distinct from ${statement.value(parent === null ? null : toBytes(parent.hash))}::bytea
      and not exists (
        select from unnest(${ids}::bigint[], ${balances}::numeric[]) as change (id, previous)
        join tidemark.position on position.id = change.id
        where position.balance is distinct from change.previous
      )
    returning chain_id`,
  )
}

function addHeader(statement: StatementParts, { chainId, header }: BlockCommit): void {
  const values = [header.number, toBytes(header.hash), toBytes(header.parentHash), blockTime(header)]
  const [number, hash, parentHash, timestamp] = values.map((value) => statement.value(value))
  statement.add(
    'header',
    `
    insert into tidemark.block (chain_id, number, hash, parent_hash, timestamp)
    select chain_id, ${number}::bigint, ${hash}::bytea, ${parentHash}::bytea, ${timestamp}::timestamptz from moved
    on conflict (chain_id, number) do update
    set hash = excluded.hash, parent_hash = excluded.parent_hash, timestamp = excluded.timestamp`,
  )
  if (header.number % PRUNE_EVERY !== 0n) return
  statement.add(
    'pruned',
    `
    delete from tidemark.block using moved
    where block.chain_id = ${statement.value(chainId)} and number <= ${statement.value(header.number - BigInt(KEPT_HEADERS))}`,
  )
}

function addMetadata(statement: StatementParts, { metadata, accruing, settled }: BlockCommit): void {
  const tokens = [...new Set([...metadata.keys(), ...accruing, ...settled])]
  const known = tokens.map((token) => metadata.get(token) ?? { decimals: null, symbol: null, name: null })
  const columns = [
    `${statement.value(tokens.map(tokenToBytes))}::bytea[]`,
    `${statement.value(known.map((entry) => entry.decimals))}::smallint[]`,
    `${statement.value(known.map((entry) => entry.symbol))}::text[]`,
    `${statement.value(known.map((entry) => entry.name))}::text[]`,
    `${statement.value(tokens.map((token) => accruing.includes(token)))}::boolean[]`,
  ]
  statement.add(
    'metadata',
    `
    insert into tidemark.token_metadata as known (chain_id, token, decimals, symbol, name, accruing)
    select chain_id, entry.* from moved, unnest(${columns.join(', ')}) as entry
    on conflict (chain_id, token) do update
    set decimals = coalesce(excluded.decimals, known.decimals), symbol = coalesce(excluded.symbol, known.symbol),
        name = coalesce(excluded.name, known.name), accruing = (known.accruing or excluded.accruing)
          and not known.token = any(${statement.value(settled.map(tokenToBytes))}::bytea[]),
        read_at = now()`,
  )
}

/** The coverage of positions that could not be read ends at the parent. */
function addClosedCoverage(statement: StatementParts, { parent, stale }: BlockCommit): void {
  statement.add(
    'closed',
    `
    update tidemark.coverage set to_number = ${statement.value(parent?.number ?? null)} from moved
    where position_id = any(${statement.value(stale.map((entry) => entry.positionId))}::bigint[]) and to_number is null
    returning position_id`,
  )
}

/**
 * One row for each position that changes, because a statement may touch a row only once. A position taken off the watch
 * list in this very moment stays closed.
 */
function addPositions(statement: StatementParts, commit: BlockCommit): void {
  const { chainId, parent, header, records, opened, stale } = commit
  const balances = new Map(records.map((record) => [record.positionId, record.balance.toString()]))
  const reasons = new Map(stale.map((entry) => [entry.positionId, entry.reason]))
  const starting = new Set(opened)
  const ids = [...new Set([...balances.keys(), ...reasons.keys(), ...starting])]
  const columns = [
    `${statement.value(ids)}::bigint[]`,
    `${statement.value(ids.map((id) => balances.get(id) ?? null))}::numeric[]`,
    `${statement.value(ids.map((id) => reasons.get(id) ?? null))}::text[]`,
    `${statement.value(ids.map((id) => starting.has(id)))}::boolean[]`,
  ]
  const number = statement.value(parent?.number ?? null)
  const opens = 'entry.starting and position.active'
  const closes = stale.length === 0 ? 'false' : 'position.id in (select position_id from closed)'
  const verified = (column: string, value: string): string =>
    `${column} = case when ${opens} then null when ${closes} then ${value} else ${column} end`
  statement.add(
    'positions',
    `
    update tidemark.position
    set record_number = case when entry.balance is null then record_number else ${statement.value(header.number)} end,
        balance = coalesce(entry.balance, position.balance),
        fresh = fresh and not (${opens}),
        stale_reason = case when ${opens} then null else coalesce(entry.reason, stale_reason) end,
        ${verified('verified_number', `${number}::bigint`)},
        ${verified('verified_hash', `${statement.value(parent === null ? null : toBytes(parent.hash))}::bytea`)},
        ${verified(
          'verified_timestamp',
          `(select timestamp from tidemark.block
            where block.chain_id = ${statement.value(chainId)} and number = ${number}::bigint)`,
        )}
    from moved, unnest(${columns.join(', ')}) as entry (id, balance, reason, starting)
    where position.id = entry.id
    returning position.id, position.token, ${opens} as opens`,
  )
}

function addOpenedCoverage(statement: StatementParts, { chainId, header, accruing, settled }: BlockCommit): void {
  statement.add(
    'opened',
    `
    insert into tidemark.coverage (position_id, from_number, kind)
    select positions.id, ${statement.value(header.number)},
           case when token = any(${statement.value(accruing.map(tokenToBytes))}::bytea[]) or exists (
             select from tidemark.token_metadata as known
             where known.chain_id = ${statement.value(chainId)} and known.token = positions.token and known.accruing
               and not known.token = any(${statement.value(settled.map(tokenToBytes))}::bytea[])
           ) then 'sampled' else 'exact' end
    from positions where opens
    on conflict do nothing`,
  )
}

interface Turn {
  readonly tokens: readonly Token[]
  /** How their positions' blocks are known from the commit's own on. */
  readonly kind: CoverageKind
}

/** From this block on there may be changes without a record, or there are none any more. */
function addTurnedCoverage(
  statement: StatementParts,
  { chainId, header, parent, stale }: BlockCommit,
  { tokens, kind }: Turn,
): void {
  const ended = kind === 'sampled' ? 'ended' : 'settled'
  statement.add(
    ended,
    `
    update tidemark.coverage set to_number = ${statement.value(parent?.number ?? null)}
    from moved, tidemark.position
    where position.id = position_id and position.chain_id = ${statement.value(chainId)} and active
      and token = any(${statement.value(tokens.map(tokenToBytes))}::bytea[])
      and to_number is null and kind <> '${kind}'
      and not position_id = any(${statement.value(stale.map((entry) => entry.positionId))}::bigint[])
    returning position_id`,
  )
  statement.add(
    kind,
    `
    insert into tidemark.coverage (position_id, from_number, kind)
    select position_id, ${statement.value(header.number)}, '${kind}' from ${ended}`,
  )
}
