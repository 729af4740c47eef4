import fc from 'fast-check'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { hashReport, parseReport } from '../../src/snapshots/parse-report.js'
import { SnapshotIntake } from '../../src/snapshots/snapshot-intake.js'
import type { SavedSnapshot } from '../../src/snapshots/snapshot-intake.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { recordLog } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

/** Snapshots per batch of each process: small ones commit again and again while a large one is on its way. */
const batchMax = [7, 5, 400] as const
const PROCESSES = batchMax.length

const report = (amount: number): unknown => ({ onchain: { rlb: amount }, onsite: { usd: 2.5 } })

/** What each process has of its own: connections and an intake. */
interface Process {
  readonly database: Database
  readonly intake: SnapshotIntake
}

describe('one idempotency key, several processes on one database', () => {
  let testDatabase: TestDatabase
  let processes: readonly Process[]
  let log: ReturnType<typeof recordLog>

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    log = recordLog()
    processes = batchMax.map((max) => {
      const database = new Database(testDatabase.address, silentLogger)
      const store = new PostgresSnapshotStore(database)
      const limits = { batchMax: max }
      return {
        database,
        intake: new SnapshotIntake({ store, logger: log.logger, onCommitted: () => undefined, limits }),
      }
    })
  })

  afterEach(async () => {
    await Promise.all(processes.map(({ intake }) => intake.close()))
    await Promise.all(processes.map(({ database }) => database.close()))
    await testDatabase.drop()
  })

  const intakeOf = (index: number): SnapshotIntake => processes[index % PROCESSES]!.intake

  /** Rows in order of their number, which must have no gap and one event each. */
  const stored = async (): Promise<readonly { id: string; key: string; onchain: unknown }[]> => {
    const rows = await processes[0]!.database.query<{
      id: string
      key: string
      onchain: unknown
      seq: string
      event: string
    }>({
      name: 'stored',
      text: `select stored.id, idempotency_key as key, onchain, stored.seq, event.snapshot_id as event
             from tidemark."BalanceSnapshot" as stored full join tidemark.event using (seq) order by stored.seq`,
    })
    expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index + 1))
    expect(rows.filter(({ id, event }) => id !== event)).toEqual([])
    return rows
  }

  /** Another process that stores the same report, one key at a time, and commits when it is told to. */
  const openStorer = async (): Promise<{ store(key: string): Promise<boolean>; commit(): Promise<void> }> => {
    const client = new pg.Client(testDatabase.address)
    await client.connect()
    await client.query('begin')
    return {
      /** False when the key is there already. */
      store: async (key) => {
        const inserted = client.query({
          text: `
            with counter as (update tidemark.event_log set seq = seq + 1, snapshots = snapshots + 1 returning seq),
            stored as (
              insert into tidemark."BalanceSnapshot" (seq, id, ts, onchain, onsite, idempotency_key, body_hash)
              select seq, gen_random_uuid(), now(), $2, $3, $1, decode($4, 'hex') from counter returning seq, id
            )
            insert into tidemark.event (seq, type, snapshot_id) select seq, 'snapshot.saved', id from stored`,
          values: [key, '{"rlb":1}', '{"usd":2.5}', hashReport(parseReport(report(1)))],
        })
        return await inserted.then(
          () => true,
          (error: unknown) => {
            if (error instanceof pg.DatabaseError && error.code === '23505') return false
            throw error
          },
        )
      },
      commit: async () => {
        await client.query('commit')
        await client.end()
      },
    }
  }

  /** Resolves when so many statements wait for another transaction. */
  const waiting = (count: number): Promise<void> =>
    until(`${count} statements wait`, async () => {
      const rows = await processes[0]!.database.query<{ count: string }>({
        name: 'waiting',
        text: `select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'`,
        values: [testDatabase.name],
      })
      return Number(rows[0]?.count) === count
    })

  it('is stored once, with one event, when sent 20 times at once', async () => {
    const saved = await Promise.all(Array.from({ length: 20 }, (_, index) => intakeOf(index).save(report(1), 'same')))
    expect(new Set(saved.map(({ snapshot }) => snapshot.id)).size).toBe(1)
    expect(saved.filter(({ repeated }) => !repeated)).toHaveLength(1)
    expect((await stored()).map(({ id }) => id)).toEqual([saved[0]?.snapshot.id])
  })

  it('goes to one of two bodies, and the other one is told so, when 20 of them come at once', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => intakeOf(index).save(report(index % 2), 'same')),
    )
    const rows = await stored()
    expect(rows).toHaveLength(1)
    const winner = JSON.stringify(rows[0]?.onchain)
    results.forEach((result, index) => {
      if (JSON.stringify({ rlb: index % 2 }) === winner) {
        expect(result).toMatchObject({ status: 'fulfilled', value: { snapshot: { id: rows[0]?.id } } })
      } else {
        expect(result).toMatchObject({ reason: { code: 'idempotency_conflict', details: { id: rows[0]?.id } } })
      }
    })
  })

  it('is found although other processes store keys of the batch while it waits, and again while it is repeated', async () => {
    // Now and then the repetition is quicker than the second process: then it is tried with other keys.
    let attempt = 0
    let overtaken = false
    while (!overtaken) {
      attempt += 1
      expect(attempt).toBeLessThan(50)
      const keys = [1, 2, 3].map((number) => `${attempt}-${number}`)
      overtaken = await storeBetween(keys)
    }
    expect(log.lines).toEqual([])
    expect(await stored()).toHaveLength(3 * attempt)
  })

  /** Stores the first key before a batch of all keys and the second one before its repetition; false when that came too late. */
  async function storeBetween(keys: readonly string[]): Promise<boolean> {
    const first = await openStorer()
    const second = await openStorer()
    expect(await first.store(keys[0]!)).toBe(true)
    const saved = Promise.all(keys.map((key) => intakeOf(0).save(report(1), key)))
    await waiting(1)
    // Behind the batch, so that it comes between the batch's failure and its repetition.
    const secondStored = second.store(keys[1]!)
    await waiting(2)
    await first.commit()
    const between = await secondStored
    if (between) await waiting(1)
    await second.commit()
    expect((await saved).map(({ repeated }) => repeated)).toEqual([true, between, false])
    return between
  }

  it(
    'neither blocks nor exhausts batches that share most of their keys, in whatever order they come',
    { timeout: longTimeoutMs },
    async () => {
      const keys = Array.from({ length: 400 }, (_, index) => `key-${index}`)
      let run = 0
      const shuffled = fc.shuffledSubarray(keys, { minLength: 300, maxLength: 400 })
      await fc.assert(
        fc.asyncProperty(fc.tuple(shuffled, shuffled, shuffled), async (lists) => {
          run += 1
          const saved = await Promise.all(
            lists.flatMap((list, index) =>
              list.map(async (key) => ({ key, ...(await intakeOf(index).save(report(1), `${run}-${key}`)) })),
            ),
          )
          for (const key of keys) expectOneRow(saved.filter((answer) => answer.key === key))
          const rows = await stored()
          const ids = new Set(saved.map(({ snapshot }) => snapshot.id))
          expect(
            rows
              .filter(({ key }) => key.startsWith(`${run}-`))
              .map(({ id }) => id)
              .toSorted(),
          ).toEqual([...ids].toSorted())
        }),
        { numRuns: times(3, 60) },
      )
    },
  )
})

function expectOneRow(answers: readonly SavedSnapshot[]): void {
  if (answers.length === 0) return
  expect(new Set(answers.map(({ snapshot }) => snapshot.id)).size).toBe(1)
  expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1)
}
