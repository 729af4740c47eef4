import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

const source = resolve(import.meta.dirname, '..')

/** Every file that is loaded with a file, and every package; imports of types alone load nothing. */
function reach(start: string): { readonly files: ReadonlySet<string>; readonly packages: ReadonlySet<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    for (const specifier of loadedBy(readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier.replace(/\.js$/, '.ts')))
      else packages.add(specifier)
    }
  }
  visit(start)
  return { files, packages }
}

function loadedBy(text: string): readonly string[] {
  const statements = text.matchAll(/^(?:import|export)\s(?!type\b)[^;'"]*?from\s'([^']+)'|^import\s'([^']+)'/gm)
  const dynamic = text.matchAll(/import\(\s*'([^']+)'/g)
  return [...statements, ...dynamic].map((match) => match[1] ?? match[2] ?? '')
}

describe('the client', () => {
  const { files, packages } = reach(join(import.meta.dirname, 'index.ts'))

  it('loads nothing of Node and no package but socket.io-client', () => {
    expect([...packages]).toEqual(['socket.io-client'])
  })

  it('loads of Tidemark only itself and two small files', () => {
    const others = [...files].map((file) => relative(source, file)).filter((file) => !file.startsWith('client/'))
    expect(others.toSorted()).toEqual(['api/socket-path.ts', 'model/errors.ts'])
  })

  it('names no global of Node', () => {
    const globals = /\b(process|Buffer|global|__dirname|require|setImmediate)\b\s*[.([]/
    expect([...files].filter((file) => globals.test(readFileSync(file, 'utf8')))).toEqual([])
  })
})

describe('the walk over imports', () => {
  it('finds what a file loads, and passes over types', () => {
    const text = [
      "import { a } from './a.js'",
      "import type { B } from './b.js'",
      "export { c } from 'c'",
      "export type { D } from 'd'",
      "import {\n  e,\n  f,\n} from 'node:e'",
      "import 'g'",
      "const h = await import('h')",
    ].join('\n')
    expect(loadedBy(text)).toEqual(['./a.js', 'c', 'node:e', 'g', 'h'])
  })
})
