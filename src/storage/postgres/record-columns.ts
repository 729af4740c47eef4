import type { BalanceCause } from '../../model/balance-cause.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import type { Position } from '../../model/position.js'
import { toHash } from './bytes.js'
import { toBigInt } from './ledger-queries.js'

/** What is selected of a record, where its table is called `record`. */
export const recordColumns: string = `
  record.block_number, record.block_hash, record.timestamp, record.balance, record.previous_balance,
  record.transaction_hashes, record.cause, record.unexplained, record.decimals, record.symbol, record.name`

/** The same as it comes. */
export interface RecordColumns {
  readonly block_number: string
  readonly block_hash: Buffer
  readonly timestamp: Date
  readonly balance: string
  readonly previous_balance: string | null
  readonly transaction_hashes: readonly Buffer[]
  readonly cause: BalanceCause | null
  readonly unexplained: string
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
}

export function readRecord(position: Position, row: RecordColumns): BalanceRecord {
  return {
    chainId: position.chainId,
    token: position.token,
    solver: position.solver,
    balance: BigInt(row.balance),
    previousBalance: toBigInt(row.previous_balance),
    blockNumber: BigInt(row.block_number),
    blockHash: toHash(row.block_hash),
    timestamp: row.timestamp,
    transactionHashes: row.transaction_hashes.map(toHash),
    cause: row.cause,
    unexplained: BigInt(row.unexplained),
    decimals: row.decimals,
    symbol: row.symbol,
    name: row.name,
  }
}
