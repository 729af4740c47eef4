import { styleText } from 'node:util'

import { cutToWidth, displayWidth } from './display-width.js'

/** What a piece of text stands for; how that looks is decided when it is painted. */
export type Ink = 'plain' | 'title' | 'quiet' | 'good' | 'bad' | 'warning'

export interface Span {
  readonly text: string
  readonly ink: Ink
}

export type StyledLine = readonly Span[]

const formats = {
  title: 'bold',
  quiet: 'dim',
  good: 'green',
  bad: 'red',
  warning: 'yellow',
} as const

export function span(text: string, ink: Ink = 'plain'): Span {
  return { text, ink }
}

/** Cuts a line to the width of the terminal. */
export function fitLine(line: StyledLine, columns: number): StyledLine {
  if (lineWidth(line) <= columns) return line
  const fitted: Span[] = []
  let left = columns
  for (const { text, ink } of line) {
    const width = displayWidth(text)
    // The ellipsis may be needed for what follows, so a span that fills the line exactly is cut as well.
    if (width >= left) return [...fitted, { text: cutToWidth(`${text} `, left), ink }]
    fitted.push({ text, ink })
    left -= width
  }
  return fitted
}

export function lineWidth(line: StyledLine): number {
  return line.reduce((sum, { text }) => sum + displayWidth(text), 0)
}

/** The text for the terminal, in colour or without. */
export function paint(lines: readonly StyledLine[], colours: boolean): string {
  return lines
    .map((line) =>
      line
        .map((piece) => paintSpan(piece, colours))
        .join('')
        .trimEnd(),
    )
    .join('\n')
}

/** Whether the terminal wants colour was decided by the caller, so `styleText` need not look. */
function paintSpan({ text, ink }: Span, colours: boolean): string {
  return colours && ink !== 'plain' ? styleText(formats[ink], text, { validateStream: false }) : text
}
