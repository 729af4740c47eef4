import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { openDatabaseDoor } from '../support/database-door.js'
import { times } from '../support/long.js'
import { until } from '../support/until.js'
import { serveInTrouble } from './database-fault-fixture.js'
import type { FaultyService } from './database-fault-fixture.js'
import { documentReport, getJson, postJson } from './server-fixture.js'

const DISK_MB = 160

/** A small disk of the test's own; null where this user may not mount one. */
async function mountDisk(): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=0755`, 'tmpfs', folder], { stdio: 'pipe' })
    return folder
  } catch {
    await rm(folder, { recursive: true, force: true })
    return null
  }
}

/** Takes all the space that is left, until the returned function is called. */
function fillDisk(disk: string): () => void {
  const path = join(disk, 'filler')
  const file = openSync(path, 'w')
  for (const size of [1 << 20, 4096]) {
    const block = Buffer.alloc(size, 1)
    try {
      for (;;) writeSync(file, block)
    } catch {
      // Full, for blocks of this size.
    }
  }
  closeSync(file)
  return () => rmSync(path)
}

const probe = await mountDisk()
if (probe !== null) {
  execFileSync('umount', [probe])
  await rm(probe, { recursive: true, force: true })
} else console.warn('the tests of a full disk are left out: this user may not mount a tmpfs')

describe.skipIf(probe === null)('a disk that is full', () => {
  let disk: string
  let service: FaultyService | null
  const acknowledged: string[] = []

  beforeEach(async () => {
    disk = (await mountDisk()) ?? ''
    service = null
    acknowledged.length = 0
  })

  afterEach(async () => {
    await service?.close()
    execFileSync('umount', ['-l', disk])
    await rm(disk, { recursive: true, force: true })
  })

  /** The status of one snapshot; what is acknowledged is kept in mind. */
  const save = async (): Promise<number> => {
    const { status, body } = await postJson(`${service?.url}/api/balance/snapshot`, {
      ...documentReport,
      onchain: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`asset${index}`, Math.random()])),
    })
    if (status === 200) acknowledged.push((body['data'] as { id: string }).id)
    else expect(body).toMatchObject({ success: false, code: 'storage_unavailable' })
    return status
  }
  const ready = async (): Promise<string> => {
    const { status, body } = await getJson(`${service?.url}/readyz`)
    return status === 200 ? 'ready' : String(body['error'])
  }
  const stored = async (): Promise<string[]> => {
    const ids: string[] = []
    for (let offset = 0; ; offset += 500) {
      const page = await service?.manager.snapshots({ limit: 500, offset })
      ids.push(...(page?.snapshots.map(({ id }) => id) ?? []))
      if (page?.hasMore !== true) return ids
    }
  }
  const expectNothingLost = async (): Promise<void> => {
    const ids = new Set(await stored())
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([])
  }

  it('keeps new snapshots out, is told as the reason, leaves reading alone, and loses nothing', async () => {
    const server = await startEmbeddedPostgres({ dataDir: join(disk, 'data'), logger: silentLogger })
    const door = await openDatabaseDoor(server.connection)
    try {
      service = await serveInTrouble({ databaseUrl: door.urlOf(server.connection) })
      for (let count = 0; count < 20; count += 1) expect(await save()).toBe(200)
      const free = fillDisk(disk)
      await until('a snapshot is refused', async () => (await save()) === 503)
      expect(await ready()).toBe('the disk of the database is full')
      expect((await getJson(`${service.url}/api/balance/snapshot`)).status).toBe(200)
      free()
      await until('a snapshot is taken again', async () => (await save()) === 200)
      // Another statement may have been refused last: that counts for a while, or until it goes through.
      await until('it is ready', async () => (await ready()) === 'ready')
      await expectNothingLost()
    } finally {
      await service?.close()
      await door.close()
      await server.stop()
    }
  })

  it(
    'under the embedded server’s log is told plainly; the server is started ever more rarely, until there is space',
    { timeout: 120_000 },
    async () => {
      service = await serveInTrouble({ databaseUrl: null, dataDir: join(disk, 'data') })
      const { lines } = service
      for (let count = 0; count < 20; count += 1) expect(await save()).toBe(200)
      const free = fillDisk(disk)
      const starts = (): number => lines.filter(({ message }) => message.startsWith('embedded database server')).length
      // What is left of the log's file would take a while to fill: the next write needs a new one.
      const [, , , port, host] = readFileSync(join(disk, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')
      const client = new pg.Client({ host, port: Number(port), user: 'tidemark', database: 'tidemark' })
      client.on('error', () => undefined)
      await client.connect()
      await client.query('select pg_switch_wal()').catch(() => undefined)
      await client.end().catch(() => undefined)
      await until(
        'the server is gone',
        async () => {
          await save()
          return starts() > 0
        },
        30_000,
      )
      await until('the reason is told', async () => /disk of the database is full/.test(await ready()), 30_000)
      expect(lines.some(({ fields }) => String(fields['reason']).includes('TIDEMARK_DATA_DIR is full'))).toBe(true)
      const before = starts()
      await new Promise((resolve) => setTimeout(resolve, times(2000, 10_000)))
      expect(starts() - before).toBeLessThan(times(5, 9))
      free()
      await until('a snapshot is taken again', async () => (await save()) === 200, 40_000)
      await until('it is ready', async () => (await ready()) === 'ready')
      await expectNothingLost()
    },
  )
})
