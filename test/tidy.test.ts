import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src')

/**
 * Who may import whom. A room is a folder of `src`, or a file at its top. `ports` are the files of another room that
 * hold an interface for others to implement: those may be imported even where the room may not.
 */
const rooms: Record<string, { readonly may: readonly string[]; readonly ports?: readonly string[] }> = {
  model: { may: [] },
  access: { may: ['model'] },
  config: { may: ['model', 'access'] },
  api: { may: ['model'] },
  events: { may: ['model'] },
  chain: { may: ['model'] },
  leases: { may: ['model'] },
  ledger: { may: ['model', 'events'] },
  snapshots: { may: ['model', 'events'] },
  storage: {
    may: ['model'],
    ports: [
      'access/api-key.ts',
      'access/api-key-store.ts',
      'events/consumer-store.ts',
      'events/event-codec.ts',
      'events/event-log.ts',
      'leases/lease-store.ts',
      'ledger/balance-reader.ts',
      'ledger/ledger-store.ts',
      'ledger/record-reader.ts',
      'ledger/watch-list-store.ts',
      'snapshots/snapshot-reader.ts',
      'snapshots/snapshot-store.ts',
      'snapshots/snapshot-upkeep.ts',
    ],
  },
  doctor: { may: ['model', 'config', 'chain', 'storage'] },
  'bind-history-source.ts': { may: ['model', 'chain', 'ledger'] },
  'history-keeper.ts': { may: ['model', 'config', 'chain', 'ledger', 'bind-history-source.ts'] },
  'open-api-keys.ts': { may: ['model', 'access', 'config', 'storage'] },
  'open-mongodb.ts': { may: ['model', 'events', 'leases', 'ledger', 'storage'] },
  'open-history.ts': { may: ['model', 'config', 'chain', 'ledger', 'storage', 'history-keeper.ts'] },
  'chain-follower.ts': { may: ['model', 'config', 'chain', 'leases', 'ledger', 'bind-history-source.ts'] },
  'chain-worker.ts': { may: ['model', 'config', 'chain', 'leases', 'ledger', 'chain-follower.ts'] },
  manager: { may: ['model', 'events', 'leases', 'ledger', 'storage', 'chain-worker.ts'] },
  'open-balances.ts': { may: ['model', 'config', 'events', 'leases', 'ledger', 'storage'] },
  'balance-manager.ts': {
    may: [
      'manager',
      'model',
      'access',
      'config',
      'events',
      'chain',
      'leases',
      'ledger',
      'snapshots',
      'storage',
      'history-keeper.ts',
      'open-mongodb.ts',
      'chain-worker.ts',
    ],
  },
  'index.ts': {
    may: [
      'model',
      'access',
      'config',
      'events',
      'chain',
      'leases',
      'ledger',
      'snapshots',
      'storage',
      'doctor',
      'history-keeper.ts',
      'open-balances.ts',
      'open-history.ts',
      'open-mongodb.ts',
      'open-api-keys.ts',
      'chain-worker.ts',
      'manager',
      'balance-manager.ts',
    ],
  },
  testing: { may: ['model', 'api'] },
  client: { may: ['model', 'api'] },
  server: { may: ['index.ts', 'api', 'config'] },
  nestjs: { may: ['index.ts', 'config', 'manager', 'server'] },
  cli: { may: ['index.ts', 'api', 'client', 'server', 'config', 'testing'] },
}

interface Import {
  readonly from: string
  readonly to: string
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

/** Paths below `src`, with forward slashes. */
function tidyPath(path: string): string {
  return relative(source, path).split(sep).join('/')
}

const files = filesBelow(source).filter((file) => file.endsWith('.ts'))
const production = files.filter((file) => !file.endsWith('.test.ts'))

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const specifiers = text.matchAll(/(?:from|import|import\()\s*'(\.[^']+)'/g)
  return [...specifiers].map(([, specifier]) => ({
    from: tidyPath(file),
    to: tidyPath(resolve(dirname(file), (specifier ?? '').replace(/\.js$/, '.ts'))),
  }))
}

const imports = production.flatMap(importsOf)
const roomOf = (path: string): string => path.split('/')[0] ?? path

describe('the house', () => {
  it('has only rooms of the import table, and none that is empty', () => {
    const standing = readdirSync(source)
    expect(standing.toSorted()).toEqual(Object.keys(rooms).toSorted())
    for (const folder of standing.filter((name) => statSync(join(source, name)).isDirectory())) {
      expect(filesBelow(join(source, folder)).length, folder).toBeGreaterThan(0)
    }
  })

  it('imports only along the import table', () => {
    const wrong = imports.filter(({ from, to }) => {
      const room = rooms[roomOf(from)]
      if (roomOf(from) === roomOf(to) || room === undefined) return false
      return !room.may.includes(roomOf(to)) && room.ports?.includes(to) !== true
    })
    expect(wrong).toEqual([])
  })

  it('imports only files that exist', () => {
    expect(imports.filter(({ to }) => !existsSync(join(source, to)))).toEqual([])
  })

  it('has no import cycle', () => {
    const next = groupByFrom(imports)
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) throw new Error(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
      if (done.has(path)) return
      for (const to of next.get(path) ?? []) visit(to, [...trail, path])
      done.add(path)
    }
    for (const path of next.keys()) visit(path, [])
  })

  it('loads no framework in the core', () => {
    const frameworks = /from '(fastify|@fastify\/|socket\.io|@nestjs\/|commander|prom-client)/
    const core = production.filter((file) => !['server', 'cli', 'nestjs', 'client'].includes(roomOf(tidyPath(file))))
    expect(core.filter((file) => frameworks.test(readFileSync(file, 'utf8'))).map(tidyPath)).toEqual([])
  })

  it('names no file for what it is not: no utils, helpers or common', () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|shared|manager-of-managers)([./-]|$)/
    expect(files.map(tidyPath).filter((path) => vague.test(path))).toEqual([])
  })

  it('names files in kebab-case', () => {
    expect(files.map(tidyPath).filter((path) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.test)?\.ts$/.test(path))).toEqual([])
  })
})

function groupByFrom(list: readonly Import[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { from, to } of list) groups.set(from, [...(groups.get(from) ?? []), to])
  return groups
}
