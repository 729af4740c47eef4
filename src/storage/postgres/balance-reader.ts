import type {
  BalancePageRequest,
  BalanceReader,
  ChainProgress,
  HistoryRequest,
  Page,
  TotalsRequest,
} from '../../ledger/balance-reader.js'
import type { BalanceTotal } from '../../model/balance-statistics.js'
import type { CoverageInterval } from '../../model/coverage.js'
import type { BalanceRecord, CurrentBalance } from '../../model/balance-record.js'
import { finalityOf } from '../../model/block.js'
import type { Position } from '../../model/position.js'
import { selectTotals } from './balance-totals.js'
import { bytesToToken, toAddress, toBytes, toHash, tokenToBytes } from './bytes.js'
import type { Queryable } from './database.js'
import { selectCoverage, toBigInt } from './ledger-queries.js'
import { readRecord, recordColumns } from './record-columns.js'
import type { RecordColumns } from './record-columns.js'
import { positionId, selectHistory } from './record-history.js'

interface BalanceColumns extends RecordColumns {
  readonly id: string
  readonly chain_id: string
  readonly token: Buffer
  readonly solver: Buffer
  readonly stale_reason: string | null
  readonly verified_number: string
  readonly verified_hash: Buffer
  readonly verified_timestamp: Date
  readonly safe_number: string | null
  readonly finalized_number: string | null
}

/** Balances and history out of PostgreSQL. */
export class PostgresBalanceReader implements BalanceReader {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async chains(): Promise<readonly ChainProgress[]> {
    const rows = await this.#database.query<{
      chain_id: string
      name: string
      cursor_number: string | null
      cursor_hash: Buffer | null
      cursor_timestamp: Date | null
      safe_number: string | null
      finalized_number: string | null
    }>({
      name: 'chains',
      text: `select chain_id, name, cursor_number, cursor_hash, cursor_timestamp, safe_number, finalized_number
             from tidemark.chain order by chain_id`,
    })
    return rows.map((row) => ({
      chainId: BigInt(row.chain_id),
      name: row.name,
      processed:
        row.cursor_number === null || row.cursor_hash === null || row.cursor_timestamp === null
          ? null
          : { number: BigInt(row.cursor_number), hash: toHash(row.cursor_hash), timestamp: row.cursor_timestamp },
      finality: { safe: toBigInt(row.safe_number), finalized: toBigInt(row.finalized_number) },
    }))
  }

  async currentBalances(request: BalancePageRequest): Promise<Page<CurrentBalance>> {
    const { chainId, token, solver, limit, after } = request
    const rows = await this.#database.query<BalanceColumns>({
      name: 'current-balances',
      text: `
        select position.id, position.chain_id, token, solver, ${recordColumns},
          case when not active then 'no longer watched'
               when stale_reason is not null then stale_reason
               when coverage.position_id is null then 'waiting for the next block'
          end as stale_reason,
          -- An open interval of exact coverage reaches to the cursor, while a sampled balance holds at its own block;
          -- otherwise the newest block known is where the interval ended.
          case when coverage.kind = 'exact' then cursor_number
               else coalesce(verified_number, record.block_number) end as verified_number,
          case when coverage.kind = 'exact' then cursor_hash
               else coalesce(verified_hash, record.block_hash) end as verified_hash,
          case when coverage.kind = 'exact' then cursor_timestamp
               else coalesce(verified_timestamp, record.timestamp) end as verified_timestamp,
          safe_number, finalized_number
        from (
          -- In order first: then no more of them are looked at than a page has.
          select * from tidemark.position
          where id > $1
            and ($2::bigint is null or chain_id = $2)
            and ($3::bytea is null or token = $3)
            and ($4::bytea is null or solver = $4)
          order by id offset 0
        ) as position
        join tidemark.chain on chain.chain_id = position.chain_id
        -- One by one, by the position's own index: the planner knows too little of the two to join them well.
        cross join lateral (
          select * from tidemark.balance_record
          where position_id = position.id and block_number <= record_number order by block_number desc limit 1
        ) as record
        left join tidemark.coverage on coverage.position_id = position.id and to_number is null
        order by position.id
        limit $5`,
      values: [
        after ?? 0n,
        chainId ?? null,
        token === undefined ? null : tokenToBytes(token),
        solver === undefined ? null : toBytes(solver),
        limit + 1,
      ],
    })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    return { items: items.map(readBalance), nextCursor: rows.length > limit && last ? BigInt(last.id) : null }
  }

  async currentBalance({ chainId, token, solver }: Position): Promise<CurrentBalance | null> {
    const { items } = await this.currentBalances({ chainId, token, solver, limit: 1 })
    return items[0] ?? null
  }

  history(request: HistoryRequest): Promise<Page<BalanceRecord> | null> {
    return selectHistory(this.#database, request)
  }

  async coverage(position: Position): Promise<readonly CoverageInterval[] | null> {
    const id = await positionId(this.#database, position)
    return id === null ? null : selectCoverage(this.#database, BigInt(id))
  }

  totals(request: TotalsRequest): Promise<Page<BalanceTotal>> {
    return selectTotals(this.#database, request)
  }
}

function readBalance(row: BalanceColumns): CurrentBalance {
  const position = { chainId: BigInt(row.chain_id), token: bytesToToken(row.token), solver: toAddress(row.solver) }
  const record = readRecord(position, row)
  return {
    ...record,
    verified: {
      number: BigInt(row.verified_number),
      hash: toHash(row.verified_hash),
      timestamp: row.verified_timestamp,
    },
    finality: finalityOf(record.blockNumber, {
      safe: toBigInt(row.safe_number),
      finalized: toBigInt(row.finalized_number),
    }),
    staleReason: row.stale_reason,
  }
}
