import type { HistoryRow } from '../../ledger/ledger-store.js'
import type { Queryable } from './database.js'
import { StatementParts } from './statement-parts.js'

/** Hexadecimal digits of a transaction's hash. */
const HASH_LENGTH = 64

/** A column of records as a list: its type, and what stands in it for each row. */
type Column = readonly [type: string, value: (row: HistoryRow) => string | bigint | number | null]

/**
 * Numbers, hashes and words of ours, in which nothing needs quotes: that saves asking about every letter of them, and of
 * records there may be very many.
 */
const plainColumns: readonly Column[] = [
  ['bigint', (row) => row.positionId],
  ['bigint', (row) => row.block.number],
  ['text', (row) => row.block.hash.slice(2)],
  ['bigint', (row) => row.block.timestampSeconds],
  ['numeric', (row) => row.balance],
  ['numeric', (row) => row.previousBalance],
  ['text', (row) => row.transactionHashes.map((hash) => hash.slice(2)).join(';') || '""'],
  ['text', (row) => row.cause],
  ['numeric', (row) => row.unexplained],
  ['smallint', (row) => row.metadata.decimals],
]

/** What tokens say of themselves may hold any character. */
const quotedColumns: readonly Column[] = [
  ['text', (row) => row.metadata.symbol],
  ['text', (row) => row.metadata.name],
]

/**
 * Adds the part `recorded`, which stores records.
 *
 * @param gate a part without whose row nothing is stored
 */
export function addRecords(statement: StatementParts, rows: readonly HistoryRow[], gate?: string): void {
  const plain = plainColumns.map(([type, value]) => {
    return `${statement.value(`{${rows.map((row) => value(row) ?? 'null').join(',')}}`)}::${type}[]`
  })
  const quoted = quotedColumns.map(([type, value]) => `${statement.value(rows.map(value))}::${type}[]`)
  const lists = [...plain, ...quoted]
  statement.add(
    'recorded',
    `
    insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance,
      previous_balance, transaction_hashes, cause, unexplained, decimals, symbol, name)
    select id, number, decode(hash, 'hex'), to_timestamp(at), balance, previous,
      -- Most changes have one transaction, which need not be taken apart.
      case when length(hashes) <= ${HASH_LENGTH} then array_remove(array[decode(hashes, 'hex')], '')
           else (select array_agg(decode(listed.hash, 'hex') order by place)
                 from unnest(string_to_array(hashes, ';')) with ordinality as listed (hash, place)) end,
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
