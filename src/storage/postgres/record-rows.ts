import { blockTime } from '../../model/block.js'
import type { HistoryRow } from '../../ledger/ledger-store.js'
import { toBytes } from './bytes.js'
import type { Queryable } from './database.js'
import { StatementParts } from './statement-parts.js'

/** Hexadecimal digits of a transaction's hash. */
const HASH_LENGTH = 64

/** The columns of a record as lists: type, and value of each row. */
const columns: readonly (readonly [type: string, value: (row: HistoryRow) => unknown])[] = [
  ['bigint', (row) => row.positionId],
  ['bigint', (row) => row.block.number],
  ['bytea', (row) => toBytes(row.block.hash)],
  ['timestamptz', (row) => blockTime(row.block)],
  ['numeric', (row) => row.balance.toString()],
  ['numeric', (row) => row.previousBalance?.toString() ?? null],
  ['text', (row) => row.transactionHashes.map((hash) => hash.slice(2)).join(',')],
  ['text', (row) => row.cause],
  ['numeric', (row) => row.unexplained.toString()],
  ['smallint', (row) => row.metadata.decimals],
  ['text', (row) => row.metadata.symbol],
  ['text', (row) => row.metadata.name],
]

/**
 * Adds the part `recorded`, which stores records.
 *
 * @param gate a part without whose row nothing is stored
 */
export function addRecords(statement: StatementParts, rows: readonly HistoryRow[], gate?: string): void {
  const lists = columns.map(([type, value]) => `${statement.value(rows.map(value))}::${type}[]`)
  statement.add(
    'recorded',
    `
    insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance,
      previous_balance, transaction_hashes, cause, unexplained, decimals, symbol, name)
    select id, number, hash, at, balance, previous,
      -- Most changes have one transaction, which need not be taken apart.
      case when length(hashes) <= ${HASH_LENGTH} then array_remove(array[decode(hashes, 'hex')], '')
           else (select array_agg(decode(listed.hash, 'hex') order by place)
                 from unnest(string_to_array(hashes, ',')) with ordinality as listed (hash, place)) end,
      cause, unexplained, decimals, symbol, name
    from unnest(${lists.join(', ')})
      as entry (id, number, hash, at, balance, previous, hashes, cause, unexplained, decimals, symbol, name)
      ${gate === undefined ? '' : `cross join ${gate}`}
    on conflict (position_id, block_number) do update
    set block_hash = excluded.block_hash, timestamp = excluded.timestamp, balance = excluded.balance,
        previous_balance = excluded.previous_balance, transaction_hashes = excluded.transaction_hashes,
        cause = excluded.cause, unexplained = excluded.unexplained, decimals = excluded.decimals,
        symbol = excluded.symbol, name = excluded.name`,
  )
}

/** Stores records of any blocks, replacing what a position has at the same block. */
export async function insertRecords(transaction: Queryable, rows: readonly HistoryRow[]): Promise<void> {
  if (rows.length === 0) return
  const statement = new StatementParts('insert-records')
  addRecords(statement, rows)
  await transaction.query(statement.build('select'))
}
