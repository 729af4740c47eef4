import { displayWidth } from './display-width.js'
import { fitLine, lineWidth, span } from './styled-line.js'
import type { Span, StyledLine } from './styled-line.js'

/** One column of a table. `point`: numbers stand with their decimal points below each other. */
export interface TableColumn<Row> {
  readonly heading: string
  readonly align: 'left' | 'right' | 'point'
  readonly cell: (row: Row) => Span
  /** A terminal that is too narrow loses the columns with the highest number first, and never one without. */
  readonly dispensable?: number
}

export interface TableOptions<Row> {
  readonly columns: readonly TableColumn<Row>[]
  readonly rows: readonly Row[]
  /** Columns of the terminal; null where a line may be of any length. */
  readonly width: number | null
}

const gap = '  '

/** Lines of equal width, the heading first: as many columns as the terminal has room for, and cut where even those have none. */
export function layOutTable<Row>({ columns, rows, width }: TableOptions<Row>): StyledLine[] {
  if (width === null) return layOut(columns, rows)
  for (let shown = columns; ;) {
    const table = layOut(shown, rows)
    const next = withoutOne(shown)
    if (lineWidth(table[0] ?? []) <= width || next === null) return table.map((line) => fitLine(line, width))
    shown = next
  }
}

/** Drops the columns that are missed least; null when all that are left are needed. */
function withoutOne<Row>(columns: readonly TableColumn<Row>[]): readonly TableColumn<Row>[] | null {
  const most = Math.max(...columns.map(({ dispensable = 0 }) => dispensable))
  return most <= 0 ? null : columns.filter(({ dispensable = 0 }) => dispensable !== most)
}

function layOut<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[]): StyledLine[] {
  const cells = columns.map(({ heading, align, cell }) => {
    const spans = rows.map(cell)
    const aligned = align === 'point' ? alignPoints(spans) : spans
    const cellWidth = Math.max(displayWidth(heading), ...aligned.map(({ text }) => displayWidth(text)))
    return [span(heading, 'quiet'), ...aligned].map(({ text, ink }) => {
      const padding = ' '.repeat(cellWidth - displayWidth(text))
      return span(align === 'left' ? text + padding : padding + text, ink)
    })
  })
  const lines = ['heading', ...rows].map((_, line) => cells.map((column) => column[line] ?? span('')))
  return lines.map((line) => line.flatMap((piece, place) => (place === 0 ? [piece] : [span(gap), piece])))
}

/** Fills numbers up on the right: what is then set flush right has its points in one place. */
function alignPoints(spans: readonly Span[]): Span[] {
  const fractions = spans.map(({ text }) => fractionWidth(text))
  const widest = Math.max(0, ...fractions)
  return spans.map(({ text, ink }, index) => {
    const isNumber = /\d/.test(text)
    return span(isNumber ? text + ' '.repeat(widest - (fractions[index] ?? 0)) : text, ink)
  })
}

/** Columns from the decimal point on; words have none. */
function fractionWidth(text: string): number {
  const point = /\.\d+$/.exec(text)
  return point === null ? 0 : point[0].length
}
