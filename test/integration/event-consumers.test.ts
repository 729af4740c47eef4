import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { EventTailer } from '../../src/events/event-tailer.js'
import type { LogBreak } from '../../src/events/event-tailer.js'
import { ConsumerGroups } from '../../src/manager/consumer-groups.js'
import { systemClock } from '../../src/model/clock.js'
import type { Clock } from '../../src/model/clock.js'
import type { LoggedEvent, TidemarkEvent } from '../../src/model/event.js'
import { silentLogger } from '../../src/model/logger.js'
import { appendEvents } from '../../src/storage/postgres/append-events.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresConsumerStore } from '../../src/storage/postgres/event-consumers.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLeaseStore } from '../../src/storage/postgres/lease-store.js'
import { LeapableClock } from '../support/leapable-clock.js'
import { recordLog } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

/** Shorter than usual: whoever takes over from a dead one waits for it. */
const LEASE_MS = 900

const reasonOf = (logged: LoggedEvent): string => (logged.type === 'watch-list.changed' ? logged.data.reason : '')
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `e${from + index}`)

/** As much of a process as reads the log: connections, a tailer, and its part in groups. */
interface Process {
  readonly groups: ConsumerGroups
  readonly database: Database
  close(): Promise<void>
  /** Ends without a word: nothing is stored, no lease is let go. */
  kill(): Promise<void>
}

describe('a consumer group', () => {
  let testDatabase: TestDatabase
  let database: Database
  const processes: Process[] = []

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
  })

  afterEach(async () => {
    for (const process of processes.splice(0)) await process.close()
    await database.close()
    await testDatabase.drop()
  })

  const startProcess = async (logger = silentLogger, clock: Clock = systemClock): Promise<Process> => {
    const own = new Database(testDatabase.address, silentLogger)
    const log = new PostgresEventLog(own, silentLogger)
    const tailer = new EventTailer({ log, clock: systemClock, logger: silentLogger })
    await tailer.start()
    const groups = new ConsumerGroups({
      consumers: new PostgresConsumerStore(own),
      leases: new PostgresLeaseStore(own),
      log,
      tailer,
      clock,
      logger,
      leaseMs: LEASE_MS,
    })
    const end = async (): Promise<void> => {
      await tailer.close()
      await own.close()
    }
    let ended: Promise<void> | null = null
    const process: Process = {
      groups,
      database: own,
      close: () => (ended ??= groups.close().then(end)),
      // The database goes first, so that nothing can be written any more.
      kill: () =>
        (ended ??= own
          .close()
          .then(() => Promise.all([groups.close(), tailer.close()]))
          .then(() => undefined)),
    }
    processes.push(process)
    return process
  }

  const append = (reasons: readonly string[]): Promise<void> => {
    const events = reasons.map((reason): TidemarkEvent => ({ type: 'watch-list.changed', data: { reason } }))
    return database.transaction((transaction) => appendEvents(transaction, events))
  }

  const query = (text: string): Promise<readonly Record<string, unknown>[]> =>
    database.query({ name: text.slice(0, 60), text })
  const placeOf = async (group = 'default'): Promise<unknown> =>
    (await query(`select seq from tidemark.event_consumer where name = 'group:${group}'`))[0]?.['seq']

  it('starts at the newest event, and gets each one after it, in order', async () => {
    await append(numbered(1, 3))
    const { groups } = await startProcess()
    const seen: string[] = []
    await groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(numbered(4, 6))
    await append(numbered(7, 400))
    await until('all came', () => seen.length >= 397)
    expect(seen).toEqual(numbered(4, 400))
    await until('its place is stored', async () => (await placeOf()) === '400')
  })

  it('goes on after a stop where it was, also with what was committed meanwhile', async () => {
    const first = await startProcess()
    const seen: string[] = []
    const stop = await first.groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(numbered(1, 20))
    await until('all came', () => seen.length === 20)
    await stop()
    await append(numbered(21, 1500))
    await first.close()
    const second = await startProcess()
    await second.groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(['e1501'])
    await until('the rest came', () => seen.length >= 1501)
    expect(seen).toEqual(numbered(1, 1501))
  })

  it('shares the events: of two processes one gets them, and the other one when that ends', async () => {
    const seen: { by: string; reason: string }[] = []
    const one = await startProcess()
    const other = await startProcess()
    await one.groups.consume({ handler: (event) => seen.push({ by: 'one', reason: reasonOf(event) }) })
    await append(['e1'])
    await until('one process has it', () => seen.length === 1)
    await other.groups.consume({ handler: (event) => seen.push({ by: 'other', reason: reasonOf(event) }) })
    await append(numbered(2, 50))
    await until('they came', () => seen.length === 50)
    await one.close()
    await append(numbered(51, 60))
    await until('the others came', () => seen.length === 60)
    expect(seen.map(({ reason }) => reason)).toEqual(numbered(1, 60))
    expect(seen.map(({ by }) => by)).toEqual(numbered(1, 60).map((_, index) => (index < 50 ? 'one' : 'other')))
  })

  it('has another process go on when one dies: events may come again, none is lost', async () => {
    const seen: string[] = []
    const one = await startProcess()
    const other = await startProcess()
    await one.groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(numbered(1, 10))
    await until('the first came', () => seen.length === 10)
    await other.groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(numbered(11, 30))
    await one.kill()
    await append(numbered(31, 40))
    await until('all came', () => seen.includes('e40'))
    expect([...new Set(seen)]).toEqual(numbered(1, 40))
  })

  it('refuses the place to whoever had it before', async () => {
    const places = new PostgresConsumerStore(database)
    await append(numbered(1, 3))
    await places.register('group:default')
    await append(numbered(4, 9))
    const { log } = await new PostgresEventLog(database, silentLogger).head()
    expect(await places.open('group:default', 7n)).toEqual({ log, seq: 3n })
    expect(await places.move('group:default', 7n, { log, seq: 4n })).toBe(true)
    expect(await places.open('group:default', 8n)).toEqual({ log, seq: 4n })
    expect(await places.move('group:default', 7n, { log, seq: 9n })).toBe(false)
    expect(await places.open('group:default', 7n)).toBeNull()
    expect(await places.move('group:default', 8n, { log, seq: 10n }), 'beyond the end of the log').toBe(false)
    expect(await placeOf()).toBe('4')
  })

  it('waits for a handler, and goes on when it fails or hangs', async () => {
    const logs = recordLog()
    const { groups } = await startProcess(logs.logger)
    const seen: string[] = []
    let open = 0
    await groups.consume({
      handlerTimeoutMs: 200,
      handler: async (event) => {
        const reason = reasonOf(event)
        open += 1
        seen.push(`${reason}${open > 1 ? ' at the same time' : ''}`)
        if (reason === 'e3') await new Promise(() => undefined)
        await sleep(5)
        open -= 1
        if (reason === 'e2') throw new Error('no such account')
      },
    })
    await append(numbered(1, 3))
    await until('the one that hangs came', () => seen.length === 3)
    open = 0
    await append(numbered(4, 5))
    await until('those after it came', () => seen.length === 5)
    expect(seen).toEqual(['e1', 'e2', 'e3', 'e4', 'e5'])
    expect(logs.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'event handler failed',
      'event handler took too long: events go on without waiting for it',
    ])
  })

  it('does not wait for ever for a handler when it is closed, and gives its event to the next process', async () => {
    const clock = new LeapableClock()
    const { groups, close } = await startProcess(silentLogger, clock)
    const seen: string[] = []
    await groups.consume({
      handler: (event) => {
        seen.push(reasonOf(event))
        return new Promise(() => undefined)
      },
    })
    await append(['e1'])
    await until('it was called', () => seen.length === 1)
    const closed = close()
    const leaps = setInterval(() => clock.leap(1000), 10)
    await closed.finally(() => clearInterval(leaps))
    const next = await startProcess()
    await next.groups.consume({ handler: (event) => seen.push(`${reasonOf(event)} again`) })
    await until('the next process has it', () => seen.length === 2)
    expect(seen).toEqual(['e1', 'e1 again'])
  })

  it('hands each event to every handler of the process, of every group', async () => {
    const { groups } = await startProcess()
    const seen: Record<string, string[]> = { first: [], second: [], audit: [] }
    const into = (name: string) => (event: LoggedEvent) => void seen[name]?.push(reasonOf(event))
    await groups.consume({ handler: into('first') })
    const stop = await groups.consume({ handler: into('second') })
    await groups.consume({ group: 'audit', handler: into('audit') })
    await append(numbered(1, 5))
    await until('all have them', () => Object.values(seen).every(({ length }) => length === 5))
    await stop()
    await append(['e6'])
    await until('the others go on', () => seen['first']?.length === 6 && seen['audit']?.length === 6)
    expect(seen).toEqual({ first: numbered(1, 6), second: numbered(1, 5), audit: numbered(1, 6) })
  })

  it('goes on from the place that came back with the log after a restore, and tells', async () => {
    const { groups } = await startProcess()
    const seen: string[] = []
    const breaks: LogBreak[] = []
    await groups.consume({
      handler: (event) => seen.push(reasonOf(event)),
      onBreak: (reason) => breaks.push(reason),
    })
    await append(numbered(1, 10))
    await until('they came', async () => seen.length === 10 && (await placeOf()) === '10')
    // The backup is from when six events were there, and five of them were handled.
    await database.transaction(async (transaction) => {
      for (const text of [
        'delete from tidemark.event where seq > 6',
        'update tidemark.event_log set seq = 6',
        'update tidemark.event_consumer set seq = 5',
      ]) {
        await transaction.query({ name: text, text })
      }
    })
    await append(['new7'])
    await until('the new one came', () => seen.includes('new7'))
    await append(['new8'])
    await until('and the next', () => seen.includes('new8'))
    expect(seen).toEqual([...numbered(1, 10), 'e6', 'new7', 'new8'])
    expect(breaks).toEqual(['log_changed'])
    await until('its place is stored', async () => (await placeOf()) === '8')
  })

  it('tells when events were deleted before it handled them, and goes on with the oldest that is left', async () => {
    const first = await startProcess()
    const stop = await first.groups.consume({ handler: () => undefined })
    await stop()
    await append(numbered(1, 9))
    await query('delete from tidemark.event where seq <= 4')
    const seen: string[] = []
    const breaks: LogBreak[] = []
    await first.groups.consume({
      handler: (event) => seen.push(reasonOf(event)),
      onBreak: (reason) => breaks.push(reason),
    })
    await until('the rest came', () => seen.length === 5)
    expect(seen).toEqual(numbered(5, 9))
    expect(breaks).toEqual(['expired'])
  })

  it('can be removed and begins anew', async () => {
    const { groups } = await startProcess()
    const seen: string[] = []
    await groups.consume({ handler: (event) => seen.push(reasonOf(event)) })
    await append(['e1'])
    await until('it came', async () => seen.length === 1 && (await placeOf()) === '1')
    await query('delete from tidemark.event_consumer')
    await append(['e2'])
    await until('it is registered again', async () => (await placeOf()) !== undefined)
    await append(['e3'])
    await until('it goes on', () => seen.includes('e3'))
  })

  it('hands every event to every process when told so, from then on, without a place', async () => {
    const one = await startProcess()
    const other = await startProcess()
    const seen: string[] = []
    const stop = await one.groups.consume({
      delivery: 'every-process',
      handler: (event) => seen.push(`one ${reasonOf(event)}`),
    })
    await other.groups.consume({
      delivery: 'every-process',
      handler: (event) => seen.push(`other ${reasonOf(event)}`),
    })
    await append(['e2'])
    await until('both have it', () => seen.length === 2)
    await stop()
    await append(['e3'])
    await until('the other one has the next', () => seen.includes('other e3'))
    expect(seen.toSorted()).toEqual(['one e2', 'other e2', 'other e3'])
    expect(await query('select name from tidemark.event_consumer')).toEqual([])
  })

  it('names a group that is left behind', async () => {
    const places = new PostgresConsumerStore(database)
    await places.register('group:forgotten')
    await append(['e1'])
    await places.register('group:alive')
    await query(`update tidemark.event set at = now() - interval '8 days'`)
    const lagging = await places.lagging(7)
    expect(lagging.map(({ name, seq, ageDays }) => ({ name, seq, days: Math.round(ageDays) }))).toEqual([
      { name: 'group:forgotten', seq: 0n, days: 8 },
    ])
    expect(await places.lagging(9)).toEqual([])
  })

  it('has a name of letters and digits, a limit that a timer can keep, and a handler', async () => {
    const { groups } = await startProcess()
    const handler = (): void => undefined
    const refused = (options: object, message: string): Promise<void> =>
      expect(groups.consume({ handler, ...options })).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining(message) as string,
      })
    await refused({ group: 'a b' }, `group: expected up to 64 letters, digits, ".", "_" or "-", got 'a b'`)
    await refused({ group: 5 }, 'got 5')
    for (const handlerTimeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      await refused(
        { handlerTimeoutMs },
        `handlerTimeoutMs: expected a positive number up to 2147483647, got ${handlerTimeoutMs}`,
      )
    }
    await refused({ delivery: 'every_process' }, "delivery: expected one of group, every-process, got 'every_process'")
    // Its events would count as handled.
    await refused({ handler: undefined }, 'handler: expected a function, got undefined')
    expect(await query('select name from tidemark.event_consumer')).toEqual([])
  })

  it('waits for a handler as long as it was told, however long that is', async () => {
    const logs = recordLog()
    const { groups } = await startProcess(logs.logger)
    const seen: string[] = []
    await groups.consume({
      handlerTimeoutMs: 2 ** 31 - 1,
      handler: async (event) => {
        await sleep(20)
        seen.push(reasonOf(event))
      },
    })
    await append(numbered(1, 3))
    await until('they came', () => seen.length === 3)
    expect(seen).toEqual(numbered(1, 3))
    expect(logs.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('begins nothing once it is closed', async () => {
    const { groups } = await startProcess()
    await groups.close()
    for (const delivery of ['group', 'every-process'] as const) {
      await expect(groups.consume({ delivery, handler: () => undefined })).rejects.toMatchObject({ code: 'closed' })
    }
  })
})
