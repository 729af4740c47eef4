import { ageText, amountText, changeText, grouped } from '../terminal/amount-text.js'
import type { BalanceRow } from './balance-row.js'
import { chainName, shortAddress, tokenName, walletName } from '../terminal/position-names.js'
import { fitLine, span } from '../terminal/styled-line.js'
import type { Ink, StyledLine } from '../terminal/styled-line.js'
import { layOutTable } from '../terminal/table.js'
import type { TableColumn } from '../terminal/table.js'

/** A row with the names that people know it by. */
export interface NamedRow extends BalanceRow {
  readonly label: string | null
  readonly chainName: string
}

export interface TableOptions {
  readonly rows: readonly NamedRow[]
  readonly nowMs: number
  readonly columns: number
  /** Lines that the table may take, its heading included. */
  readonly maxLines: number
}

/** A change is highlighted this long. */
const freshMs = 4_000

function columnsAt(nowMs: number): readonly TableColumn<NamedRow>[] {
  return [
    { heading: 'SOLVER WALLET', align: 'left', cell: (row) => span(walletName(row)) },
    {
      heading: 'ADDRESS',
      align: 'left',
      cell: ({ solverAddress }) => span(shortAddress(solverAddress), 'quiet'),
      dispensable: 2,
    },
    { heading: 'TOKEN', align: 'left', cell: (row) => span(tokenName(row)) },
    { heading: 'CHAIN', align: 'left', cell: (row) => span(chainName(row.chainName)) },
    { heading: 'BALANCE', align: 'point', cell: ({ balance, decimals }) => span(amountText(balance, decimals)) },
    {
      heading: 'LAST CHANGE',
      align: 'point',
      cell: (row) => span(changeText(row.change, row.decimals), changeInk(row, nowMs)),
    },
    {
      heading: 'BLOCK',
      align: 'right',
      cell: ({ blockNumber }) => span(grouped(blockNumber), 'quiet'),
      dispensable: 1,
    },
    {
      heading: 'AGE',
      align: 'right',
      cell: (row) => (row.stale ? span('stale', 'warning') : span(ageText(nowMs - row.changedAtMs), 'quiet')),
    },
  ]
}

/** The table of balances, fitted to the terminal: a heading, the rows, and how many more there are. */
export function renderTable({ rows, nowMs, columns, maxLines }: TableOptions): StyledLine[] {
  const room = Math.max(0, maxLines - 1)
  const shown = rows.length <= room ? rows : rows.slice(0, Math.max(0, room - 1))
  const hidden = rows.length - shown.length
  const table = layOutTable({ columns: columnsAt(nowMs), rows: shown, width: columns })
  const more: StyledLine[] = hidden === 0 ? [] : [[span(`… and ${hidden} more`, 'quiet')]]
  return [...table, ...more].slice(0, Math.max(0, maxLines)).map((line) => fitLine(line, columns))
}

function changeInk({ change, changedAtMs }: NamedRow, nowMs: number): Ink {
  if (change === null || nowMs - changedAtMs > freshMs) return 'quiet'
  return change < 0n ? 'bad' : 'good'
}
