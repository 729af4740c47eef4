import type { Page } from '../../ledger/balance-reader.js'
import type { Instant, PastBalancesRequest } from '../../ledger/record-reader.js'
import type { Certainty, PastBalance } from '../../model/balance-statistics.js'
import type { Position } from '../../model/position.js'
import { bytesToToken, toAddress, toBytes, toHash, tokenToBytes } from './bytes.js'
import { BLOCK_MAX, runParts, subjectPart, subjectValues } from './coverage-runs.js'
import type { Queryable } from './database.js'

interface PastRow {
  readonly id: string
  readonly chain_id: string
  readonly token: Buffer
  readonly solver: Buffer
  readonly certainty: Certainty
  readonly balance: string
  readonly block_number: string
  readonly block_hash: Buffer
  readonly timestamp: Date
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
}

/** The columns of the record that tells what a position held. */
const heldColumns = `held.balance, held.block_number, held.block_hash, held.timestamp, held.decimals, held.symbol, held.name`

/** What a position held at a block of its chain, or at the cursor when that is lower. */
const atBlock = `
  with ${subjectPart}
  select id, chain.chain_id, chain.token, chain.solver, ${heldColumns},
    coalesce((
      select kind from tidemark.coverage
      where position_id = id and from_number <= least($4, cursor_number)
        and (to_number is null or to_number >= least($4, cursor_number))
    ), 'unseen') as certainty
  from subject
  cross join (values ($1::bigint, $2::bytea, $3::bytea)) as chain (chain_id, token, solver)
  cross join lateral (
    select * from tidemark.balance_record
    where position_id = id and block_number <= least($4::bigint, cursor_number) order by block_number desc limit 1
  ) as held`

/** How the newest block at or before a time is known: see `certaintyAt`. */
const atTime = `
  with page as materialized (
    select position.id, position.chain_id, position.token, solver, instant, cursor_number, cursor_timestamp, ${heldColumns}
    from tidemark.position
    join tidemark.chain on chain.chain_id = position.chain_id
    cross join lateral (select least($4::timestamptz, cursor_timestamp) as instant) as clipped
    cross join lateral (
      select * from tidemark.balance_record
      where position_id = position.id and timestamp <= instant order by timestamp desc, block_number desc limit 1
    ) as held
    where position.id > $5
      and ($1::bigint is null or position.chain_id = $1)
      and ($2::bytea is null or position.token = $2)
      and ($3::bytea is null or solver = $3)
    order by position.id
    limit $6
  ), subject as (
    select id, cursor_number, cursor_timestamp from page
  ), ${runParts}
  select page.*, coalesce(kind, 'unseen') as certainty
  from page
  left join run on run.position_id = page.id and from_time <= instant and (to_number is null or instant < end_time)
  order by page.id`

export async function selectPastBalances(
  database: Queryable,
  request: PastBalancesRequest,
): Promise<Page<PastBalance>> {
  const { chainId, token, solver, time, after, limit } = request
  const rows = await database.query<PastRow>({
    name: 'balances-at-time',
    text: atTime,
    values: [
      chainId ?? null,
      token === undefined ? null : tokenToBytes(token),
      solver === undefined ? null : toBytes(solver),
      time,
      after ?? 0n,
      limit + 1,
    ],
  })
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(readPast), nextCursor: rows.length > limit && last ? BigInt(last.id) : null }
}

export async function selectPastBalance(
  database: Queryable,
  position: Position,
  instant: Instant,
): Promise<PastBalance | null> {
  if ('time' in instant) {
    const { items } = await selectPastBalances(database, { ...position, time: instant.time, limit: 1 })
    return items[0] ?? null
  }
  const block = instant.block < BLOCK_MAX ? instant.block : BLOCK_MAX
  const rows = await database.query<PastRow>({
    name: 'balance-at-block',
    text: atBlock,
    values: [...subjectValues(position), block],
  })
  return rows[0] === undefined ? null : readPast(rows[0])
}

function readPast(row: PastRow): PastBalance {
  return {
    chainId: BigInt(row.chain_id),
    token: bytesToToken(row.token),
    solver: toAddress(row.solver),
    balance: BigInt(row.balance),
    certainty: row.certainty,
    blockNumber: BigInt(row.block_number),
    blockHash: toHash(row.block_hash),
    timestamp: row.timestamp,
    decimals: row.decimals,
    symbol: row.symbol,
    name: row.name,
  }
}
