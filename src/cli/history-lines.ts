import type { WireBalanceRecord } from '../client/index.js'
import { formatAmount } from '../index.js'
import { amountText, changeText, grouped } from './terminal/amount-text.js'
import { csvLine, csvText } from './terminal/csv.js'
import { plainText } from './terminal/plain-text.js'
import { span } from './terminal/styled-line.js'
import type { Ink } from './terminal/styled-line.js'
import type { TableColumn } from './terminal/table.js'

const SYMBOL_COLUMNS = 12
/** Of a transaction's hash that much is shown where there are more. */
const HASH_COLUMNS = 66

/** A record as a line of a table. */
export function historyColumns(exact: boolean): readonly TableColumn<WireBalanceRecord>[] {
  const amount = (units: bigint, { decimals = null }: { decimals?: number | null }): string =>
    exact ? formatAmount(units, decimals) : amountText(units, decimals)
  return [
    { heading: 'TIME (UTC)', align: 'left', cell: ({ timestamp }) => span(timeText(timestamp)) },
    { heading: 'BLOCK', align: 'right', cell: ({ blockNumber }) => span(grouped(BigInt(blockNumber))) },
    { heading: 'BALANCE', align: 'point', cell: (record) => span(amount(BigInt(record.balance), record)) },
    {
      heading: 'TOKEN',
      align: 'left',
      cell: ({ tokenSymbol }) => span(plainText(tokenSymbol ?? '', SYMBOL_COLUMNS)),
      dispensable: 2,
    },
    {
      heading: 'CHANGE',
      align: 'point',
      cell: (record) => {
        const change = changeOf(record)
        if (change === null) return span('–', 'quiet')
        const text = exact ? signed(change, record.decimals ?? null) : changeText(change, record.decimals ?? null)
        return span(text, inkOf(change))
      },
    },
    { heading: 'CAUSE', align: 'left', cell: ({ cause }) => span(cause ?? 'first seen', 'quiet'), dispensable: 1 },
    { heading: 'TRANSACTION', align: 'left', cell: (record) => span(hashText(record), 'quiet'), dispensable: 3 },
  ]
}

/** UTC, to the second: blocks have no more. */
export function timeText(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}

/** Null for a first record, which is no change. */
export function changeOf({ balance, previousBalance }: WireBalanceRecord): bigint | null {
  return previousBalance === null ? null : BigInt(balance) - BigInt(previousBalance)
}

export function signed(change: bigint, decimals: number | null): string {
  const text = formatAmount(change, decimals)
  return change > 0n ? `+${text}` : text
}

function inkOf(change: bigint): Ink {
  return change < 0n ? 'bad' : 'good'
}

function hashText({ transactionHashes }: WireBalanceRecord): string {
  const [first] = transactionHashes
  if (first === undefined) return '–'
  const more = transactionHashes.length - 1
  return plainText(more === 0 ? first : `${first.slice(0, 10)}… and ${more} more`, HASH_COLUMNS)
}

/** The first line of a CSV file. Amounts are in the token's smallest unit, but for `formatted`. */
export const csvHeading: string = csvLine([
  'chainId',
  'tokenAddress',
  'solverAddress',
  'tokenSymbol',
  'decimals',
  'timestamp',
  'blockNumber',
  'blockHash',
  'balance',
  'formatted',
  'previousBalance',
  'change',
  'cause',
  'unexplained',
  'transactionHashes',
])

/** A record as a line of a CSV file. */
export function csvRecord(record: WireBalanceRecord): string {
  return csvLine([
    record.chainId,
    record.tokenAddress,
    record.solverAddress,
    csvText(plainText(record.tokenSymbol ?? '', Number.POSITIVE_INFINITY)),
    record.decimals === undefined ? '' : String(record.decimals),
    record.timestamp,
    record.blockNumber,
    record.blockHash,
    record.balance,
    record.formatted,
    record.previousBalance ?? '',
    changeOf(record)?.toString() ?? '',
    record.cause ?? '',
    record.unexplained,
    record.transactionHashes.join(' '),
  ])
}
