import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { migrate, readMigrations } from '../../src/storage/postgres/migrate.js'
import type { Migration } from '../../src/storage/postgres/migrate.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

describe('migrations', () => {
  let testDatabase: TestDatabase
  const open: Database[] = []

  const connect = (): Database => {
    const database = new Database(testDatabase.address, silentLogger)
    open.push(database)
    return database
  }

  beforeEach(async () => {
    testDatabase = await createTestDatabase({ empty: true })
  })

  afterEach(async () => {
    await Promise.all(open.splice(0).map((database) => database.close()))
    await testDatabase.drop()
  })

  const tables = async (database: Database): Promise<readonly string[]> => {
    const rows = await database.query<{ name: string }>({
      name: 'tables',
      text: `select table_name as name from information_schema.tables where table_schema = 'tidemark' order by 1`,
    })
    return rows.map((row) => row.name)
  }

  it('makes the BalanceSnapshot table and records each file with its checksum', async () => {
    const database = connect()
    const report = await migrate(database, silentLogger)
    const files = await readMigrations()
    expect(report.applied).toEqual(files.map((file) => file.name))
    expect(await tables(database)).toContain('BalanceSnapshot')
    const rows = await database.query<{ sha256: string }>({
      name: 'checksums',
      text: 'select sha256 from tidemark.migration order by version',
    })
    expect(rows.map((row) => row.sha256)).toEqual(files.map((file) => file.sha256))
  })

  it('does nothing the second time', async () => {
    const database = connect()
    await migrate(database, silentLogger)
    expect((await migrate(database, silentLogger)).applied).toEqual([])
  })

  it('is safe when three processes migrate one database at once', async () => {
    const reports = await Promise.all(
      [connect(), connect(), connect()].map((database) => migrate(database, silentLogger)),
    )
    const files = await readMigrations()
    expect(reports.flatMap((report) => report.applied)).toEqual(files.map((file) => file.name))
    expect(reports.map((report) => report.version)).toEqual([files.length, files.length, files.length])
  })

  it('refuses a schema that a newer version made', async () => {
    const database = connect()
    const files = await readMigrations()
    const newer: Migration = { version: files.length + 1, name: '9999_future', sql: 'select 1', sha256: 'f'.repeat(64) }
    await migrate(database, silentLogger, [...files, newer])
    await expect(migrate(database, silentLogger)).rejects.toMatchObject({
      code: 'schema_mismatch',
      message: expect.stringContaining(`version ${files.length + 1} (9999_future)`) as unknown,
      hint: expect.stringContaining('at least as new') as unknown,
    })
  })

  it('refuses files that were changed after they ran', async () => {
    const database = connect()
    const files = await readMigrations()
    await migrate(database, silentLogger)
    const changed = files.map((file) => (file.version === 2 ? { ...file, sha256: '0'.repeat(64) } : file))
    await expect(migrate(database, silentLogger, changed)).rejects.toMatchObject({
      code: 'schema_mismatch',
      message: expect.stringContaining('0002_snapshots') as unknown,
    })
  })

  it('applies nothing of a file that fails, and can go on after it is mended', async () => {
    const database = connect()
    const files = await readMigrations()
    const broken: Migration = {
      version: files.length + 1,
      name: '9998_broken',
      sql: 'create table tidemark.half (id int); select * from tidemark.no_such_table',
      sha256: 'a'.repeat(64),
    }
    await expect(migrate(database, silentLogger, [...files, broken])).rejects.toMatchObject({ code: 'schema_mismatch' })
    expect(await tables(database)).not.toContain('half')
    const mended = { ...broken, sql: 'create table tidemark.half (id int)', sha256: 'b'.repeat(64) }
    expect((await migrate(database, silentLogger, [...files, mended])).applied).toEqual(['9998_broken'])
  })
})
