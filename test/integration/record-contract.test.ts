import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import type { RecordReader } from '../../src/ledger/record-reader.js'
import { toChecksumAddress } from '../../src/model/address.js'
import { RetryableError } from '../../src/model/errors.js'
import type { BlockHeader } from '../../src/model/block.js'
import type { BalanceStats } from '../../src/model/balance-statistics.js'
import type { Position } from '../../src/model/position.js'
import { MongoDbBehindError } from '../../src/storage/mongodb/copy-watch.js'
import { MongoDbUnavailableError } from '../../src/storage/mongodb/mongodb-errors.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { longTimeoutMs, seeds, times } from '../support/long.js'
import { until } from '../support/until.js'
import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer } from '../support/mongodb-server.js'
import {
  blockCommit,
  chainId,
  header,
  historyCommit,
  openStore,
  record,
  row,
  solver,
  token,
} from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { openCopier } from './mongodb-fixture.js'
import type { Copier } from './mongodb-fixture.js'
import { Chronicle } from './record-history-fixture.js'
import { collect, compareAnswers, everythingOf, pagesOf, readerOf } from './record-reader-contract.js'

const native: Position = { chainId, token: 'native', solver }
const erc20: Position = { chainId, token, solver }
const positions = [native, erc20]

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Opens a reader of what a store's ledger holds by now. */
type OpenReader = (fixture: StoreFixture) => Promise<RecordReader>

describe('records read from PostgreSQL', () => {
  keepContract((fixture) => Promise.resolve(new PostgresRecordReader(fixture.database)))
})

describeOnMongoDb('records read from MongoDB', {}, (engine) => {
  let server: MongoDbServer

  beforeAll(async () => {
    server = await engine.start()
  })

  afterAll(() => server.stop())

  async function copierOf(fixture: StoreFixture): Promise<Copier> {
    const database = await server.createDatabase()
    closing.push(() => database.drop())
    const copier = await openCopier(fixture, database.url, { batchSize: engine.batchSize })
    closing.push(() => copier.close())
    await copier.catchUp()
    return copier
  }

  keepContract(async (fixture) => readerOf(fixture, await copierOf(fixture)))

  it('waits for what is committed and not copied yet, and asks nobody to wait for the records of others', async () => {
    const fixture = await store()
    const first = await nextBlock(fixture, header(9n), { native: 5n, erc20: 7n })
    const copier = await copierOf(fixture)
    const reader = readerOf(fixture, copier)
    const second = await nextBlock(fixture, first, { native: 6n })

    expect((await reader.history({ position: erc20, limit: 5 }))?.items.map(({ balance }) => balance)).toEqual([7n])
    const waiting = reader.history({ position: native, limit: 5 })
    const early = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 200, 'nothing yet'))])
    expect(early).toBe('nothing yet')
    await copier.catchUp()
    expect((await waiting)?.items.map(({ balance }) => balance)).toEqual([6n, 5n])

    await nextBlock(fixture, second, { native: 8n })
    await Promise.all([
      expect(reader.stats({ position: native })).rejects.toBeInstanceOf(MongoDbBehindError),
      expect(reader.balancesAt({ time: new Date(), limit: 5 })).rejects.toMatchObject({ retryable: true }),
    ])
    expect(await reader.stats({ position: erc20 })).toMatchObject({ latestBalance: 7n })
  })

  it('passes over what somebody else wrote of the same position', async () => {
    const fixture = await store()
    await nextBlock(fixture, header(9n), { native: 5n })
    const copier = await copierOf(fixture)
    const reader = readerOf(fixture, copier)
    const answers = async (): Promise<unknown> => [
      await reader.history({ position: native, limit: 5 }),
      await reader.stats({ position: native }),
      await reader.series({ position: native, points: 5 }),
      await reader.balanceAt(native, { block: 5n }),
    ]
    const before = await answers()
    await copier.connection.database.collection('balancerecords').insertOne({
      chainId: chainId.toString(),
      tokenAddress: 'native',
      solverAddress: toChecksumAddress(solver),
      blockNumber: '4',
      block: 4n,
      timestamp: new Date(0),
      balance: '3',
    })
    expect(await answers()).toEqual(before)
  })

  it('is refused until all is copied again when MongoDB was emptied', async () => {
    const fixture = await store()
    await nextBlock(fixture, header(9n), { native: 5n })
    const copier = await copierOf(fixture)
    const reader = readerOf(fixture, copier)
    await copier.connection.places.deleteMany({})
    await copier.connection.records.deleteMany({})
    await expect(reader.history({ position: native, limit: 5 })).rejects.toBeInstanceOf(MongoDbBehindError)
    await copier.catchUp()
    expect((await reader.history({ position: native, limit: 5 }))?.items.map(({ balance }) => balance)).toEqual([5n])
  })

  it('never ends a long history early when MongoDB is emptied while it is read', async () => {
    const fixture = await store()
    let last = header(9n)
    for (let count = 0; count < 20; count += 1) last = await nextBlock(fixture, last, { native: BigInt(count) })
    const copier = await copierOf(fixture)
    const reading = async (): Promise<number> => {
      let records = 0
      for await (const _record of readerOf(fixture, copier).streamHistory({ position: native })) {
        records += 1
        if (records > 1) continue
        await copier.connection.places.deleteMany({})
        await copier.connection.records.deleteMany({})
      }
      return records
    }
    await expect(reading()).rejects.toBeInstanceOf(MongoDbBehindError)
    await copier.catchUp()
    expect(await collect(readerOf(fixture, copier).streamHistory({ position: native }))).toHaveLength(20)
  })

  it('counts blocks whose history is filled in but not announced yet as unseen, as their records are not copied', async () => {
    const fixture = await store()
    const blocks = [await nextBlock(fixture, header(9n), { native: 5n })]
    for (let count = 0; count < 5; count += 1) {
      blocks.push(await nextBlock(fixture, blocks.at(-1) ?? header(9n), {}))
    }
    const copier = await copierOf(fixture)
    const reader = readerOf(fixture, copier)
    const [, from, middle, to] = blocks
    if (from === undefined || middle === undefined || to === undefined) throw new Error('expected blocks')
    await fixture.database.query({ name: 'final', text: 'update tidemark.chain set finalized_number = 15', values: [] })
    await fixture.store.commitHistoryPieces(chainId, [
      historyCommit(fixture.native, from.number, to, {
        records: [row(fixture.native, middle, 9n, 5n), row(fixture.native, to, 5n, 9n)],
        reason: 'verify',
      }),
    ])
    expect((await pagesOf(reader, { position: native, limit: 5 }))?.map(({ balance }) => balance)).toEqual([5n])
    const certainties = await Promise.all(
      blocks.map(async ({ number }) => (await reader.balanceAt(native, { block: number }))?.certainty),
    )
    expect(certainties).toEqual(['exact', 'unseen', 'unseen', 'unseen', 'exact', 'exact'])
    expect(await reader.stats({ position: native })).toMatchObject({ inflow: 0n, averageBalance: null })

    await fixture.store.announceHistory(chainId)
    await copier.catchUp()
    const naive = await everythingOf(fixture, positions)
    await compareAnswers(reader, naive, { positions: [native], seed: 1, questions: 5 })
    expect(await reader.stats({ position: native })).toMatchObject({ inflow: 4n, outflow: 4n })
  })

  it(
    'answers as PostgreSQL did at some moment while blocks come, reorganisations undo them, and history is rewritten',
    async () => {
      const fixture = await store()
      const chronicle = new Chronicle(fixture, 77)
      await chronicle.write(20)
      const copier = await copierOf(fixture)
      const reader = readerOf(fixture, copier)
      const postgres = new PostgresRecordReader(fixture.database)
      const consumer = copier.consumer()
      consumer.start()
      closing.push(() => consumer.close())
      const seen = new Set<string>([await answerOf(postgres)])
      let isWriting = true
      const answers: string[] = []
      const reading = (async () => {
        while (isWriting) {
          // History that is rewritten faster than it can be read is told to be busy.
          const answer = await answerOf(reader).catch((error: unknown) => {
            if (error instanceof RetryableError) return null
            throw error
          })
          if (answer !== null) answers.push(answer)
        }
      })()
      for (let count = 0; count < times(24, 400); count += 1) {
        await chronicle.write(0)
        seen.add(await answerOf(postgres))
        await chronicle.rollBack(1)
        seen.add(await answerOf(postgres))
        consumer.wake()
        const before = answers.length
        if (count % 3 === 0) await until('there is another answer', () => answers.length > before)
      }
      isWriting = false
      await reading
      expect(answers.length).toBeGreaterThan(5)
      expect(answers.filter((answer) => !seen.has(answer))).toEqual([])
      expect(await answerOf(reader)).toBe(await answerOf(postgres))
    },
    longTimeoutMs,
  )
})

describeOnMongoDb('records read from a MongoDB that freezes', { ownProcess: true }, (engine) => {
  it('are a failure that may pass, within seconds, while it is frozen, and are read again when it is not', async () => {
    const server = await engine.start()
    closing.push(() => server.stop())
    const fixture = await store()
    await nextBlock(fixture, header(9n), { native: 5n })
    const database = await server.createDatabase()
    const copier = await openCopier(fixture, database.url, { batchSize: engine.batchSize })
    closing.push(() => copier.close())
    await copier.catchUp()
    const reader = readerOf(fixture, copier)
    const ask = async (): Promise<readonly bigint[]> =>
      (await pagesOf(reader, { position: native, limit: 5 }))?.map(({ balance }) => balance) ?? []
    expect(await ask()).toEqual([5n])

    server.freeze()
    const startedAt = performance.now()
    await expect(ask()).rejects.toBeInstanceOf(MongoDbUnavailableError)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    server.thaw()
    expect(await ask()).toEqual([5n])
  })
})

/** What every reader of records answers alike. */
function keepContract(openReader: OpenReader): void {
  it.each(seeds(1, 1, 12))(
    'answers every question about a random history as a plain look at all of it does (seed %i)',
    async (seed) => {
      const fixture = await store()
      const chronicle = new Chronicle(fixture, seed)
      await chronicle.write(40)
      const reader = await openReader(fixture)
      await compareAnswers(reader, await everythingOf(fixture, positions), { positions, seed, questions: times(7, 20) })
    },
    longTimeoutMs,
  )

  it('has nothing of a position that was never watched, and nothing from before anything was known', async () => {
    const fixture = await store()
    const nobody: Position = { chainId, token: 'native', solver: `0x${'ee'.repeat(20)}` }
    const empty = await openReader(fixture)
    expect(await empty.history({ position: native, limit: 5 })).toEqual({ items: [], nextCursor: null })
    expect(await empty.stats({ position: native })).toMatchObject({ totalRecords: 0, latestBalance: null })
    expect(await empty.balancesAt({ time: new Date(), limit: 5 })).toEqual({ items: [], nextCursor: null })

    const block = await nextBlock(fixture, header(9n), { native: 5n })
    const reader = await openReader(fixture)
    expect(await reader.history({ position: nobody, limit: 5 })).toBeNull()
    expect(await collect(reader.streamHistory({ position: nobody }))).toEqual([])
    expect(await reader.balanceAt(nobody, { block: 9n })).toBeNull()
    expect(await reader.stats({ position: nobody })).toBeNull()
    expect(await reader.series({ position: nobody, points: 5 })).toBeNull()
    expect(await reader.balanceAt(native, { block: 9n })).toBeNull()
    expect(await reader.balanceAt(native, { block: block.number })).toMatchObject({ balance: 5n })
    expect(await reader.balancesAt({ time: new Date(0), limit: 5 })).toEqual({ items: [], nextCursor: null })
  })

  it('keeps the order of blocks from 9,999,999 to 10,000,000, and amounts beyond 64 bits to the last digit', async () => {
    const fixture = await store()
    const blocks = [9_999_998n, 9_999_999n, 10_000_000n, 10_000_001n].map((number) => header(number))
    await fixture.store.commitGap({
      chainId,
      cursor: header(9n),
      headers: blocks.slice(0, 1),
      reason: 'the chain was not followed',
    })
    const amounts = [2n ** 63n, 2n ** 64n + 1n, 10n ** 77n + 7n]
    for (const [index, balance] of amounts.entries()) {
      const [parent, next] = [blocks[index], blocks[index + 1]]
      if (parent === undefined || next === undefined) throw new Error('expected two blocks')
      await nextBlock(fixture, parent, { native: balance }, next)
    }
    const reader = await openReader(fixture)
    expect((await pagesOf(reader, { position: native, limit: 1 }))?.map(({ balance }) => balance)).toEqual(
      amounts.toReversed(),
    )
    expect(await reader.balanceAt(native, { block: 9_999_999n })).toMatchObject({ balance: amounts[0] })
    expect(await reader.balanceAt(native, { block: 10_000_000n })).toMatchObject({ balance: amounts[1] })
    const stats = await reader.stats({ position: native })
    expect(stats).toMatchObject({ latestBalance: amounts[2], minBalance: amounts[0], maxBalance: amounts[2] })
    await compareAnswers(reader, await everythingOf(fixture, [native]), { positions: [native], seed: 9, questions: 10 })
  })

  it(
    'hands out a long history record by record, newest first, each once',
    async () => {
      const fixture = await store()
      await fixture.database.query({
        name: 'many-records',
        text: `
        insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, previous_balance,
          transaction_hashes, unexplained)
        select $1, number, decode(lpad(to_hex(number), 64, '0'), 'hex'), to_timestamp(1500000000 + number),
          number % 7, (number - 1) % 7, '{}', 0
        from generate_series(1, $2::bigint) as number`,
        values: [fixture.native, STREAMED],
      })
      await nextBlock(fixture, header(9n), {}, { ...header(STREAMED + 1n), parentHash: header(9n).hash })
      const reader = await openReader(fixture)
      let expected = STREAMED
      for await (const { blockNumber, balance } of reader.streamHistory({ position: native })) {
        if (blockNumber !== expected || balance !== blockNumber % 7n) {
          throw new Error(`expected block ${expected}, got ${blockNumber} with a balance of ${balance}`)
        }
        expected -= 1n
      }
      expect(expected).toBe(0n)
      const naive = await everythingOf(fixture, [native])
      expect(await reader.stats({ position: native })).toEqual(naive.stats({ position: native }))
      expect(await reader.series({ position: native, points: 500 })).toEqual(
        naive.series({ position: native, points: 500 }),
      )
    },
    longTimeoutMs,
  )
}

const STREAMED = 100n

async function store(): Promise<StoreFixture> {
  const fixture = await openStore()
  closing.push(() => fixture.close())
  return fixture
}

/** Commits a block in which positions get these balances. */
async function nextBlock(
  fixture: StoreFixture,
  parent: BlockHeader,
  balances: { readonly native?: bigint; readonly erc20?: bigint },
  next: BlockHeader = header(parent.number + 1n),
): Promise<BlockHeader> {
  const stored = await fixture.store.loadPositions(chainId)
  const changes = stored.flatMap(({ id, token: of, lastBalance, fresh }) => {
    const balance = of === 'native' ? balances.native : balances.erc20
    return balance === undefined
      ? []
      : [{ position: { chainId, token: of, solver }, id, balance, before: fresh ? null : lastBalance }]
  })
  await fixture.store.commitBlock(
    blockCommit(parent, next, {
      records: changes.map(({ id, balance, before }) => record(id, balance, before)),
      opened: changes.filter(({ before }) => before === null).map(({ id }) => id),
      events: changes.map(({ position, balance, before }) => {
        const data = {
          chainId,
          tokenAddress: position.token,
          solverAddress: solver,
          blockNumber: next.number,
          blockHash: next.hash,
          timestamp: new Date(next.timestampSeconds * 1000),
        }
        if (before === null) {
          return { type: 'position.started', data: { ...data, balance, decimals: null, symbol: null, name: null } }
        }
        return {
          type: 'balance.updated',
          data: {
            ...data,
            previousBalance: before,
            newBalance: balance,
            changeAmount: balance - before,
            transactionHashes: [],
            cause: 'unknown',
            unexplained: balance - before,
          },
        }
      }),
    }),
  )
  return next
}

/** Statistics as a text, less what moves with each block. */
async function answerOf(reader: RecordReader): Promise<string> {
  const stats: BalanceStats | null = await reader.stats({ position: native })
  return JSON.stringify(stats, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}
