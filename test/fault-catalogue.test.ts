import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const FAULTS = 67

interface Row {
  readonly fault: number
  readonly file: string
  readonly title: string
}

const rows: readonly Row[] = readFileSync(join(root, 'docs/internals/faults.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const match = /^\|\s*(\d+)\s*\|[^|]*\|[^|]*\|\s*(\S+)\s+"(.+)"\s*\|$/.exec(line)
    return match === null ? [] : [{ fault: Number(match[1]), file: match[2] ?? '', title: match[3] ?? '' }]
  })

describe('the catalogue of faults', () => {
  it('has a test for each fault', () => {
    expect([...new Set(rows.map(({ fault }) => fault))]).toEqual(
      Array.from({ length: FAULTS }, (_, index) => index + 1),
    )
  })

  it.each(rows)('names a test of fault $fault that exists: $title', ({ file, title }) => {
    const path = join(root, file)
    expect(existsSync(path), file).toBe(true)
    expect(readFileSync(path, 'utf8')).toContain(`'${title}'`)
  })
})
