import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { Database, DatabaseUnavailableError } from '../../src/storage/postgres/database.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

describe('the database connections', () => {
  let testDatabase: TestDatabase
  let database: Database

  beforeEach(async () => {
    testDatabase = await createTestDatabase({ empty: true })
    database = new Database(testDatabase.address, silentLogger)
  })

  afterEach(async () => {
    await database.close()
    await testDatabase.drop()
  })

  const backendPid = { name: 'pid', text: 'select pg_backend_pid() as pid from pg_sleep(0.01)' }

  it('are pooled: many statements share a few of them, and use them again', async () => {
    const round = (): Promise<readonly { pid: number }[]> =>
      Promise.all(Array.from({ length: 60 }, () => database.query<{ pid: number }>(backendPid))).then((rows) =>
        rows.flat(),
      )
    const first = new Set((await round()).map(({ pid }) => pid))
    const second = new Set((await round()).map(({ pid }) => pid))
    expect(first.size).toBeGreaterThan(1)
    expect(first.size).toBeLessThanOrEqual(12)
    expect([...second].filter((pid) => !first.has(pid))).toEqual([])
  })

  it('commit synchronously, whatever the server’s default is', async () => {
    await database.query({ name: 'relax', text: `alter database ${testDatabase.name} set synchronous_commit = off` })
    const other = new Database(testDatabase.address, silentLogger)
    try {
      const [row] = await other.query<{ value: string }>({
        name: 'setting',
        text: `select current_setting('synchronous_commit') as value`,
      })
      expect(row?.value).toBe('on')
    } finally {
      await other.close()
    }
  })

  it('do not outlive a failed transaction with something half done', async () => {
    await database.query({ name: 'make', text: 'create table kept (id int)' })
    const failing = database.transaction(async (transaction) => {
      await transaction.query({ name: 'insert', text: 'insert into kept values (1)' })
      await transaction.query({ name: 'fail', text: 'select 1 / 0' })
    })
    await expect(failing).rejects.toThrow('division by zero')
    expect(await database.query({ name: 'read', text: 'select * from kept' })).toEqual([])
  })

  it('tell trouble that may pass from a mistake', async () => {
    const nowhere = new Database({ ...testDatabase.address, host: '/nonexistent' }, silentLogger)
    await expect(nowhere.query(backendPid)).rejects.toThrow(DatabaseUnavailableError)
    await nowhere.close()
    await expect(database.query({ name: 'mistake', text: 'select nonsense' })).rejects.not.toThrow(
      DatabaseUnavailableError,
    )
  })
})
