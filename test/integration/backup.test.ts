import { copyFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { backupDatabase, moveDatabase, restoreDatabase } from '../../src/index.js'
import type { BackupReport, RestoreReport } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import type { TidemarkEvent } from '../../src/model/event.js'
import { appendEvents } from '../../src/storage/postgres/append-events.js'
import { Database } from '../../src/storage/postgres/database.js'
import { migrate, readMigrations } from '../../src/storage/postgres/migrate.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { allRows, fill, onDatabase, tableNames } from './filled-database.js'

const event: TidemarkEvent = { type: 'watch-list.changed', data: { reason: 'test' } }

describe('backup and restore', () => {
  let source: TestDatabase
  let target: TestDatabase
  let folder: string

  beforeEach(async () => {
    ;[source, target] = await Promise.all([createTestDatabase(), createTestDatabase({ empty: true })])
    folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    await onDatabase(source.address, (client) => fill(client, 1000))
  })

  afterEach(async () => {
    await Promise.all([source.drop(), target.drop()])
    await rm(folder, { recursive: true, force: true })
  })

  const backup = (to: string = folder): Promise<BackupReport> =>
    backupDatabase({ databaseUrl: source.url, dataDir: '' }, { to })
  const restore = (from: string): Promise<RestoreReport> =>
    restoreDatabase({ databaseUrl: target.url, dataDir: '' }, { from, targetName: 'the target' })
  /** Nothing but what the migrations make. */
  const expectEmpty = async (): Promise<void> => {
    const rows = await onDatabase(target.address, allRows)
    expect(
      Object.entries(rows).filter(([name, of]) => of.length > 0 && !name.endsWith('log') && !name.endsWith('upkeep')),
    ).toEqual([])
  }

  it('brings back every table, under another name of the event log', async () => {
    const before = await onDatabase(source.address, allRows)
    expect(Object.values(before).filter((rows) => rows.length === 0)).toEqual([])
    const saved = await backup()
    expect(await readdir(folder)).toHaveLength(1)
    expect(saved.tables.map(({ name }) => name).toSorted()).toEqual(await onDatabase(source.address, tableNames))
    const restored = await restore(saved.file)
    const { event_log: log, ...after } = await onDatabase(target.address, allRows)
    const { event_log: oldLog, ...expected } = before
    expect(after).toEqual(expected)
    expect(log?.[0]?.replace(restored.log, saved.log)).toBe(oldLog?.[0])
    expect(restored.log).not.toBe(saved.log)
    expect(restored.seq).toBe(50n)
  })

  it('is one moment of a database that is written to', async () => {
    const database = new Database(source.address, silentLogger)
    let writing = true
    let written = 0
    const writers = [1, 2, 3].map(async () => {
      while (writing) {
        await database.transaction((transaction) => appendEvents(transaction, [event, event]))
        written += 1
      }
    })
    const seqs: bigint[] = []
    for (let round = 0; round < 3; round += 1) {
      const saved = await backup(join(folder, `${round}.gz`))
      seqs.push(saved.seq)
      expect(saved.tables.find(({ name }) => name === 'event')?.rows).toBe(saved.seq)
    }
    writing = false
    await Promise.all(writers)
    await database.close()
    expect(written).toBeGreaterThan(10)
    expect(seqs[2]).toBeGreaterThan(seqs[0] ?? 0n)
    await restore(join(folder, '1.gz'))
    const [row] = (
      await onDatabase(target.address, (client) =>
        client.query(
          `select count(*) as rows, max(seq) as newest, (select seq from tidemark.event_log) from tidemark.event`,
        ),
      )
    ).rows
    expect(row).toEqual({ rows: String(seqs[1]), newest: String(seqs[1]), seq: String(seqs[1]) })
  })

  it('refuses a file that is cut short or changed anywhere, before it writes', async () => {
    const { file } = await backup()
    const bytes = await readFile(file)
    const text = gunzipSync(bytes)
    const edited = Buffer.from(text)
    edited.write('E', text.indexOf('\tethereum\t') + 1)
    const broken: Record<string, Buffer> = {
      'cut in the middle': bytes.subarray(0, bytes.length / 2),
      'without its last byte': bytes.subarray(0, -1),
      'a flipped bit': Buffer.concat([
        bytes.subarray(0, 5000),
        Buffer.from([255 - (bytes[5000] ?? 0)]),
        bytes.subarray(5001),
      ]),
      'another letter, packed again': gzipSync(edited),
      'without its last line, packed again': gzipSync(text.subarray(0, text.lastIndexOf('\n', text.length - 2) + 1)),
      'more behind its end': gzipSync(Buffer.concat([text, Buffer.from('{}\n')])),
      'no backup': gzipSync('hello\n'),
      'no gzip': Buffer.from('hello'),
      nothing: Buffer.alloc(0),
    }
    for (const [name, content] of Object.entries(broken)) {
      const damaged = join(folder, 'damaged')
      await writeFile(damaged, content)
      await expect(restore(damaged), name).rejects.toMatchObject({ code: 'backup_damaged' })
    }
    expect(await onDatabase(target.address, tableNames)).toEqual([])
  })

  it('writes nothing when the file is exchanged after it was checked', async () => {
    const first = await backup(join(folder, 'first'))
    await onDatabase(source.address, (client) =>
      client.query(`update tidemark.chain set name = 'other' where chain_id = 1`),
    )
    const second = await backup(join(folder, 'second'))
    let exchanged = false
    await expect(
      restoreDatabase(
        { databaseUrl: target.url, dataDir: '' },
        {
          from: first.file,
          targetName: 'the target',
          onProgress: ({ step, done, total }) => {
            if (step !== 'checking' || done !== total || exchanged) return
            copyFileSync(second.file, first.file)
            exchanged = true
          },
        },
      ),
    ).rejects.toMatchObject({ code: 'backup_damaged' })
    expect(exchanged).toBe(true)
    await expectEmpty()
  })

  it('refuses a database that has data, and a backup of a newer version', async () => {
    const { file } = await backup()
    await restore(file)
    await expect(restore(file)).rejects.toMatchObject({ code: 'target_not_empty' })
    const text = gunzipSync(await readFile(file)).toString()
    const newer = join(folder, 'newer')
    await writeFile(newer, gzipSync(text.replace('"format":1', '"format":2')))
    await expect(restore(newer)).rejects.toMatchObject({ code: 'backup_unsupported' })
    const migrations = (await readMigrations()).length
    await writeFile(
      newer,
      gzipSync(text.replace(/("migrations":\[.*?)\]/, `$1,{"version":${migrations + 1},"name":"x","sha256":"y"}]`)),
    )
    await expect(restore(newer)).rejects.toMatchObject({ code: 'backup_unsupported' })
  })

  it('restores a backup of an older schema and brings it up to date', async () => {
    const older = await createTestDatabase({ empty: true })
    try {
      const database = new Database(older.address, silentLogger)
      await migrate(database, silentLogger, (await readMigrations()).slice(0, 6))
      await database.transaction((transaction) => appendEvents(transaction, [event]))
      await database.close()
      const saved = await backupDatabase({ databaseUrl: older.url, dataDir: '' }, { to: folder })
      await restore(saved.file)
      expect((await onDatabase(target.address, allRows))['event']).toHaveLength(1)
      expect(await onDatabase(target.address, tableNames)).toEqual(await onDatabase(source.address, tableNames))
    } finally {
      await older.drop()
    }
  })

  it('changes nothing in a database that a move has begun to fill', async () => {
    const older = await createTestDatabase({ empty: true })
    try {
      const database = new Database(older.address, silentLogger)
      await migrate(database, silentLogger, (await readMigrations()).slice(0, 6))
      await database.close()
      const saved = await backupDatabase({ databaseUrl: older.url, dataDir: '' }, { to: folder })
      const stop = new AbortController()
      const names = { to: target.url, sourceName: 'the source', targetName: 'the target' }
      const from = { databaseUrl: source.url, dataDir: '' }
      await expect(
        moveDatabase(from, { ...names, signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) }),
      ).rejects.toThrow('stopped')
      await expect(restore(saved.file)).rejects.toMatchObject({ code: 'database_moved' })
      expect(await moveDatabase(from, names)).toMatchObject({ resumed: true })
    } finally {
      await older.drop()
    }
  })

  it('leaves no file when it is stopped, and none of it when it replaces one', async () => {
    const stop = new AbortController()
    await expect(
      backupDatabase(
        { databaseUrl: source.url, dataDir: '' },
        { to: folder, signal: stop.signal, onProgress: () => stop.abort(new Error('stopped by the test')) },
      ),
    ).rejects.toThrow()
    expect(await readdir(folder)).toEqual([])
    await writeFile(join(folder, 'there'), 'precious')
    await expect(backup(join(folder, 'there'))).rejects.toMatchObject({ code: 'configuration' })
    await expect(backup(join(folder, 'no', 'folder'))).rejects.toMatchObject({ code: 'configuration' })
    expect(await readFile(join(folder, 'there'), 'utf8')).toBe('precious')
  })

  it('never replaces a file that came while it was written', async () => {
    const file = join(folder, 'mine')
    const saving = backupDatabase(
      { databaseUrl: source.url, dataDir: '' },
      { to: file, onProgress: () => writeFileSync(file, 'precious') },
    )
    await expect(saving).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('which is there already'),
    })
    expect(await readFile(file, 'utf8')).toBe('precious')
    expect(await readdir(folder)).toEqual(['mine'])
  })

  it('writes nothing when a restore is stopped half way', async () => {
    const { file } = await backup()
    const stop = new AbortController()
    await expect(
      restoreDatabase(
        { databaseUrl: target.url, dataDir: '' },
        {
          from: file,
          targetName: 'the target',
          signal: stop.signal,
          onProgress: ({ step, done }) => {
            if (step === 'copying' && done > 20n) stop.abort(new Error('stopped by the test'))
          },
        },
      ),
    ).rejects.toThrow('stopped by the test')
    await expectEmpty()
    await restore(file)
  })

  it('puts no secret of the settings into the file', async () => {
    const { file } = await backup()
    const text = gunzipSync(await readFile(file)).toString()
    expect(text).not.toContain(new URL(source.url).username + '@')
    expect(text).toContain('\\\\x' + '11'.repeat(32))
  })
})
