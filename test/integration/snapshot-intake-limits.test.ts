import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { INTAKE_LIMITS, SnapshotIntake, StorageUnavailableError } from '../../src/snapshots/snapshot-intake.js'
import type { IntakeLimits } from '../../src/snapshots/snapshot-intake.js'
import type { SnapshotDraft } from '../../src/snapshots/snapshot-store.js'
import { Database } from '../../src/storage/postgres/database.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { migrate } from '../../src/storage/postgres/migrate.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { until } from '../support/until.js'

/** The real limits in the long form, a tenth of their times in the short one. */
const timeScale = times(10, 1)
const limits: Partial<IntakeLimits> = {
  queueTimeoutMs: INTAKE_LIMITS.queueTimeoutMs / timeScale,
  answerTimeoutMs: INTAKE_LIMITS.answerTimeoutMs / timeScale,
}

const report = (amount: number): unknown => ({ onchain: { rlb: amount }, onsite: { usd: 2.5 } })

/** What a save came to: `saved`, or what its error says about the snapshot. */
type Answer = 'saved' | 'no' | 'unknown'

async function answerOf(save: Promise<unknown>): Promise<Answer> {
  try {
    await save
    return 'saved'
  } catch (error) {
    if (!(error instanceof StorageUnavailableError)) throw error
    const stored = error.details?.['stored']
    if (stored !== 'no' && stored !== 'unknown') throw error
    return stored
  }
}

describe('what waits for the database', () => {
  let dataDir: string
  let server: EmbeddedPostgres
  let database: Database
  let store: PostgresSnapshotStore
  let observer: pg.Client

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'tidemark-frozen-'))
    server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
    database = new Database(server.connection, silentLogger)
    await migrate(database, silentLogger)
    store = new PostgresSnapshotStore(database)
    observer = new pg.Client(server.connection)
    await observer.connect()
  })

  beforeEach(async () => {
    await observer.query('truncate tidemark."BalanceSnapshot", tidemark.event')
  })

  afterAll(async () => {
    await observer.end()
    await database.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const newIntake = (some: Partial<IntakeLimits>): SnapshotIntake =>
    new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined, limits: some })

  const storedKeys = async (): Promise<ReadonlySet<string>> => {
    const { rows } = await observer.query<{ key: string }>(
      'select idempotency_key as key from tidemark."BalanceSnapshot"',
    )
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
    return new Set(rows.map(({ key }) => key))
  }

  /** Stops every process of the server in its tracks, as a hung disk would. */
  const freeze = async (): Promise<() => void> => {
    const { rows } = await observer.query<{ pid: number }>('select pid from pg_stat_activity')
    const pids = [server.serverPid, ...rows.map(({ pid }) => pid)]
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    return () => {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
  }

  it(
    'is answered within its time, all 10,000 of it, when the database is frozen, and told what it can do',
    { timeout: longTimeoutMs },
    async () => {
      const intake = newIntake(limits)
      await intake.save(report(0), 'before')
      const thaw = await freeze()
      const startedMs = performance.now()
      const keys = Array.from({ length: INTAKE_LIMITS.queueMax }, (_, index) => `key-${index}`)
      const answers = await Promise.all(keys.map((key) => answerOf(intake.save(report(1), key))))
      const tookMs = performance.now() - startedMs
      thaw()
      expect(tookMs).toBeLessThan(INTAKE_LIMITS.answerTimeoutMs / timeScale + 5000)
      // Only the first batch was sent: what became of it nobody can know.
      expect(answers.filter((answer) => answer === 'unknown')).toHaveLength(INTAKE_LIMITS.batchMax)
      expect(answers.filter((answer) => answer === 'no')).toHaveLength(keys.length - INTAKE_LIMITS.batchMax)

      await intake.close()

      const patient = newIntake({})
      const again = await Promise.all(keys.map(async (key) => await patient.save(report(1), key)))
      const stored = await storedKeys()
      expect(stored).toEqual(new Set(['before', ...keys]))
      again.forEach(({ repeated }, index) => {
        if (answers[index] === 'no') expect(repeated).toBe(false)
      })
      await patient.close()
    },
  )

  it('is answered when the intake is closed meanwhile', { timeout: longTimeoutMs }, async () => {
    const intake = newIntake(limits)
    await intake.save(report(0), 'before')
    const thaw = await freeze()
    try {
      const answers = Promise.all(Array.from({ length: 2000 }, () => answerOf(intake.save(report(1)))))
      await intake.close()
      expect(new Set(await answers)).toEqual(new Set(['no', 'unknown']))
    } finally {
      thaw()
    }
  })

  it('may be sent again without fear when no connection could be had', async () => {
    const away = new Database({ ...server.connection, port: server.connection.port + 1 }, silentLogger)
    const intake = new SnapshotIntake({
      store: new PostgresSnapshotStore(away),
      logger: silentLogger,
      onCommitted: () => undefined,
    })
    expect(await answerOf(intake.save(report(1)))).toBe('no')
    await intake.close()
    await away.close()
  })

  it('may not when the connection broke under the statement', async () => {
    const intake = newIntake({})
    const holder = new pg.Client(server.connection)
    await holder.connect()
    await holder.query('begin; lock table tidemark."BalanceSnapshot" in exclusive mode')
    const answer = answerOf(intake.save(report(1)))
    const waiting = `select pid from pg_stat_activity where application_name = 'tidemark' and wait_event_type = 'Lock'`
    await until('the statement that waits was cut off', async () => {
      const cut = await observer.query(`select pg_terminate_backend(pid) from (${waiting}) as one`)
      return cut.rowCount === 1
    })
    await holder.query('commit')
    await holder.end()
    expect(await answer).toBe('unknown')
    await intake.close()
  })

  it.each([
    ['number', { queueMax: 700 }, 700],
    // Each of these takes 374 bytes in our reckoning.
    ['bytes', { queueBytesMax: 374 * 300 }, 300],
  ] as const)('is bounded in %s, beyond which a reporter is told to come again', async (_what, some, room) => {
    const intake = newIntake(some)
    const taken = Array.from({ length: room }, (_, index) => intake.save(wide(index)))
    await expect(intake.save(wide(0))).rejects.toMatchObject({
      code: 'overloaded',
      retryable: true,
      retryAfterMs: 1000,
    })
    await Promise.all(taken)
    await expect(intake.save(wide(0))).resolves.toMatchObject({ repeated: false })
    await intake.close()
  })

  it('is sent in batches that are bounded in number and bytes, in order of arrival', async () => {
    const batches: (readonly SnapshotDraft[])[] = []
    const watched = {
      commit: (drafts: readonly SnapshotDraft[], timeoutMs: number) => {
        batches.push(drafts)
        return store.commit(drafts, timeoutMs)
      },
    }
    const intake = new SnapshotIntake({
      store: watched,
      logger: silentLogger,
      onCommitted: () => undefined,
      limits: { batchMax: 40, batchBytesMax: 374 * 25 },
    })
    const saved = await Promise.all(Array.from({ length: 103 }, (_, index) => intake.save(wide(index))))
    expect(batches.map((drafts) => drafts.length)).toEqual([25, 25, 25, 25, 3])
    expect(batches.flat().map(({ snapshot }) => snapshot.id)).toEqual(saved.map(({ snapshot }) => snapshot.id))
    const { rows } = await observer.query<{ id: string }>('select id from tidemark."BalanceSnapshot" order by seq')
    expect(rows.map(({ id }) => id)).toEqual(saved.map(({ snapshot }) => snapshot.id))
    await intake.close()
  })
})

/** A report whose books are 74 characters of JSON together. */
function wide(index: number): unknown {
  return { onchain: { a: String(index).padStart(31, '1') }, onsite: { b: '2'.repeat(27) } }
}
