import fc from 'fast-check'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { systemClock } from '../../src/model/clock.js'
import { EventTailer } from '../../src/events/event-tailer.js'
import type { LoggedEvent, TidemarkEvent } from '../../src/model/event.js'
import { silentLogger } from '../../src/model/logger.js'
import { appendEvents } from '../../src/storage/postgres/append-events.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { longTimeoutMs, times } from '../support/long.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

const event = (reason: string): TidemarkEvent => ({ type: 'watch-list.changed', data: { reason } })
const reasonOf = (logged: LoggedEvent): string => (logged.type === 'watch-list.changed' ? logged.data.reason : '')

describe('the event log', () => {
  let testDatabase: TestDatabase
  let database: Database
  let log: PostgresEventLog
  let tailers: EventTailer[]

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    log = new PostgresEventLog(database, silentLogger)
    tailers = []
  })

  afterEach(async () => {
    await Promise.all(tailers.map((tailer) => tailer.close()))
    await database.close()
    await testDatabase.drop()
  })

  const append = (reasons: readonly string[]): Promise<void> =>
    database.transaction((transaction) => appendEvents(transaction, reasons.map(event)))

  /** As after a restore from backup, or when a standby takes over that had not got everything. */
  const loseEventsAfter = (seq: bigint): Promise<void> =>
    database.transaction(async (transaction) => {
      await transaction.query({ name: 'lose', text: 'delete from tidemark.event where seq > $1', values: [seq] })
      await transaction.query({ name: 'back', text: 'update tidemark.event_log set seq = $1', values: [seq] })
    })

  const startTailer = async (): Promise<{ tailer: EventTailer; seen: LoggedEvent[] }> => {
    const tailer = new EventTailer({ clock: systemClock, log, logger: silentLogger })
    tailers.push(tailer)
    const seen: LoggedEvent[] = []
    await tailer.start()
    tailer.subscribe((logged) => seen.push(logged))
    return { tailer, seen }
  }

  it('gives out seq without gaps, in commit order, whatever writers do', { timeout: longTimeoutMs }, async () => {
    const { tailer, seen } = await startTailer()
    const first = (await log.head()).seq
    let expected = 0
    const writer = fc.array(
      fc.record({ size: fc.integer({ min: 1, max: 4 }), fail: fc.boolean(), holdMs: fc.integer({ min: 0, max: 15 }) }),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(writer, { minLength: 2, maxLength: 5 }), async (writers) => {
        const committed = await Promise.all(
          writers.map((transactions, index) => runWriter(database, index, transactions)),
        )
        expected += committed.flat().length
        const events = await log.read(first, 10_000)
        expect(events.map((logged) => logged.seq)).toEqual(events.map((_, index) => first + BigInt(index) + 1n))
        expect(events).toHaveLength(expected)
        // One writer's transactions come in the order in which it committed them.
        const newest = events.slice(events.length - committed.flat().length).map(reasonOf)
        for (const own of committed) expect(newest.filter((reason) => own.includes(reason))).toEqual(own)
      }),
      { numRuns: times(15, 300) },
    )
    await until('the tailer has seen every event', () => seen.length === expected)
    expect(seen.map((logged) => logged.seq)).toEqual(seen.map((_, index) => first + BigInt(index) + 1n))
    expect(tailer.seq).toBe(first + BigInt(expected))
  })

  it('never lets a reader pass a transaction that is still open', async () => {
    const { seen } = await startTailer()
    const holder = new pg.Client(testDatabase.address)
    await holder.connect()
    await holder.query('begin')
    await holder.query(`with counter as (update tidemark.event_log set seq = seq + 1 returning seq)
      insert into tidemark.event (seq, type, payload) select seq, 'watch-list.changed', '{"reason":"held"}' from counter`)

    const others = Promise.all([append(['second']), append(['third'])])
    await until('both other writers wait for the open transaction', async () => {
      // Asked outside the open transaction, within which the view would never change.
      const rows = await database.query<{ count: string }>({
        name: 'waiting',
        text: `select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'`,
        values: [testDatabase.name],
      })
      return rows[0]?.count === '2'
    })
    expect(await log.read(0n, 10)).toEqual([])
    expect(seen).toEqual([])

    await holder.query('commit')
    await holder.end()
    await others
    await until('three events are seen', () => seen.length === 3)
    expect(reasonOf(seen[0]!)).toBe('held')
    expect(seen.map((logged) => logged.seq)).toEqual([1n, 2n, 3n])
  })

  it('wakes its readers for what other processes commit, not for what their own hands out by itself', async () => {
    const other = new Database(testDatabase.address, silentLogger)
    let wakes = 0
    const stop = log.listen(() => (wakes += 1))
    try {
      await until('it listens', () => wakes === 1)
      await append(['ours'])
      // Notifications come in the order of commits: when that of the other process is here, ours has been.
      await other.transaction((transaction) => appendEvents(transaction, [event('of another process')]))
      await until('the other one woke it', () => wakes > 1)
      expect(wakes).toBe(2)
    } finally {
      await stop()
      await other.close()
    }
  })

  it('leaves no gap after a rollback', async () => {
    await append(['one'])
    await expect(
      database.transaction(async (transaction) => {
        await appendEvents(transaction, [event('lost'), event('lost')])
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    await append(['two'])
    expect((await log.read(0n, 10)).map((logged) => [logged.seq, reasonOf(logged)])).toEqual([
      [1n, 'one'],
      [2n, 'two'],
    ])
  })

  it('lets a tailer go on where it was after every connection was cut', async () => {
    const { seen } = await startTailer()
    await append(['before'])
    await until('the first event is seen', () => seen.length === 1)
    const admin = new pg.Client({ ...testDatabase.address, database: 'postgres' })
    await admin.connect()
    for (let round = 0; round < 3; round += 1) {
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
        testDatabase.name,
      ])
      await until('a write succeeds again', () =>
        append([`round ${round}`]).then(
          () => true,
          () => false,
        ),
      )
    }
    await admin.end()
    await until('every event is seen', () => seen.length === 4)
    expect(seen.map(reasonOf)).toEqual(['before', 'round 0', 'round 1', 'round 2'])
    expect(seen.map((logged) => logged.seq)).toEqual([1n, 2n, 3n, 4n])
  })

  it('lets a tailer go on in a log that has lost its end, and says so', async () => {
    const { tailer, seen } = await startTailer()
    const second = await startTailer()
    const breaks: unknown[] = []
    tailer.onBreak((reason) => breaks.push([reason, tailer.seq]))
    await append(['a', 'b', 'c', 'd'])
    await until('four events are seen', () => seen.length === 4 && second.seen.length === 4)
    const before = tailer.logId

    await loseEventsAfter(2n)
    await until('both tailers know', () => tailer.logId !== before && second.tailer.logId !== before)
    expect(breaks).toEqual([['log_changed', 2n]])
    expect((await log.head()).log).toBe(tailer.logId)
    expect(second.tailer.logId).toBe(tailer.logId)

    await append(['another'])
    await until('the new event is seen', () => seen.length === 5 && second.seen.length === 5)
    expect(seen.slice(3).map((logged) => [logged.seq, reasonOf(logged)])).toEqual([
      [4n, 'd'],
      [3n, 'another'],
    ])
  })

  it('lets a tailer see that the log lost its end although it has grown past the place since', async () => {
    const { tailer, seen } = await startTailer()
    const breaks: unknown[] = []
    tailer.onBreak((reason) => breaks.push([reason, tailer.seq]))
    await append(['a', 'b', 'c', 'd'])
    await until('four events are seen', () => seen.length === 4)
    await database.transaction(async (transaction) => {
      await transaction.query({ name: 'lose', text: 'delete from tidemark.event where seq > 2' })
      await transaction.query({ name: 'back', text: 'update tidemark.event_log set seq = 2' })
      await appendEvents(transaction, ['e', 'f', 'g'].map(event))
    })
    await until('the tailer knows', () => breaks.length > 0)
    expect(breaks).toEqual([['log_changed', 5n]])
    await append(['another'])
    await until('the new event is seen', () => seen.length === 5)
    expect(seen.map(reasonOf)).toEqual(['a', 'b', 'c', 'd', 'another'])
  })

  it('knows an event that was offered again when it is read, whatever the order of its fields', async () => {
    const { tailer, seen } = await startTailer()
    const breaks: unknown[] = []
    tailer.onBreak((reason) => breaks.push(reason))
    const tokenAddress = '0x00000000000000000000000000000000000000aa'
    const metadata = { name: 'A', symbol: 'A', decimals: 18 }
    const type = 'token.changed'
    await database.transaction((transaction) =>
      appendEvents(transaction, [{ type, data: { chainId: 1n, tokenAddress, accruing: true, ...metadata } }]),
    )
    // Nearly always before it is read; an offer that comes too late changes nothing.
    tailer.offer([{ type, data: { ...metadata, accruing: true, tokenAddress, chainId: 1n }, seq: 1n }])
    await append(['next'])
    await until('the next event is seen', () => seen.length === 2)
    expect(seen.map(({ seq }) => seq)).toEqual([1n, 2n])
    expect(breaks).toEqual([])
  })

  it('lets a tailer say that events were deleted before it read them', async () => {
    const { tailer, seen } = await startTailer()
    const breaks: unknown[] = []
    tailer.onBreak((reason) => breaks.push([reason, tailer.seq]))
    await database.transaction(async (transaction) => {
      await appendEvents(transaction, ['a', 'b', 'c'].map(event))
      await transaction.query({ name: 'expire', text: 'delete from tidemark.event where seq < 3' })
    })
    await until('the event that is left is seen', () => seen.length === 1)
    expect(breaks).toEqual([['expired', 2n]])
    expect(seen.map(reasonOf)).toEqual(['c'])
  })

  it('keeps its name when it has what was seen, whoever says otherwise', async () => {
    await append(['one', 'two'])
    const { log: name } = await log.head()
    expect(await log.rename(name, 2n)).toMatchObject({ log: name })
    expect(await log.rename('00000000-0000-4000-8000-000000000000', 3n)).toMatchObject({ log: name })
  })

  it('lets a tailer be closed at once although the log cannot be read', async () => {
    const { tailer } = await startTailer()
    const fails: (() => void)[] = []
    log.read = () => new Promise((_resolve, reject) => fails.push(() => reject(new Error('away'))))
    const failReading = async (): Promise<void> => {
      await until('the log is read', () => fails.length > 0)
      for (const fail of fails.splice(0)) fail()
    }
    // After the fourth failure in a row it would rest for two seconds.
    for (let failure = 1; failure <= 3; failure += 1) await failReading()
    await until('the log is read', () => fails.length > 0)
    const beganMs = performance.now()
    const closed = tailer.close()
    await failReading()
    await closed
    expect(performance.now() - beganMs).toBeLessThan(1500)
  })

  it('hands each event to every subscriber although one of them fails', async () => {
    const { tailer, seen } = await startTailer()
    tailer.subscribe(() => {
      throw new Error('a bad subscriber')
    })
    const after: bigint[] = []
    tailer.subscribe((logged) => after.push(logged.seq))
    await append(['a', 'b'])
    await until('both events are seen', () => seen.length === 2 && after.length === 2)
    expect(after).toEqual([1n, 2n])
  })

  it('names itself and says what it keeps', async () => {
    expect(await log.head()).toMatchObject({ seq: 0n, oldestSeq: 1n })
    expect((await log.head()).log).toMatch(/^[0-9a-f-]{36}$/)
    await append(['one', 'two'])
    await database.query({ name: 'forget', text: 'delete from tidemark.event where seq = 1' })
    expect(await log.head()).toMatchObject({ seq: 2n, oldestSeq: 2n })
  })
})

/** Runs a writer's transactions one after the other; some fail on purpose, some hold their transaction open. */
async function runWriter(
  database: Database,
  writer: number,
  transactions: readonly { size: number; fail: boolean; holdMs: number }[],
): Promise<string[]> {
  const committed: string[] = []
  for (const [index, { size, fail, holdMs }] of transactions.entries()) {
    const reasons = Array.from({ length: size }, (_, place) => `${writer}/${index}/${place}/${Math.random()}`)
    try {
      await database.transaction(async (transaction) => {
        await appendEvents(transaction, reasons.map(event))
        await transaction.query({ name: 'hold', text: 'select pg_sleep($1)', values: [holdMs / 1000] })
        if (fail) throw new Error('on purpose')
      })
      committed.push(...reasons)
    } catch (error) {
      if (!(error instanceof Error && error.message === 'on purpose')) throw error
    }
  }
  return committed
}
