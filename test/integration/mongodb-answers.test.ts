import { setTimeout as sleep } from 'node:timers/promises'

import { describe, it, vi } from 'vitest'
import type { TestContext } from 'vitest'

import { toErrorAnswer } from '../../src/api/error-answer.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Position } from '../../src/model/position.js'
import { CopyPlace } from '../../src/storage/mongodb/copy-place.js'
import { CopyWatch, MongoDbBehindError } from '../../src/storage/mongodb/copy-watch.js'
import { openMongoDb } from '../../src/storage/mongodb/mongodb-connection.js'
import type { MongoDbConnection } from '../../src/storage/mongodb/mongodb-connection.js'
import { MongoDbUnavailableError } from '../../src/storage/mongodb/mongodb-errors.js'
import type { MongoDbTrouble } from '../../src/storage/mongodb/mongodb-errors.js'
import { toDocument } from '../../src/storage/mongodb/record-document.js'
import type { RecordDocument } from '../../src/storage/mongodb/record-document.js'
import { RecordQueries } from '../../src/storage/mongodb/record-queries.js'
import type { RecordSource } from '../../src/storage/mongodb/record-source.js'
import { writeDocuments } from '../../src/storage/mongodb/write-documents.js'
import { commandName, cursorReply, refusal, reply, startScriptedMongoDb } from '../support/scripted-mongodb.js'
import type { ScriptedAnswer, ScriptedMongoDb } from '../support/scripted-mongodb.js'

const position: Position = { chainId: 1n, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const NAMESPACE = 'scripted.balancerecords'

// Side by side: most of the time the driver waits before it looks at the server again.
describe.concurrent('what a MongoDB that has troubles answers', () => {
  it.for<{ readonly name: string; readonly first: ScriptedAnswer }>([
    { name: 'is not the primary any more', first: refusal(10_107, 'NotWritablePrimary') },
    { name: 'is recovering', first: refusal(11_602, 'InterruptedDueToReplStateChange') },
    { name: 'is shutting down', first: refusal(91, 'ShutdownInProgress') },
    { name: 'cuts the connection', first: { kind: 'cut' } },
    { name: 'cuts the connection in the middle of its answer', first: { kind: 'cut', document: { ok: 1 } } },
    { name: 'is slow', first: reply(answerOf(1n), { delayMs: 300 }) },
  ])('is a record all the same when it $name, once', async ({ first }, context) => {
    const { queries, server } = await open(context, (_, count) => (count === 1 ? first : reply(answerOf(1n))))
    const found = await queries.newest(position, {}, 10)
    context.expect(found.map(({ balance }) => balance)).toEqual([2n ** 200n])
    context.expect(server.commands.map(commandName)[0]).toBe('find')
  })

  it.for<{ readonly name: string; readonly answer: ScriptedAnswer; readonly trouble: MongoDbTrouble }>([
    { name: 'is not the primary', answer: refusal(10_107, 'NotWritablePrimary'), trouble: 'restarting' },
    { name: 'is shutting down', answer: refusal(91, 'ShutdownInProgress'), trouble: 'restarting' },
    { name: 'took too long', answer: refusal(50, 'MaxTimeMSExpired'), trouble: 'silent' },
    { name: 'wants another password', answer: refusal(13, 'Unauthorized'), trouble: 'refused' },
    { name: 'has no space left', answer: refusal(14_031, 'OutOfDiskSpace'), trouble: 'disk_full' },
    { name: 'cuts the connection', answer: { kind: 'cut' }, trouble: 'unreachable' },
    { name: 'cuts its answers', answer: { kind: 'cut', document: { ok: 1 } }, trouble: 'unreachable' },
    { name: 'says nothing', answer: { kind: 'silence' }, trouble: 'silent' },
  ])('is a failure that may pass when it $name, again and again', async ({ answer, trouble }, context) => {
    const { queries } = await open(context, () => answer, '?socketTimeoutMS=300')
    const failure = await failureOf(queries.newest(position, {}, 10))
    context.expect(failure).toBeInstanceOf(MongoDbUnavailableError)
    context.expect(failure).toMatchObject({ trouble, retryable: true })
    context.expect(toErrorAnswer(failure)).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    context.expect(JSON.stringify(toErrorAnswer(failure))).not.toContain('127.0.0.1')
  })

  it('is asked no longer than its own limit allows, and leaves no cursor behind', async (context) => {
    const { queries, server } = await open(context, () => cursorReply(NAMESPACE, []))
    await queries.newest(position, {}, 10)
    context.expect(server.commands[0]).toMatchObject({ find: 'balancerecords', limit: 10, batchSize: 11 })
    context.expect(server.commands[0]?.['maxTimeMS']).toBeGreaterThan(0)
  })

  it('is a failure that may pass when its cursor is gone', async (context) => {
    const { queries, server } = await open(context, (command) =>
      commandName(command) === 'find' ? cursorReply(NAMESPACE, [documentOf(2n)], 77n) : refusal(43, 'CursorNotFound'),
    )
    context.expect(await failureOf(queries.newest(position, {}, 10))).toMatchObject({ trouble: 'restarting' })
    context.expect(server.commands.map(commandName)).toEqual(['find', 'getMore'])
  })

  it('is a failure that may pass when a write is not confirmed, although it was done', async (context) => {
    const { connection } = await open(context, () =>
      reply({ n: 1, nModified: 1, writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'timeout' } }),
    )
    const failure = await failureOf(writeDocuments(connection.records, [documentOf(1n)], 10))
    context.expect(failure).toMatchObject({ trouble: 'unconfirmed', retryable: true })
  })

  it('is a failure that may pass when writes are not confirmed, and others were refused', async (context) => {
    const { connection } = await open(context, () =>
      reply({
        n: 1,
        writeErrors: [{ index: 0, code: 11_000, errmsg: 'E11000 duplicate key' }],
        writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'timeout' },
      }),
    )
    const failure = await failureOf(writeDocuments(connection.records, [documentOf(1n), documentOf(2n)], 10))
    context.expect(failure).toMatchObject({ trouble: 'unconfirmed', retryable: true })
  })

  it('is a failure that may pass, when nobody says how far the copy is', async (context) => {
    const { connection } = await open(context, () => ({ kind: 'silence' }))
    const watch = new CopyWatch({
      place: new CopyPlace(connection.places),
      source: logAtEvent7,
      waitMs: 300,
    })
    context.expect(await failureOf(watch.caughtUp(new Set()))).toMatchObject({ trouble: 'silent' })
  })

  it('is told to be behind when nothing was copied to it yet', async (context) => {
    const { connection } = await open(context, () => cursorReply('scripted.tidemark_place', []))
    const watch = new CopyWatch({
      place: new CopyPlace(connection.places),
      source: logAtEvent7,
      waitMs: 300,
    })
    const failure = await failureOf(watch.caughtUp(new Set()))
    context.expect(failure).toBeInstanceOf(MongoDbBehindError)
    context.expect(toErrorAnswer(failure)).toMatchObject({ status: 503, body: { code: 'records_behind' } })
  })

  it('never has more queries to answer at a time than it should, and the others follow', async (context) => {
    let running = 0
    let most = 0
    const { queries } = await open(context, () => {
      running += 1
      most = Math.max(most, running)
      setTimeout(() => (running -= 1), 40)
      return reply(answerOf(1n), { delayMs: 50 })
    })
    const found = await Promise.all(Array.from({ length: 23 }, () => queries.newest(position, {}, 10)))
    context.expect(found.every((records) => records.length === 1)).toBe(true)
    context.expect(most).toBe(5)
  })
})

// By itself, for the time of day is everybody's.
it('a copy is waited for as long as it should be, whatever the time of day does', async (context) => {
  const { connection } = await open(context, () => cursorReply('scripted.tidemark_place', []))
  const watch = new CopyWatch({ place: new CopyPlace(connection.places), source: logAtEvent7, waitMs: 300 })
  const beginMs = Date.now()
  const dayTime = vi.spyOn(Date, 'now').mockImplementation(() => beginMs - 3_600_000 * dayTime.mock.calls.length)
  try {
    const late = sleep(20_000, 'still waiting', { ref: false })
    context.expect(await Promise.race([failureOf(watch.caughtUp(new Set())), late])).toBeInstanceOf(MongoDbBehindError)
  } finally {
    dayTime.mockRestore()
  }
})

interface Opened {
  readonly server: ScriptedMongoDb
  readonly connection: MongoDbConnection
  readonly queries: RecordQueries
}

async function open(
  { onTestFinished }: TestContext,
  answer: Parameters<typeof startScriptedMongoDb>[0],
  options = '?socketTimeoutMS=5000',
): Promise<Opened> {
  const server = await startScriptedMongoDb(answer)
  const connection = await openMongoDb({ url: `${server.url}${options}` }, silentLogger)
  onTestFinished(async () => {
    await connection.close()
    await server.close()
  })
  return { server, connection, queries: new RecordQueries(connection.records) }
}

function documentOf(block: bigint): RecordDocument {
  const record = {
    ...position,
    balance: 2n ** 200n,
    previousBalance: null,
    blockNumber: block,
    blockHash: `0x${'ab'.repeat(32)}` as const,
    timestamp: new Date(1_700_000_000_000),
    transactionHashes: [],
    cause: null,
    unexplained: 0n,
    decimals: 18,
    symbol: 'ETH',
    name: 'Ether',
  }
  return toDocument(record, 1n)
}

function answerOf(block: bigint): object {
  return { cursor: { firstBatch: [documentOf(block)], id: 0n, ns: NAMESPACE } }
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return error
  }
  throw new Error('expected a failure, got an answer')
}

/** A log of seven events. */
const logAtEvent7: Pick<RecordSource, 'place' | 'eventsAfter'> = {
  place: () => Promise.resolve({ log: 'the log', seq: 7n }),
  eventsAfter() {
    throw new Error('expected the events not to be asked for')
  },
}
