import type { CoverageKind } from '../../src/model/chain-event.js'
import type { Queryable } from '../../src/storage/postgres/database.js'
import type { PlayedHistory } from './played-history.js'

/** A position's records and coverage as they stand in the database, of the chain's blocks only the cursor. */
export async function storedHistory(database: Queryable, positionId: bigint): Promise<PlayedHistory> {
  const records = await database.query<{
    block_number: string
    timestamp: Date
    balance: string
    previous_balance: string | null
  }>({
    name: 'stored-records',
    text: `select block_number, timestamp, balance, previous_balance from tidemark.balance_record
           where position_id = $1 order by block_number`,
    values: [positionId],
  })
  const rows = await database.query<{
    from_number: string
    to_number: string | null
    kind: CoverageKind
    from_timestamp: Date | null
    to_timestamp: Date | null
  }>({
    name: 'stored-coverage',
    text: `select from_number, to_number, kind, from_timestamp, to_timestamp from tidemark.coverage
           where position_id = $1 order by from_number`,
    values: [positionId],
  })
  const cursors = await database.query<{ number: string; time: Date }>({
    name: 'stored-cursor',
    text: `select cursor_number as number, cursor_timestamp as time
           from tidemark.chain join tidemark.position on position.chain_id = chain.chain_id where position.id = $1`,
    values: [positionId],
  })
  return {
    blocks: cursors.map(({ number, time }) => ({ number: BigInt(number), time })),
    records: records.map((row) => ({
      blockNumber: BigInt(row.block_number),
      timestamp: row.timestamp,
      balance: BigInt(row.balance),
      previousBalance: row.previous_balance === null ? null : BigInt(row.previous_balance),
    })),
    rows: rows.map((row) => ({
      from: BigInt(row.from_number),
      to: row.to_number === null ? null : BigInt(row.to_number),
      kind: row.kind,
      fromTime: row.from_timestamp,
      toTime: row.to_timestamp,
    })),
  }
}
