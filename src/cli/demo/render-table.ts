import { ageText, amountText, changeText, grouped } from './amount-text.js'
import type { BalanceRow } from './balance-row.js'
import { displayWidth } from './display-width.js'
import { plainText } from './plain-text.js'
import { fitLine, lineWidth, span } from './styled-line.js'
import type { Ink, Span, StyledLine } from './styled-line.js'

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

interface Column {
  readonly heading: string
  readonly align: 'left' | 'right'
  cell(row: NamedRow, nowMs: number): Span
}

const labelColumns = 20
const symbolColumns = 12
/** A change is highlighted this long. */
const freshMs = 4_000
const gap = '  '

const wallet: Column = { heading: 'SOLVER WALLET', align: 'left', cell: (row) => span(walletName(row)) }

const allColumns: readonly Column[] = [
  wallet,
  {
    heading: 'ADDRESS',
    align: 'left',
    cell: ({ solverAddress }) => span(shortAddress(solverAddress), 'quiet'),
  },
  { heading: 'TOKEN', align: 'left', cell: (row) => span(tokenName(row)) },
  { heading: 'CHAIN', align: 'left', cell: ({ chainName }) => span(plainText(chainName, labelColumns)) },
  { heading: 'BALANCE', align: 'right', cell: ({ balance, decimals }) => span(amountText(balance, decimals)) },
  {
    heading: 'LAST CHANGE',
    align: 'right',
    cell: (row, nowMs) => span(changeText(row.change, row.decimals), changeInk(row, nowMs)),
  },
  { heading: 'BLOCK', align: 'right', cell: ({ blockNumber }) => span(grouped(blockNumber), 'quiet') },
  {
    heading: 'AGE',
    align: 'right',
    cell: (row, nowMs) => (row.stale ? span('stale', 'warning') : span(ageText(nowMs - row.changedAtMs), 'quiet')),
  },
]

/** Sets of columns, widest first: a narrow terminal loses the address first, then the block. */
const layouts: readonly (readonly Column[])[] = [
  allColumns,
  allColumns.filter(({ heading }) => heading !== 'ADDRESS'),
  allColumns.filter(({ heading }) => heading !== 'ADDRESS' && heading !== 'BLOCK'),
]

/** The table of balances, fitted to the terminal: a heading, the rows, and how many more there are. */
export function renderTable({ rows, nowMs, columns, maxLines }: TableOptions): StyledLine[] {
  const room = Math.max(0, maxLines - 1)
  const shown = rows.length <= room ? rows : rows.slice(0, Math.max(0, room - 1))
  const hidden = rows.length - shown.length
  const tables = layouts.map((layout) => layOut(layout, shown, nowMs))
  const table = tables.find(([heading = []]) => lineWidth(heading) <= columns) ?? tables.at(-1) ?? []
  const more: StyledLine[] = hidden === 0 ? [] : [[span(`… and ${hidden} more`, 'quiet')]]
  return [...table, ...more].slice(0, Math.max(0, maxLines)).map((line) => fitLine(line, columns))
}

/** Lines of equal width, the heading first. */
function layOut(layout: readonly Column[], rows: readonly NamedRow[], nowMs: number): StyledLine[] {
  const cells = rows.map((row) => layout.map((column) => column.cell(row, nowMs)))
  const widths = layout.map(({ heading }, index) =>
    Math.max(displayWidth(heading), ...cells.map((line) => displayWidth(line[index]?.text ?? ''))),
  )
  const align = (line: readonly Span[]): StyledLine =>
    line.flatMap(({ text, ink }, index) => {
      const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(text)))
      const padded = layout[index]?.align === 'right' ? padding + text : text + padding
      return index === 0 ? [span(padded, ink)] : [span(gap), span(padded, ink)]
    })
  return [align(layout.map(({ heading }) => span(heading, 'quiet'))), ...cells.map(align)]
}

function walletName({ label, solverAddress }: NamedRow): string {
  const name = label === null ? '' : plainText(label, labelColumns)
  return name === '' ? shortAddress(solverAddress) : name
}

function tokenName({ symbol, tokenAddress }: NamedRow): string {
  const name = symbol === null ? '' : plainText(symbol, symbolColumns)
  if (name !== '') return name
  return tokenAddress === 'native' ? 'native' : shortAddress(tokenAddress)
}

function shortAddress(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`
}

function changeInk({ change, changedAtMs }: NamedRow, nowMs: number): Ink {
  if (change === null || nowMs - changedAtMs > freshMs) return 'quiet'
  return change < 0n ? 'bad' : 'good'
}
