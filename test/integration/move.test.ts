import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { backupDatabase, moveDatabase, restoreDatabase, undoMove } from '../../src/index.js'
import type { MoveOptions, TransferProgress } from '../../src/index.js'
import { examineDatabase } from '../../src/doctor/examine-database.js'
import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { migrate } from '../../src/storage/postgres/migrate.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { allRows, fill, onDatabase, tableNames } from './filled-database.js'

describe('moving a database', () => {
  let source: TestDatabase
  let target: TestDatabase

  beforeEach(async () => {
    ;[source, target] = await Promise.all([createTestDatabase(), createTestDatabase({ empty: true })])
    await onDatabase(source.address, (client) => fill(client, 800))
  })

  afterEach(async () => {
    await Promise.all([source.drop(), target.drop()])
  })

  const settings = (): { databaseUrl: string; dataDir: string } => ({ databaseUrl: source.url, dataDir: '' })
  const options = (): MoveOptions => ({ to: target.url, sourceName: 'the source', targetName: 'the target' })

  /** Moves a few rows at a time, and stops when a table has been told of so many times. */
  const stopIn = (table: string, calls: number = 1): Promise<unknown> => {
    const stop = new AbortController()
    let told = 0
    const onProgress = (progress: TransferProgress): void => {
      if (progress.table === table && progress.step === 'copying') told += 1
      if (told === calls) stop.abort(new Error('stopped by the test'))
    }
    return moveDatabase(settings(), { ...options(), pagesAtOnce: 2, onProgress, signal: stop.signal })
  }

  it('carries every table, and the target goes on with the same event log', async () => {
    const steps = new Set<TransferProgress['step']>()
    const before = await onDatabase(source.address, allRows)
    expect(Object.values(before).filter((rows) => rows.length === 0)).toEqual([])
    const report = await moveDatabase(settings(), { ...options(), onProgress: ({ step }) => steps.add(step) })
    expect(await onDatabase(target.address, allRows)).toEqual(before)
    expect(report).toMatchObject({ resumed: false, seq: 50n })
    expect(report.tables.map(({ name }) => name).toSorted()).toEqual(await onDatabase(target.address, tableNames))
    expect(report.tables.find(({ name }) => name === 'balance_record')?.rows).toBe(800n)
    expect([...steps]).toEqual(['copying', 'checking'])
    // New rows get ids that no row of the source had.
    const next = await onDatabase(target.address, (client) =>
      client.query<{ id: string }>(
        `insert into tidemark.position (chain_id, token, solver, active) values (10, '', decode(repeat('09', 20), 'hex'), true) returning id`,
      ),
    )
    expect(next.rows[0]?.id).toBe('4')
  })

  it('leaves the source closed, whoever writes, until the move is undone: then under another name of the event log', async () => {
    const { log } = await moveDatabase(settings(), options())
    await expect(
      onDatabase(source.address, (client) => client.query(`update tidemark.chain set name = 'other'`)),
    ).rejects.toMatchObject({ code: '25006', message: expect.stringContaining('was moved to the target') })
    await onDatabase(target.address, (client) => client.query(`update tidemark.chain set name = 'other'`))
    await expect(open(source)).rejects.toMatchObject({ code: 'database_moved' })
    expect(await examineDatabase(settings())).toMatchObject({
      level: 'problem',
      text: expect.stringContaining('was moved to the target'),
    })
    await open(target)
    expect(await undoMove(settings(), 'the source')).toBe(true)
    expect(await undoMove(settings(), 'the source')).toBe(false)
    await open(source)
    await onDatabase(source.address, (client) => client.query(`update tidemark.chain set name = 'other'`))
    const logs = await Promise.all([source, target].map(({ address }) => onDatabase(address, readLog)))
    expect(logs[0]).not.toBe(log)
    expect(logs[1]).toBe(log)
  })

  it('goes on after it was stopped between pieces, and nothing is doubled', async () => {
    const before = await onDatabase(source.address, allRows)
    const stops = [['chain'], ['event', 2], ['balance_record', 3], ['balance_record', 3]] as const
    for (const [table, calls] of stops) {
      await expect(stopIn(table, calls)).rejects.toThrow('stopped by the test')
      await expect(open(target)).rejects.toMatchObject({ code: 'database_moved' })
      await expect(
        onDatabase(target.address, (client) => client.query(`delete from tidemark.chain`)),
      ).rejects.toMatchObject({ code: '25006' })
    }
    const arrived: bigint[] = []
    const report = await moveDatabase(settings(), { ...options(), onProgress: ({ done }) => arrived.push(done) })
    expect(report.resumed).toBe(true)
    expect(arrived[0]).toBeGreaterThan(0n)
    expect(await onDatabase(target.address, allRows)).toEqual(before)
  })

  it('refuses a target with other data, and says what is there', async () => {
    await open(target)
    await onDatabase(target.address, (client) =>
      client.query(
        `insert into tidemark.solver values ('\\x0101010101010101010101010101010101010101', null, true, false)`,
      ),
    )
    await expect(moveDatabase(settings(), options())).rejects.toMatchObject({
      code: 'target_not_empty',
      details: { rows: { solver: '1' } },
    })
    await open(source)
  })

  it('refuses a target that another source half filled', async () => {
    const third = await createTestDatabase()
    try {
      await onDatabase(third.address, (client) => fill(client, 10))
      await expect(stopIn('chain', 2)).rejects.toThrow('stopped by the test')
      await expect(moveDatabase({ ...settings(), databaseUrl: third.url }, options())).rejects.toMatchObject({
        code: 'database_moved',
      })
      await open(third)
    } finally {
      await third.drop()
    }
  })

  it('finishes no target that was given up for another one', async () => {
    await expect(stopIn('position', 2)).rejects.toThrow('stopped by the test')
    const other = await createTestDatabase({ empty: true })
    try {
      await moveDatabase(settings(), { ...options(), to: other.url, targetName: 'another target' })
      await expect(moveDatabase(settings(), options())).rejects.toMatchObject({
        code: 'database_moved',
        message: expect.stringContaining('was moved to another target'),
      })
      await expect(open(target)).rejects.toMatchObject({ code: 'database_moved' })
      await open(other)
    } finally {
      await other.drop()
    }
  })

  it('begins again in a target that it half filled, after the move was undone and the source went on', async () => {
    await expect(stopIn('position', 2)).rejects.toThrow('stopped by the test')
    await undoMove(settings(), 'the source')
    await onDatabase(source.address, (client) => client.query(`update tidemark.chain set name = 'other'`))
    const before = await onDatabase(source.address, allRows)
    expect((await moveDatabase(settings(), options())).resumed).toBe(false)
    expect(await onDatabase(target.address, allRows)).toEqual(before)
  })

  it('tells when the target does not hold what the source does, and keeps it closed', async () => {
    await expect(stopIn('position', 2)).rejects.toThrow('stopped by the test')
    await onDatabase(target.address, async (client) => {
      await client.query(`select set_config('tidemark_move.mover', move_id::text, false) from tidemark_move.mark`)
      await client.query(`update tidemark.chain set rewrites = 99 where chain_id = 1`)
    })
    await expect(moveDatabase(settings(), options())).rejects.toMatchObject({
      code: 'transfer_mismatch',
      message: expect.stringContaining('chain (2 rows'),
    })
    await expect(open(target)).rejects.toMatchObject({ code: 'database_moved' })
  })

  it('refuses to move while a service works with the source or the target, and into itself', async () => {
    for (const busy of [source, target]) {
      const database = new Database(busy.address, silentLogger)
      await database.query({ name: 'work', text: 'select 1' })
      await expect(moveDatabase(settings(), options())).rejects.toMatchObject({ code: 'database_in_use' })
      await database.close()
    }
    const named = new URL(source.url)
    named.searchParams.set('application_name', 'wallets')
    const database = new Database({ connectionString: named.href }, silentLogger)
    await database.query({ name: 'work', text: 'select 1' })
    await expect(moveDatabase(settings(), options())).rejects.toMatchObject({ code: 'database_in_use' })
    await database.close()
    await expect(moveDatabase(settings(), { ...options(), to: source.url })).rejects.toMatchObject({
      code: 'database_in_use',
      hint: expect.stringContaining('same database'),
    })
    await open(source)
  })

  it('says which of the two cannot be reached, and leaves the source open', async () => {
    await expect(moveDatabase(settings(), { ...options(), to: 'postgresql://127.0.0.1:1/x' })).rejects.toMatchObject({
      code: 'database_unavailable',
      message: expect.stringMatching(/^the target: /),
    })
    await open(source)
  })

  it('only tells the source when it died after the target was complete', async () => {
    const { moveId } = await moveDatabase(settings(), options())
    await onDatabase(source.address, (client) => client.query('update tidemark_move.mark set completed_at = null'))
    await onDatabase(target.address, (client) => client.query(`update tidemark.chain set name = 'went on'`))
    expect(await moveDatabase(settings(), options())).toMatchObject({ moveId, resumed: true, tables: [] })
    await expect(open(source)).rejects.toThrow('was moved to')
    await open(target)
  })

  it('goes on after either server ended the connection, at any moment', async () => {
    const before = await onDatabase(source.address, allRows)
    const ends = [source, target, source, target, target, target]
    for (const [round, side] of ends.entries()) {
      const cuts: Promise<unknown>[] = []
      const onProgress = ({ table }: TransferProgress): void => {
        if (cuts.length === 0 && table === 'balance_record') cuts.push(cutTransfers(side, round))
      }
      await expect(moveDatabase(settings(), { ...options(), pagesAtOnce: 1, onProgress })).rejects.toMatchObject({
        code: 'database_unavailable',
      })
      await Promise.all(cuts)
    }
    await moveDatabase(settings(), options())
    expect(await onDatabase(target.address, allRows)).toEqual(before)
  })

  it('needs no more rights on the target than its owner has', async () => {
    const role = `${target.name}_owner`
    await onDatabase(target.address, async (client) => {
      await client.query(`create role ${role} login`)
      await client.query(`alter database ${target.name} owner to ${role}`)
    })
    const to = target.url.replace(target.address.user, role)
    const before = await onDatabase(source.address, allRows)
    await moveDatabase(settings(), { ...options(), to })
    expect(await onDatabase(to, allRows)).toEqual(before)
  })

  it.runIf(times(0, 1) === 1)('takes no more memory for a million records', { timeout: longTimeoutMs }, async () => {
    const third = await createTestDatabase({ empty: true })
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    try {
      await onDatabase(source.address, (client) =>
        client.query(`
          insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, transaction_hashes)
          select 1 + n % 3, n, decode(md5(n::text) || md5('x' || n), 'hex'), timestamptz '2026-01-01' + n * interval '12 s',
                 n * 10::numeric ^ 60, array[decode(md5('y' || n) || md5('z' || n), 'hex')]
          from generate_series(1000, 1000999) as n`),
      )
      const before = process.memoryUsage().rss
      let most = before
      const onProgress = (): void => void (most = Math.max(most, process.memoryUsage().rss))
      const report = await moveDatabase(settings(), { ...options(), onProgress })
      expect(report.tables.find(({ name }) => name === 'balance_record')?.rows).toBe(1_000_800n)
      const { file } = await backupDatabase({ databaseUrl: target.url, dataDir: '' }, { to: folder, onProgress })
      await restoreDatabase(
        { databaseUrl: third.url, dataDir: '' },
        { from: file, targetName: 'the third', onProgress },
      )
      const [rows] = (
        await onDatabase(third.address, (client) => client.query('select count(*) from tidemark.balance_record'))
      ).rows
      expect(rows).toEqual({ count: '1000800' })
      expect((most - before) / 1e6).toBeLessThan(150)
    } finally {
      await third.drop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

async function open(database: TestDatabase): Promise<void> {
  const connection = new Database(database.address, silentLogger)
  try {
    await migrate(connection, silentLogger)
  } finally {
    await connection.close()
  }
}

async function cutTransfers(database: TestDatabase, afterMs: number): Promise<void> {
  await onDatabase(database.address, async (client) => {
    await sleep(afterMs)
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'tidemark-transfer%'`,
    )
  })
}

async function readLog(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ log: string }>('select log from tidemark.event_log')
  return rows[0]?.log
}
