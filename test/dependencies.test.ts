import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { describe, expect, it } from 'vitest'

const lockFile = JSON.parse(readFileSync(resolve(import.meta.dirname, '../package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<
    Record<
      string,
      { readonly version?: string; readonly link?: boolean; readonly dev?: boolean; readonly integrity?: string }
    >
  >
}

/** The first version of each package that is free of the known holes that would concern a service like this one. */
const safeSince: Readonly<Record<string, string>> = {
  'socket.io': '4.6.2',
  'socket.io-parser': '4.2.3',
  'socket.io-adapter': '2.5.2',
  'engine.io': '6.6.0',
  'engine.io-client': '6.6.0',
  ws: '8.17.1',
  fastify: '5.3.2',
  '@fastify/static': '8.0.0',
  'find-my-way': '9.0.0',
  'secure-json-parse': '2.7.0',
  pg: '8.0.0',
}

/** Every copy of a package in the lock file, however deep. */
function versionsOf(name: string): string[] {
  return Object.entries(lockFile.packages).flatMap(([path, { version }]) =>
    path.endsWith(`node_modules/${name}`) && version !== undefined ? [version] : [],
  )
}

function isAtLeast(version: string, least: string): boolean {
  const [have, need] = [version, least].map((text) => text.split('-')[0]?.split('.').map(Number) ?? [])
  for (const [index, number] of (need ?? []).entries()) {
    const difference = (have?.[index] ?? 0) - number
    if (difference !== 0) return difference > 0
  }
  return true
}

describe('the lock file', () => {
  it.each(Object.entries(safeSince))('has %s in no version below %s, in any copy', (name, least) => {
    const versions = versionsOf(name)
    expect(versions.length).toBeGreaterThan(0)
    expect(versions.filter((version) => !isAtLeast(version, least))).toEqual([])
  })

  it('names a checksum for everything that a user downloads', () => {
    const downloaded = Object.entries(lockFile.packages).filter(
      ([path, { link, dev }]) => path.startsWith('node_modules/') && link !== true && dev !== true,
    )
    expect(downloaded.length).toBeGreaterThan(100)
    expect(downloaded.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([])
  })

  it('is compared by number, not by letter', () => {
    expect([isAtLeast('4.10.0', '4.6.2'), isAtLeast('4.6.1', '4.6.2'), isAtLeast('10.0.0', '9.9.9')]).toEqual([
      true,
      false,
      true,
    ])
  })
})
