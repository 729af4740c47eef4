import type { Page } from '../../ledger/balance-reader.js'
import type { PastBalancesRequest } from '../../ledger/record-reader.js'
import type { Instant } from '../../model/instant.js'
import type { Certainty, PastBalance } from '../../model/balance-statistics.js'
import type { Position } from '../../model/position.js'
import { bytesToToken, toAddress, toBytes, toHash, tokenToBytes } from './bytes.js'
import { BLOCK_MAX, runParts, subjectPart, subjectValues } from './coverage-runs.js'
import type { Queryable, Statement } from './database.js'

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

/** How the newest block at or before a time is known: see `certaintyAt`. */
const knownAtTime = 'from_time <= instant and (to_number is null or instant < end_time)'

/** What one position held: values 1 to 3 name it, 4 is the block or time. */
const atInstant = (instant: 'block' | 'time'): string => `
  with ${subjectPart}, ${runParts}, asked as (
    select subject.*, ${instant === 'block' ? 'least($4::bigint, cursor_number)' : 'least($4::timestamptz, cursor_timestamp)'} as instant
    from subject
  )
  select id, chain.chain_id, chain.token, chain.solver, ${heldColumns}, coalesce(kind, 'unseen') as certainty
  from asked
  cross join (values ($1::bigint, $2::bytea, $3::bytea)) as chain (chain_id, token, solver)
  cross join lateral (
    select * from tidemark.balance_record
    where position_id = id and ${instant === 'block' ? 'block_number' : 'timestamp'} <= instant
    order by ${instant === 'block' ? '' : 'timestamp desc, '} block_number desc limit 1
  ) as held
  left join run on ${instant === 'block' ? 'instant between from_number and last_number' : knownAtTime}`

const statements = { block: atInstant('block'), time: atInstant('time') }

/**
 * What all positions held that are asked for. Only conditions that are meant stand in it: from one that may be none, the
 * planner would expect a single position, and join what there are a thousand of in the worst way.
 */
function pageStatement({ chainId, token, solver, time, after, limit }: PastBalancesRequest): Statement {
  const values: unknown[] = [time, after ?? 0n, limit + 1]
  const conditions = [
    ...(chainId === undefined ? [] : [`chain_id = $${values.push(chainId)}::bigint`]),
    ...(token === undefined ? [] : [`token = $${values.push(tokenToBytes(token))}::bytea`]),
    ...(solver === undefined ? [] : [`solver = $${values.push(toBytes(solver))}::bytea`]),
  ]
  const given = [chainId, token, solver].map((each) => (each === undefined ? 0 : 1)).join('')
  return {
    name: `balances-at-time-${given}`,
    text: `
      with page as materialized (
        select position.id, chain.chain_id, token, solver, instant, cursor_number, cursor_timestamp, ${heldColumns}
        from (
          -- In order first: then no more of them are looked at than a page has.
          select * from tidemark.position
          where ${['id > $2::bigint', ...conditions].join(' and ')}
          order by id offset 0
        ) as position
        join tidemark.chain on chain.chain_id = position.chain_id
        cross join lateral (select least($1::timestamptz, cursor_timestamp) as instant) as clipped
        cross join lateral (
          select * from tidemark.balance_record
          where position_id = position.id and timestamp <= instant order by timestamp desc, block_number desc limit 1
        ) as held
        order by position.id
        limit $3
      ), subject as (
        select id, cursor_number, cursor_timestamp from page
      ), ${runParts}
      select page.*, coalesce(kind, 'unseen') as certainty
      from page
      left join run on run.position_id = page.id and ${knownAtTime}
      order by page.id`,
    values,
  }
}

export async function selectPastBalances(
  database: Queryable,
  request: PastBalancesRequest,
): Promise<Page<PastBalance>> {
  const { limit } = request
  const rows = await database.query<PastRow>(pageStatement(request))
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(readPast), nextCursor: rows.length > limit && last ? BigInt(last.id) : null }
}

export async function selectPastBalance(
  database: Queryable,
  position: Position,
  instant: Instant,
): Promise<PastBalance | null> {
  const [kind, value] =
    'block' in instant
      ? (['block', instant.block < BLOCK_MAX ? instant.block : BLOCK_MAX] as const)
      : (['time', instant.time] as const)
  const rows = await database.query<PastRow>({
    name: `balance-at-${kind}`,
    text: statements[kind],
    values: [...subjectValues(position), value],
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
