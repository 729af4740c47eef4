import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { silentLogger } from '../../src/model/logger.js'
import { SnapshotIntake } from '../../src/snapshots/snapshot-intake.js'
import type { SavedSnapshot } from '../../src/snapshots/snapshot-intake.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresSnapshotStore } from '../../src/storage/postgres/snapshot-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const PROCESSES = 3

const report = (amount: number): unknown => ({ onchain: { rlb: amount }, onsite: { usd: 2.5 } })

/** What each process has of its own: connections and an intake. */
interface Process {
  readonly database: Database
  readonly intake: SnapshotIntake
}

describe('one idempotency key, several processes on one database', () => {
  let testDatabase: TestDatabase
  let processes: readonly Process[]

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    processes = Array.from({ length: PROCESSES }, () => {
      const database = new Database(testDatabase.address, silentLogger)
      const store = new PostgresSnapshotStore(database)
      return { database, intake: new SnapshotIntake({ store, logger: silentLogger, onCommitted: () => undefined }) }
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
              list.map(async (key) => ({ key, ...(await intakeOf(index).save(report(1), `${run} ${key}`)) })),
            ),
          )
          for (const key of keys) expectOneRow(saved.filter((answer) => answer.key === key))
          const rows = await stored()
          const ids = new Set(saved.map(({ snapshot }) => snapshot.id))
          expect(
            rows
              .filter(({ key }) => key.startsWith(`${run} `))
              .map(({ id }) => id)
              .toSorted(),
          ).toEqual([...ids].toSorted())
        }),
        { numRuns: times(5, 60) },
      )
    },
  )
})

function expectOneRow(answers: readonly SavedSnapshot[]): void {
  if (answers.length === 0) return
  expect(new Set(answers.map(({ snapshot }) => snapshot.id)).size).toBe(1)
  expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1)
}
