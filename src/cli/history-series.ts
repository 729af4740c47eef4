import type { WireBalanceSeries } from '../client/index.js'
import { ConfigurationError, formatAmount } from '../index.js'
import { timeText } from './history-lines.js'
import { readCount } from './read-selection.js'
import type { TokenShown } from './source/token-metadata.js'
import { amountText, grouped } from './terminal/amount-text.js'
import { csvLine } from './terminal/csv.js'
import { span } from './terminal/styled-line.js'
import type { TableColumn } from './terminal/table.js'

/** What a service answers with at most. */
const POINTS_MAX = 2000

type Bucket = WireBalanceSeries['items'][number]

/** @throws {ConfigurationError} */
export function readPoints(text: string): number {
  const points = readCount('--points', text)
  if (points >= 2 && points <= POINTS_MAX) return points
  throw new ConfigurationError(`--points: expected a whole number from 2 to ${POINTS_MAX}, got ${points}`)
}

/** A step as a line of a table. */
export function seriesColumns(exact: boolean, { decimals }: TokenShown): readonly TableColumn<Bucket>[] {
  const amount = (heading: string, point: 'first' | 'last' | 'min' | 'max'): TableColumn<Bucket> => ({
    heading,
    align: 'point',
    cell: (bucket) => {
      const units = BigInt(bucket[point].balance)
      return span(exact ? formatAmount(units, decimals) : amountText(units, decimals))
    },
  })
  return [
    { heading: 'FROM (UTC)', align: 'left', cell: ({ start }) => span(timeText(start)) },
    { heading: 'RECORDS', align: 'right', cell: ({ count }) => span(grouped(BigInt(count)), 'quiet'), dispensable: 1 },
    amount('FIRST', 'first'),
    amount('LOWEST', 'min'),
    amount('HIGHEST', 'max'),
    amount('LAST', 'last'),
  ]
}

/** The first line of a CSV file. Amounts are in the token's smallest unit. */
export const seriesHeading: string = csvLine(['start', 'count', 'first', 'min', 'max', 'last', 'lastBlockNumber'])

export function seriesLine({ start, count, first, min, max, last }: Bucket): string {
  return csvLine([start, String(count), first.balance, min.balance, max.balance, last.balance, last.blockNumber])
}
