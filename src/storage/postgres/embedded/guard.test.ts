import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  claimGuard,
  createGuard,
  currentOwner,
  isBeingStopped,
  isOwnerAlive,
  readGuardOwner,
  removeGuards,
  takeOverGuard,
} from './guard.js'

let dataDir = ''

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tidemark-guard-'))
})

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true })
})

describe('the guard', () => {
  it('lets the watchdog stop a server that nobody adopted, and then nobody adopt it', () => {
    createGuard(dataDir, 'a')
    expect(claimGuard(dataDir, 'a')).toBe(true)
    expect(isBeingStopped(dataDir)).toBe(true)
    expect(takeOverGuard(dataDir, 'b')).toBe(false)
  })

  it('keeps the old watchdog from a server that was adopted', () => {
    createGuard(dataDir, 'a')
    expect(takeOverGuard(dataDir, 'b')).toBe(true)
    expect(claimGuard(dataDir, 'a')).toBe(false)
    expect(isBeingStopped(dataDir)).toBe(false)
    expect(claimGuard(dataDir, 'b')).toBe(true)
  })

  it('lets the watchdog stop the server of a deleted data directory', () => {
    createGuard(dataDir, 'a')
    rmSync(dataDir, { recursive: true })
    expect(claimGuard(dataDir, 'a')).toBe(true)
    expect(takeOverGuard(dataDir, 'b')).toBe(false)
  })

  it('removes its own files only', () => {
    createGuard(dataDir, 'a')
    writeFileSync(join(dataDir, 'notes'), '')
    removeGuards(dataDir, 'b')
    expect(readdirSync(dataDir).toSorted()).toEqual(['guard-a', 'notes'])
    removeGuards(dataDir)
    expect(readdirSync(dataDir)).toEqual(['notes'])
  })

  it('names its owner, and nobody when it was cut off', () => {
    createGuard(dataDir, 'a')
    expect(readGuardOwner(dataDir)).toEqual(currentOwner())
    writeFileSync(join(dataDir, 'guard-a'), '{"pid":')
    expect(readGuardOwner(dataDir)).toBeNull()
  })
})

describe('isOwnerAlive', () => {
  it('knows this process, a dead one, and gives one of another namespace the benefit of the doubt', () => {
    const self = currentOwner()
    expect(isOwnerAlive(self)).toBe(true)
    expect(isOwnerAlive({ ...self, pid: 2 ** 30 })).toBe(false)
    expect(isOwnerAlive({ ...self, pid: 2 ** 30, namespace: 'elsewhere' })).toBe(true)
  })
})
