import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

interface Row {
  readonly promise: string
  readonly file: string
  readonly title: string
}

const rows: readonly Row[] = readFileSync(join(root, 'docs/reference/spec-coverage.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const match = /^\|\s*([BS]\d+)\s*\|[^|]+\|\s*(\S+)\s*\|\s*"(.+)"\s*\|$/.exec(line)
    return match === null ? [] : [{ promise: match[1] ?? '', file: match[2] ?? '', title: match[3] ?? '' }]
  })

const range = (letter: string, first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => `${letter}${first + index}`)

describe('the table of promises', () => {
  it('has a row for each promise', () => {
    const kept = [...range('S', 1, 17), ...range('B', 1, 42)]
    expect([...new Set(rows.map((row) => row.promise))].toSorted()).toEqual(kept.toSorted())
  })

  it.each(rows)('names a test of $promise that exists', ({ file, title }) => {
    const path = join(root, file)
    expect(existsSync(path), file).toBe(true)
    expect(readFileSync(path, 'utf8')).toContain(`'${title}'`)
  })
})
