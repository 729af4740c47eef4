import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { Database, DatabaseUnavailableError } from '../../src/storage/postgres/database.js'
import { recordLog } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

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

  it('are not made anew for each of many writes that a read-only server refuses', async () => {
    await database.query({
      name: 'protect',
      text: `alter database ${testDatabase.name} set default_transaction_read_only = on`,
    })
    const { logger, lines } = recordLog()
    const other = new Database(testDatabase.address, logger)
    const beganMs = performance.now()
    for (let write = 0; write < 50; write += 1) {
      const refused = other.query({ name: 'write', text: 'create table refused (id int)' })
      await expect(refused).rejects.toMatchObject({ code: 'database_unavailable', trouble: 'read_only' })
    }
    const seconds = Math.ceil((performance.now() - beganMs) / 1000)
    const renewals = lines.filter(({ message }) => message === 'database connections are made anew')
    expect(renewals.length).toBeGreaterThan(0)
    expect(renewals.length).toBeLessThanOrEqual(seconds)
    await other.close()
  })

  it('have our limits and the options of the address', async () => {
    const url = `${testDatabase.url}&options=${encodeURIComponent('-c search_path=tidemark -c synchronous_commit=off')}`
    const other = new Database({ connectionString: url }, silentLogger)
    try {
      const rows = await other.query<{ name: string; setting: string }>({
        name: 'settings',
        text: `select name, setting from pg_settings
               where name in ('search_path', 'synchronous_commit', 'idle_in_transaction_session_timeout') order by name`,
      })
      expect(rows.map(({ setting }) => setting)).toEqual(['15000', 'tidemark', 'on'])
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

  it('are not given to the next caller when the server has taken leave of them', async () => {
    const ended = database.query({ name: 'sleep', text: 'select pg_sleep(30)' })
    const next = ended.catch(() => database.query<{ one: number }>({ name: 'one', text: 'select 1 as one' }))
    const other = new Database(testDatabase.address, silentLogger)
    try {
      await until('the statement runs', async () => {
        const terminated = await other.query<{ done: boolean }>({
          name: 'terminate',
          text: `select pg_terminate_backend(pid) as done from pg_stat_activity where query = 'select pg_sleep(30)'`,
        })
        return terminated.length > 0
      })
      expect(await next).toEqual([{ one: 1 }])
    } finally {
      await other.close()
    }
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
