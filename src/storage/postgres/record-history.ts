import type { HistoryRequest, Page } from '../../ledger/balance-reader.js'
import type { RecordRange } from '../../ledger/record-reader.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import type { Position } from '../../model/position.js'
import { toBytes, tokenToBytes } from './bytes.js'
import { BLOCK_MAX } from './coverage-runs.js'
import type { Queryable } from './database.js'
import { readRecord, recordColumns } from './record-columns.js'
import type { RecordColumns } from './record-columns.js'

/** Records of a long history that are in memory at a time. */
const STREAM_PAGE = 500

export async function positionId(database: Queryable, { chainId, token, solver }: Position): Promise<string | null> {
  const rows = await database.query<{ id: string }>({
    name: 'position-id',
    text: 'select id from tidemark.position where chain_id = $1 and token = $2 and solver = $3',
    values: [chainId, tokenToBytes(token), toBytes(solver)],
  })
  return rows[0]?.id ?? null
}

/**
 * Times are turned into blocks first, by the index that has them in order: so a page costs the same anywhere in a long
 * history, whatever bounds it has. Positions and blocks are compared as pairs, which only the primary key has in order:
 * the index on blocks alone would lead through the records of all positions.
 */
const selectRecords = `
  select ${recordColumns} from tidemark.balance_record as record
  where (position_id, block_number) >= ($1::bigint,
      greatest($2::bigint, case when $4::timestamptz is not null then coalesce((
        select block_number from tidemark.balance_record
        where position_id = $1 and timestamp >= $4 order by timestamp, block_number limit 1), ${BLOCK_MAX}) end))
    and (position_id, block_number) <= ($1::bigint,
      least($3::bigint, case when $5::timestamptz is not null then coalesce((
        select block_number from tidemark.balance_record
        where position_id = $1 and timestamp <= $5 order by timestamp desc, block_number desc limit 1), -1) end))
  order by position_id desc, block_number desc
  limit $6`

/** A page of records, newest first; null for a position that was never watched. */
export async function selectHistory(database: Queryable, request: HistoryRequest): Promise<Page<BalanceRecord> | null> {
  const id = await positionId(database, request.position)
  return id === null ? null : selectPage(database, id, request)
}

async function selectPage(database: Queryable, id: string, request: HistoryRequest): Promise<Page<BalanceRecord>> {
  const { position, limit, beforeBlock, fromBlock, toBlock, from, to } = request
  const low = fromBlock ?? 0n
  const below = beforeBlock === undefined ? BLOCK_MAX : beforeBlock - 1n
  const high = toBlock === undefined || below < toBlock ? below : toBlock
  if (low > BLOCK_MAX || high < low) return { items: [], nextCursor: null }
  const rows = await database.query<RecordColumns>({
    name: 'history',
    text: selectRecords,
    values: [id, low, high < BLOCK_MAX ? high : BLOCK_MAX, from ?? null, to ?? null, limit + 1],
  })
  const items = rows.slice(0, limit).map((row) => readRecord(position, row))
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.blockNumber ?? null) : null }
}

/**
 * All records of a range, newest first, page by page: no connection is held in between. What comes in the meantime is
 * newer than what was handed out, so none comes twice, and none that stands all the while is missed.
 */
export async function* streamRecords(database: Queryable, range: RecordRange): AsyncGenerator<BalanceRecord, void> {
  const id = await positionId(database, range.position)
  if (id === null) return
  let beforeBlock: bigint | null | undefined
  while (beforeBlock !== null) {
    const page: Page<BalanceRecord> = await selectPage(database, id, { ...range, limit: STREAM_PAGE, beforeBlock })
    yield* page.items
    beforeBlock = page.nextCursor
  }
}
