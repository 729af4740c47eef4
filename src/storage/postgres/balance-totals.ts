import type { Page, TotalsRequest } from '../../ledger/balance-reader.js'
import type { BalanceTotal } from '../../model/balance-statistics.js'
import { bytesToToken, toAddress, toBytes, tokenToBytes } from './bytes.js'
import type { Queryable } from './database.js'

interface TotalRow {
  readonly place: string
  readonly chain_id: string
  readonly token: Buffer
  readonly solver: Buffer | null
  readonly balance: string
  readonly positions: string
  readonly stale: string
  readonly unknown: string
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
}

/** Sums of newest balances. A group's place in the order, and on its pages, is the id of its oldest position. */
export async function selectTotals(database: Queryable, request: TotalsRequest): Promise<Page<BalanceTotal>> {
  const { chainId, token, solver, by, limit, after } = request
  const rows = await database.query<TotalRow>({
    name: 'balance-totals',
    text: `
      with sum as (
        select min(position.id) as place, position.chain_id, position.token, sum(balance) as balance,
          case when $4 then solver end as solver,
          count(record_number) as positions,
          count(record_number) filter (where not active or stale_reason is not null or coverage.position_id is null) as stale,
          count(*) filter (where record_number is null) as unknown,
          max(array[record_number, position.id]) filter (where record_number is not null) as newest
        from tidemark.position
        left join tidemark.coverage on coverage.position_id = position.id and to_number is null
        -- What is watched and was never read is missing in the sum, which has to be told.
        where (record_number is not null or active)
          and ($1::bigint is null or position.chain_id = $1)
          and ($2::bytea is null or position.token = $2)
          and ($3::bytea is null or solver = $3)
        group by position.chain_id, position.token, case when $4 then solver end
        having min(position.id) > $5 and count(record_number) > 0
        order by place
        limit $6
      )
      -- What the token says of itself is in the newest record of all.
      select place, chain_id, token, solver, sum.balance, positions, stale, unknown, decimals, symbol, name
      from sum
      join tidemark.balance_record as record on record.block_number = newest[1] and record.position_id = newest[2]
      order by place`,
    values: [
      chainId ?? null,
      token === undefined ? null : tokenToBytes(token),
      solver === undefined ? null : toBytes(solver),
      by === 'solver-token',
      after ?? 0n,
      limit + 1,
    ],
  })
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(readTotal), nextCursor: rows.length > limit && last ? BigInt(last.place) : null }
}

function readTotal(row: TotalRow): BalanceTotal {
  return {
    chainId: BigInt(row.chain_id),
    token: bytesToToken(row.token),
    solver: row.solver === null ? null : toAddress(row.solver),
    balance: BigInt(row.balance),
    positions: Number(row.positions),
    stale: Number(row.stale),
    unknown: Number(row.unknown),
    decimals: row.decimals,
    symbol: row.symbol,
    name: row.name,
  }
}
