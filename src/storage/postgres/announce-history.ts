import type { HistoryCommit } from '../../ledger/ledger-store.js'
import type { CoverageKind } from '../../model/chain-event.js'
import type { HistoryExtendedEvent } from '../../model/event.js'
import { appendEvents } from './append-events.js'
import { bytesToToken, toAddress } from './bytes.js'
import type { Database, Queryable } from './database.js'
import { toBigInt } from './ledger-queries.js'

/** Announcements made in one transaction: while it lasts nobody else can append events. */
const ANNOUNCED_AT_ONCE = 500

/** What a piece of history changed, or several of one position. */
export interface HistoryChange {
  readonly positionId: bigint
  readonly reason: HistoryCommit['reason']
  readonly from: bigint
  readonly to: bigint
  readonly coverage: CoverageKind
  readonly added: number
  readonly removed: number
}

/** Keeps, in the transaction that changed history, what is still to be announced of it. */
export async function noteChanges(transaction: Queryable, changes: readonly HistoryChange[]): Promise<void> {
  const noted = joinChanges(changes)
  if (noted.length === 0) return
  await transaction.query({
    name: 'note-history',
    text: `
      insert into tidemark.history_announcement as noted
        (position_id, reason, from_number, to_number, coverage, added, removed)
      select * from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])
      on conflict (position_id, reason) do update
      set from_number = least(noted.from_number, excluded.from_number),
          to_number = greatest(noted.to_number, excluded.to_number),
          coverage = case when noted.coverage = 'exact' then excluded.coverage else noted.coverage end,
          added = noted.added + excluded.added, removed = noted.removed + excluded.removed`,
    values: [
      noted.map((change) => change.positionId),
      noted.map((change) => change.reason),
      noted.map((change) => change.from),
      noted.map((change) => change.to),
      noted.map((change) => change.coverage),
      noted.map((change) => change.added),
      noted.map((change) => change.removed),
    ],
  })
}

/** One for each position and reason, as no row can be written twice by one statement. */
function joinChanges(changes: readonly HistoryChange[]): readonly HistoryChange[] {
  const joined = new Map<string, HistoryChange>()
  for (const change of changes) {
    const key = `${change.positionId}/${change.reason}`
    const before = joined.get(key)
    joined.set(key, before === undefined ? change : joinTwo(before, change))
  }
  return [...joined.values()]
}

function joinTwo(one: HistoryChange, other: HistoryChange): HistoryChange {
  return {
    ...one,
    from: one.from < other.from ? one.from : other.from,
    to: one.to > other.to ? one.to : other.to,
    coverage: one.coverage === 'exact' ? other.coverage : one.coverage,
    added: one.added + other.added,
    removed: one.removed + other.removed,
  }
}

/** Announces what was noted of a chain. */
export async function announceHistory(database: Pick<Database, 'transaction'>, chainId: bigint): Promise<number> {
  let announced = 0
  for (;;) {
    const count = await database.transaction((transaction) => announceSome(transaction, chainId))
    announced += count
    if (count < ANNOUNCED_AT_ONCE) return announced
  }
}

interface NotedRow {
  readonly position_id: string
  readonly reason: HistoryCommit['reason']
  readonly from_number: string
  readonly to_number: string
  readonly coverage: CoverageKind
  readonly added: string
  readonly removed: string
}

async function announceSome(transaction: Queryable, chainId: bigint): Promise<number> {
  const noted = await transaction.query<NotedRow>({
    name: 'take-announcements',
    text: `
      with taken as (
        select position_id, reason from tidemark.history_announcement as noted
        join tidemark.position on position.id = position_id
        where chain_id = $1
        order by position_id, reason limit ${ANNOUNCED_AT_ONCE}
        for update of noted
      )
      delete from tidemark.history_announcement as noted using taken
      where noted.position_id = taken.position_id and noted.reason = taken.reason
      returning noted.*`,
    values: [chainId],
  })
  const changes = noted.map(readNoted)
  await appendChanges(
    transaction,
    chainId,
    changes.toSorted((one, other) => (one.positionId < other.positionId ? -1 : 1)),
  )
  return changes.length
}

function readNoted(row: NotedRow): HistoryChange {
  const added = Number(row.added)
  const removed = Number(row.removed)
  // Filling in adds starts that go again when the blocks before them are filled in: what counts is what is left.
  const passing = row.reason === 'backfill' ? Math.min(added, removed) : 0
  return {
    positionId: BigInt(row.position_id),
    reason: row.reason,
    from: BigInt(row.from_number),
    to: BigInt(row.to_number),
    coverage: row.coverage,
    added: added - passing,
    removed: removed - passing,
  }
}

/** Announces changes with the balances that the positions have now. */
export async function appendChanges(
  transaction: Queryable,
  chainId: bigint,
  changes: readonly HistoryChange[],
): Promise<void> {
  if (changes.length === 0) return
  const rows = await transaction.query<{ id: string; token: Buffer; solver: Buffer; balance: string | null }>({
    name: 'positions-now',
    text: 'select id, token, solver, balance from tidemark.position where id = any($1::bigint[]) and chain_id = $2',
    values: [changes.map((change) => change.positionId), chainId],
  })
  const positions = new Map(rows.map((row) => [BigInt(row.id), row]))
  const events = changes.map((change): HistoryExtendedEvent => {
    const row = positions.get(change.positionId)
    if (row === undefined) throw new Error(`invariant: position ${change.positionId} is one of chain ${chainId}`)
    const { from, to, reason, coverage, added, removed } = change
    return {
      chainId,
      tokenAddress: bytesToToken(row.token),
      solverAddress: toAddress(row.solver),
      fromBlock: from,
      toBlock: to,
      reason,
      coverage,
      added,
      removed,
      balance: toBigInt(row.balance),
    }
  })
  await appendEvents(
    transaction,
    events.map((data) => ({ type: 'history.extended', data })),
  )
}
