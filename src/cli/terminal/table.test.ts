import { describe, expect, it } from 'vitest'

import { csvLine, csvText } from './csv.js'
import { jsonText } from './output.js'
import { paint, span } from './styled-line.js'
import { layOutTable } from './table.js'
import type { TableColumn } from './table.js'

interface Row {
  readonly name: string
  readonly amount: string
  readonly note: string
}

const columns: readonly TableColumn<Row>[] = [
  { heading: 'NAME', align: 'left', cell: ({ name }) => span(name) },
  { heading: 'AMOUNT', align: 'point', cell: ({ amount }) => span(amount) },
  { heading: 'NOTE', align: 'right', cell: ({ note }) => span(note), dispensable: 1 },
]
const rows: readonly Row[] = [
  { name: 'one', amount: '1.5', note: 'x' },
  { name: '漢字', amount: '1,000.25', note: 'longer' },
  { name: 'three', amount: 'unknown', note: '' },
  { name: 'four', amount: '7', note: '' },
]

const shown = (width: number | null): string[] => paint(layOutTable({ columns, rows, width }), false).split('\n')

describe('layOutTable', () => {
  it('sets numbers with their points below each other, and counts columns as a terminal does', () => {
    expect(shown(null)).toEqual([
      'NAME     AMOUNT    NOTE',
      'one        1.5        x',
      '漢字   1,000.25  longer',
      'three   unknown',
      'four       7',
    ])
  })

  it('leaves out what is missed least where the terminal is narrow, and cuts the rest', () => {
    expect(shown(22)[2]).toBe('漢字   1,000.25')
    for (const line of shown(9)) expect(line.length).toBeLessThanOrEqual(9)
  })
})

describe('csvLine', () => {
  it('quotes what has to be, and makes no formula of a name', () => {
    expect(csvLine(['a', 'b,c', 'd"e', 'f\ng', ''])).toBe('a,"b,c","d""e","f\ng",')
    expect(['=1+1', '+1', '-1', '@x', 'USDC'].map(csvText)).toEqual(["'=1+1", "'+1", "'-1", "'@x", 'USDC'])
  })
})

describe('jsonText', () => {
  it('has no character that a terminal obeys, and means the same', () => {
    const value = { name: 'a\u001b[31m\u009b31m\u202e\u2028\u{e0041}\u007f漢' }
    const text = jsonText(value)
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    expect(text).toContain('漢')
    expect(JSON.parse(text)).toEqual(value)
  })
})
