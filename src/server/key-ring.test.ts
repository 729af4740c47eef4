import { EventEmitter } from 'node:events'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { hashSecret } from '../access/make-secret.js'
import { silentLogger } from '../model/logger.js'
import type { ApiKey, ApiKeyScope, KeysInForce } from '../index.js'
import { KeyRing, bearerSecret } from './key-ring.js'

const key = (name: string, secret: string, scopes: readonly ApiKeyScope[]): ApiKey => ({
  name,
  secretSha256: hashSecret(secret),
  scopes,
})

/** The table of keys, as another process writes it. */
class KeyTable {
  everAdded = false
  keys: KeysInForce['keys'] = []
  away = false
  used: string[][] = []

  add(name: string, secret: string, scopes: readonly ApiKeyScope[]): void {
    this.everAdded = true
    this.keys = [...this.keys, { id: `id-of-${name}`, ...key(name, secret, scopes) }]
  }

  revoke(name: string): void {
    this.keys = this.keys.filter((stored) => stored.name !== name)
  }

  async keysInForce(): Promise<KeysInForce> {
    if (this.away) throw new Error('the database is away')
    return { everAdded: this.everAdded, keys: this.keys }
  }

  async noteUse(ids: readonly string[]): Promise<void> {
    this.used.push([...ids])
  }
}

let table: KeyTable
let ring: KeyRing | null

beforeEach(() => {
  vi.useFakeTimers()
  table = new KeyTable()
  ring = null
})

afterEach(() => {
  ring?.close()
  vi.useRealTimers()
})

async function open({ configured = [], publicRead = false }: { configured?: ApiKey[]; publicRead?: boolean } = {}) {
  ring = new KeyRing({ configured, publicRead, store: () => table, logger: silentLogger })
  await ring.start()
  return ring
}

const fewSeconds = (): Promise<unknown> => vi.advanceTimersByTimeAsync(2500)

describe('without any key', () => {
  it('everybody may do everything', async () => {
    const caller = (await open()).identify(null)
    expect([caller?.keyName, caller?.may('read'), caller?.may('write')]).toEqual([null, true, true])
  })

  it('nobody may do anything while it is not known whether the database has keys', async () => {
    table.away = true
    const keys = await open()
    expect(() => keys.identify(null)).toThrow(expect.objectContaining({ code: 'not_ready' }))
    expect(() => keys.identify('secret')).toThrow(expect.objectContaining({ code: 'not_ready' }))
    const waiting = keys.identifyWhenKnown(null, Object.assign(new EventEmitter(), { readyState: 'open' }))
    table.away = false
    await fewSeconds()
    expect(keys.identify(null)?.may('write')).toBe(true)
    expect((await waiting)?.may('write')).toBe(true)
  })

  it('the first one that is added shuts the door to all who came in without', async () => {
    const keys = await open()
    const caller = keys.identify(null)
    const changed = vi.fn<() => void>()
    keys.onChange(changed)
    table.add('bot', 'secret', ['read', 'write'])
    await fewSeconds()
    expect(changed).toHaveBeenCalledTimes(1)
    expect([caller?.isValid(), caller?.may('read'), keys.identify(null)]).toEqual([false, false, null])
  })
})

describe('keys of the configuration', () => {
  const configured = [key('a', 'secret-a', ['read']), key('b', 'secret-b', ['read', 'write'])]

  it('are found wherever they stand, and may what their scopes say', async () => {
    const keys = await open({ configured })
    expect(keys.identify('secret-a')?.keyName).toBe('a')
    expect(keys.identify('secret-b')?.keyName).toBe('b')
    expect([keys.identify('secret-a')?.may('write'), keys.identify('secret-b')?.may('write')]).toEqual([false, true])
  })

  it.each([null, '', 'secret-', 'secret-aa', 'SECRET-A', 'a'.repeat(10_000)])('do not take %s', async (secret) => {
    expect((await open({ configured })).identify(secret)).toBeNull()
  })

  it('count although the database was never read; others are told to come again', async () => {
    table.away = true
    const keys = await open({ configured })
    expect(keys.identify('secret-a')?.keyName).toBe('a')
    expect(keys.identify(null)).toBeNull()
    expect(() => keys.identify('secret-of-the-database')).toThrow(expect.objectContaining({ code: 'not_ready' }))
  })
})

describe('keys of the database', () => {
  it('count within seconds, and no longer once they are revoked', async () => {
    const keys = await open({ configured: [key('a', 'secret-a', ['read'])] })
    expect(keys.identify('secret-c')).toBeNull()
    table.add('c', 'secret-c', ['read', 'write'])
    await fewSeconds()
    const caller = keys.identify('secret-c')
    expect([caller?.keyName, caller?.may('write')]).toEqual(['c', true])
    table.revoke('c')
    await fewSeconds()
    expect([caller?.isValid(), caller?.may('read'), keys.identify('secret-c')]).toEqual([false, false, null])
  })

  it('leave the door shut when the last one is revoked', async () => {
    table.add('c', 'secret-c', ['read'])
    table.revoke('c')
    const keys = await open()
    expect([keys.required, keys.identify(null)]).toEqual([true, null])
  })

  it('hold as they were last known while the database is away', async () => {
    table.add('c', 'secret-c', ['read'])
    const keys = await open()
    table.away = true
    await vi.advanceTimersByTimeAsync(600_000)
    expect([keys.identify('secret-c')?.isValid(), keys.identify(null)]).toEqual([true, null])
  })

  it('are noted as used at most once a minute', async () => {
    table.add('c', 'secret-c', ['read'])
    table.add('d', 'secret-d', ['read'])
    const keys = await open()
    for (let second = 0; second < 59; second += 1) {
      keys.identify('secret-c')
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(table.used).toEqual([['id-of-c']])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(table.used).toEqual([['id-of-c'], ['id-of-c']])
  })

  it('are not read any more once the ring is closed', async () => {
    const keys = await open()
    keys.close()
    table.add('c', 'secret-c', ['read'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(keys.required).toBe(false)
  })
})

describe('public reading', () => {
  it('lets those without a key read, and nothing else', async () => {
    const keys = await open({ configured: [key('a', 'secret-a', ['read', 'write'])], publicRead: true })
    const caller = keys.identify(null)
    expect([caller?.keyName, caller?.may('read'), caller?.may('write')]).toEqual([null, true, false])
    expect(keys.identify('secret-a')?.may('write')).toBe(true)
  })

  it('does not take a wrong key for none', async () => {
    const keys = await open({ configured: [key('a', 'secret-a', ['read'])], publicRead: true })
    expect(keys.identify('secret-b')).toBeNull()
  })
})

describe('bearerSecret', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer   abc', 'abc'],
    ['Bearer ', null],
    ['Basic abc', null],
    ['Bearer a b', null],
    [undefined, null],
  ])('of %s is %s', (header, secret) => {
    expect(bearerSecret(header)).toBe(secret)
  })
})
