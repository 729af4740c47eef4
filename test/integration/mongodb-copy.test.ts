import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { toChecksumAddress } from '../../src/model/address.js'
import { MongoDbForeignError } from '../../src/storage/mongodb/mongodb-errors.js'
import { PostgresSnapshotUpkeep } from '../../src/storage/postgres/snapshot-upkeep.js'
import { until } from '../support/until.js'
import { LeapableClock } from '../support/leapable-clock.js'
import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer, MongoTestDatabase } from '../support/mongodb-server.js'
import { chainId, openStore, solver, token } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { Historian, digests, openCopier } from './mongodb-fixture.js'
import type { Copier, CopierOptions } from './mongodb-fixture.js'

describeOnMongoDb('MongoDB', {}, (engine) => {
  let server: MongoDbServer
  let fixture: StoreFixture
  let historian: Historian
  let mongo: MongoTestDatabase
  /** As a user of the collection connects, without any option of ours. */
  let user: MongoClient
  let copiers: Copier[]

  beforeAll(async () => {
    server = await engine.start()
  })
  afterAll(async () => {
    await server.stop()
  })
  beforeEach(async () => {
    copiers = []
    fixture = await openStore()
    historian = new Historian(fixture, 7)
    mongo = await server.createDatabase()
    user = new MongoClient(mongo.url)
  })
  afterEach(async () => {
    for (const copier of copiers) await copier.close()
    await user.close()
    await mongo.drop()
    await fixture.close()
  })

  const open = async (options: CopierOptions = {}, from = fixture): Promise<Copier> => {
    const copier = await openCopier(from, mongo.url, options)
    copiers.push(copier)
    return copier
  }
  const records = () => user.db().collection('balancerecords')
  const expectEqual = async (copier: Copier): Promise<void> => {
    const { mongodb, postgres } = await digests(copier)
    expect(mongodb).toEqual(postgres)
  }
  /** A record with everything, at a block of the token's position. */
  const insertRecord = (block: bigint, balance: bigint, previous: bigint | null = null): Promise<unknown> =>
    fixture.database.query({
      name: 'test-record',
      text: `insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance,
               previous_balance, transaction_hashes, cause, unexplained, decimals, symbol, name)
             values ($1, $2, decode(repeat('ab', 32), 'hex'), to_timestamp(1700000000 + $2::bigint), $3::numeric,
               $4::numeric, case when $4::numeric is null then '{}'::bytea[]
               else array[decode(repeat('cd', 32), 'hex')] end,
               case when $4::numeric is null then null else 'transfer' end, 0, 6, 'USDC', 'USD Coin')`,
      values: [fixture.erc20, block, balance.toString(), previous?.toString() ?? null],
    })

  describe('holds records', () => {
    it('with the documented fields, in their documented types', async () => {
      await insertRecord(5n, 1n)
      await insertRecord(6n, 2n ** 255n + 1n, 1n)
      await (await open()).catchUp()
      const [first, second] = await records().find({ chainId: '1' }).sort({ timestamp: 1 }).toArray()
      const documented = {
        chainId: '1',
        tokenAddress: toChecksumAddress(token),
        solverAddress: toChecksumAddress(solver),
        blockHash: `0x${'ab'.repeat(32)}`,
        decimals: 6,
        tokenSymbol: 'USDC',
        tokenName: 'USD Coin',
      }
      expect(first).toMatchObject({
        ...documented,
        balance: '1',
        blockNumber: '5',
        timestamp: new Date(1_700_000_005_000),
      })
      expect(Object.keys(first ?? {})).not.toContain('transactionHash')
      expect(second).toMatchObject({
        ...documented,
        balance: (2n ** 255n + 1n).toString(),
        blockNumber: '6',
        timestamp: new Date(1_700_000_006_000),
        transactionHash: `0x${'cd'.repeat(32)}`,
      })
      expect(second?.['timestamp']).toBeInstanceOf(Date)
    })

    it('of the native currency by its name, and without what is not known of it', async () => {
      await historian.block([7n, 0n])
      await (await open()).catchUp()
      await fixture.database.query({ name: 'test-plain', text: 'update tidemark.balance_record set name = null' })
      await records().drop()
      await user.db().collection('tidemark_place').drop()
      await (await open()).catchUp()
      const native = await records().findOne({ chainId: '1', tokenAddress: 'native' })
      expect(native).toMatchObject({ balance: '7', decimals: 18, tokenSymbol: 'ETH' })
      expect(Object.keys(native ?? {})).not.toContain('tokenName')
    })

    it('in the order of their blocks, beyond 9,999,999 too', async () => {
      for (const block of [10_000_000n, 9_999_999n, 10_000_001n, 999n]) await insertRecord(block, block)
      await (await open()).catchUp()
      const sorted = await records()
        .find({ chainId: '1', solverAddress: /^0xa1a1/i })
        .sort({ block: -1 })
        .toArray()
      expect(sorted.map((document) => document['blockNumber'])).toEqual(['10000001', '10000000', '9999999', '999'])
    })

    it('not under their chain once they are taken back, and neither by any other of their fields', async () => {
      await historian.block([1n, 1n])
      const copier = await open()
      await copier.catchUp()
      await historian.block([2n ** 200n, 1n])
      const { hash, number } = historian.cursor
      await copier.catchUp()
      expect(await records().countDocuments({ blockHash: hash })).toBe(1)
      await historian.rollBack(1)
      await copier.catchUp()
      for (const query of [
        { chainId: '1', blockNumber: number.toString() },
        { blockNumber: number.toString() },
        { blockHash: hash },
        { balance: (2n ** 200n).toString() },
        { timestamp: { $gt: new Date(1_700_000_000_000 + Number(number) * 12_000 - 1) } },
        { block: { $gte: Number(number) } },
      ]) {
        expect(await records().countDocuments(query), JSON.stringify(query)).toBe(0)
      }
      await expectEqual(copier)
    })
  })

  describe('keeps records found:', () => {
    const indexes = async (): Promise<readonly (readonly [string, boolean])[]> =>
      (await records().listIndexes().toArray()).map((index: { key: object; unique?: boolean }) => [
        JSON.stringify(index.key),
        index.unique === true,
      ])

    it('chain, token, solver and block, which lets nobody make a second record', async () => {
      await insertRecord(5n, 1n)
      await (await open()).catchUp()
      expect(await indexes()).toContainEqual([
        JSON.stringify({ chainId: 1, tokenAddress: 1, solverAddress: 1, blockNumber: 1 }),
        true,
      ])
      const { _id, ...twin } = (await records().findOne({ chainId: '1' })) ?? { _id: null }
      expect(_id).not.toBe(null)
      await expect(records().insertOne({ ...twin })).rejects.toMatchObject({ code: 11_000 })
      await records().insertOne({ ...twin, blockNumber: '6' })
    })

    it.each([
      ['chain, token and solver', { chainId: 1, tokenAddress: 1, solverAddress: 1 }],
      ['time, newest first', { timestamp: -1 }],
      ['block, newest first', { blockNumber: -1 }],
    ])('has the index %s', async (_title, key) => {
      await (await open()).catchUp()
      expect(await indexes()).toContainEqual([JSON.stringify(key), false])
    })

    it('also where somebody has made it before, under another name', async () => {
      await records().createIndex({ timestamp: -1 }, { name: 'by_time' })
      await (await open()).catchUp()
      const names = (await records().listIndexes().toArray()).map((index) => index['name'])
      expect(names).toContain('by_time')
      expect(names).not.toContain('timestamp_-1')
    })
  })

  describe('gets what was there before', () => {
    it('while blocks come in, and from where another process has stopped', async () => {
      for (let index = 0; index < 30; index += 1) await historian.step()
      const first = await open({ batchSize: 1 })
      await first.step()
      await first.step()
      await historian.step()
      await first.step()
      const before = await first.place.read()
      expect(before?.copying?.copied).toBe(2n)
      const second = await open({ batchSize: 1 })
      await second.step()
      const after = await second.place.read()
      expect(after).toMatchObject({ generation: before?.generation, target: before?.target })
      expect(after?.copying?.copied).toBe(3n)
      for (let index = 0; index < 10; index += 1) {
        await historian.step()
        await second.step()
      }
      await second.catchUp()
      expect((await second.place.read())?.copying).toBe(null)
      await expectEqual(second)
    })

    it('again when its database was emptied', async () => {
      for (let index = 0; index < 10; index += 1) await historian.step()
      const copier = await open()
      await copier.catchUp()
      await user.db().dropDatabase()
      await historian.step()
      await copier.catchUp()
      await expectEqual(copier)
      // The test's own mark is gone as well.
      mongo = await server.createDatabase()
    })

    it('again when the collection was dropped, and when only the place of the copy is gone', async () => {
      for (let index = 0; index < 10; index += 1) await historian.step()
      const clock = new LeapableClock()
      const copier = await open({ clock })
      await copier.catchUp()
      await records().drop()
      clock.leap(60_001)
      await copier.catchUp()
      await expectEqual(copier)

      const before = await copier.place.read()
      await user.db().collection('tidemark_place').drop()
      await fixture.database.query({
        name: 'test-behind-the-back',
        text: `delete from tidemark.balance_record where block_number = (select max(block_number) from tidemark.balance_record)`,
      })
      await copier.catchUp()
      const after = await copier.place.read()
      expect(after?.generation).toBeGreaterThan(before?.generation ?? 0n)
      await expectEqual(copier)
    })

    it('again when events were deleted before they were read', async () => {
      const copier = await open()
      await historian.block([1n, 1n])
      await copier.catchUp()
      const before = await copier.place.read()
      await historian.block([2n, 2n])
      await historian.block([3n, 3n])
      await fixture.database.query({
        name: 'test-expire',
        text: 'delete from tidemark.event where seq <= $1',
        values: [(before?.seq ?? 0n) + 1n],
      })
      await copier.catchUp()
      expect((await copier.place.read())?.generation).toBe((before?.generation ?? 0n) + 1n)
      await expectEqual(copier)
    })

    it('and retention leaves in the log what it has not got yet', async () => {
      const clock = new LeapableClock()
      const copier = await open({ clock })
      for (let index = 0; index < 8; index += 1) await historian.step()
      await copier.catchUp()
      const place = await copier.place.read()
      for (let index = 0; index < 8; index += 1) await historian.step()
      const upkeep = new PostgresSnapshotUpkeep(fixture.database)
      await upkeep.pruneEvents(0, 1000)
      const head = await fixture.log.head()
      expect(head.oldestSeq).toBe((place?.seq ?? 0n) + 1n)
      clock.leap(6000)
      await copier.catchUp()
      expect((await copier.place.read())?.generation).toBe(place?.generation)
      await expectEqual(copier)
      clock.leap(6000)
      await copier.step()
      await upkeep.pruneEvents(0, 1000)
      expect((await fixture.log.head()).oldestSeq).toBe(head.seq + 1n)
      await copier.source.forgetCopies()
      expect(await copier.source.isRegistered(place?.target ?? '')).toBe(false)
    })
  })

  describe('is never given records of two databases', () => {
    it('and what it has of another one is no sign of keeping up', async () => {
      for (let index = 0; index < 5; index += 1) await historian.block()
      const copier = await open()
      await copier.catchUp()
      const other = await openStore()
      // Databases of the tests are copies of one, and so are their logs.
      await other.log.rename((await other.log.head()).log, null)
      await new Historian(other, 2).block([5n, 5n])
      try {
        const intruder = await open({}, other)
        const { seq } = await intruder.source.place()
        expect(seq).toBeGreaterThan(0n)
        const consumer = intruder.consumer()
        consumer.start()
        await until('it is refused', async () => consumer.status.state === 'failing')
        expect(await consumer.lag()).toMatchObject({ events: seq })
        await consumer.close()
      } finally {
        await other.close()
      }
    })

    it('but refuses another one, and changes nothing', async () => {
      await historian.block([1n, 1n])
      const copier = await open()
      await copier.catchUp()
      const before = await digests(copier)
      const other = await openStore()
      // Databases of the tests are copies of one, and so are their logs.
      const own = await other.log.head()
      await other.log.rename(own.log, null)
      try {
        await new Historian(other, 2).block([5n, 5n])
        const stranger = await open({}, other)
        await expect(stranger.catchUp()).rejects.toThrow(MongoDbForeignError)
        await expect(stranger.catchUp()).rejects.toThrow('the records of another one')
      } finally {
        await other.close()
      }
      expect((await digests(copier)).mongodb).toEqual(before.mongodb)
      await historian.block([2n, 2n])
      await copier.catchUp()
      await expectEqual(copier)
    })

    it('but starts anew when its own one was restored and goes on differently', async () => {
      await historian.block([1n, 1n])
      await historian.block([2n, 2n])
      const copier = await open()
      await copier.catchUp()
      const before = await copier.place.read()
      await restoreTo(fixture, 2n)
      await copier.catchUp()
      const after = await copier.place.read()
      expect(after?.log).not.toBe(before?.log)
      await expectEqual(copier)
    })

    it('also when as many other events have come since', async () => {
      await historian.block([1n, 1n])
      const copier = await open()
      await copier.catchUp()
      await historian.block([2n, 2n])
      await copier.catchUp()
      const before = await copier.place.read()
      expect(before?.mark).not.toBe(null)
      await restoreTo(fixture, 2n)
      await fixture.database.query({
        name: 'test-other-events',
        text: `with counted as (update tidemark.event_log set seq = seq + 10)
               insert into tidemark.event (seq, type, payload)
               select 2 + n, 'watch-list.changed', '{"reason":"other"}' from generate_series(1, 10) as n`,
      })
      await copier.catchUp()
      expect((await copier.place.read())?.log).not.toBe(before?.log)
      await expectEqual(copier)
    })

    it('and leaves alone what somebody else wrote in the place of a record', async () => {
      await insertRecord(5n, 1n)
      await records().insertOne({
        chainId: '1',
        tokenAddress: toChecksumAddress(token),
        solverAddress: toChecksumAddress(solver),
        blockNumber: '5',
        balance: 'theirs',
      })
      const copier = await open()
      await expect(copier.catchUp()).rejects.toThrow(MongoDbForeignError)
      expect(await records().countDocuments({ balance: 'theirs' })).toBe(1)
      await records().deleteOne({ balance: 'theirs' })
      await copier.catchUp()
      await expectEqual(copier)
    })
  })

  it.each([
    ['no version', { $unset: { version: '' } }],
    ['a text as version', { $set: { version: 'mine' } }],
    ['a number as version', { $set: { version: 1e18 } }],
  ])('is put right and copied to on, when somebody gave a document %s', async (_title, change) => {
    await insertRecord(5n, 1n)
    const clock = new LeapableClock()
    const copier = await open({ clock })
    await copier.catchUp()
    const before = await records().findOne({ chainId: '1' })
    const spoil = (): Promise<unknown> => records().updateOne({ chainId: '1' }, change)
    await spoil()
    clock.leap(5001)
    await copier.catchUp()
    expect(await records().findOne({ chainId: '1' })).toEqual(before)
    expect(copier.carrier.corrected).toBe(1)

    await spoil()
    const place = await copier.place.read()
    if (place === null) throw new Error('expected the place of the copy')
    await fixture.database.query({ name: 'test-change', text: 'update tidemark.balance_record set balance = 2' })
    await copier.carrier.carryKeys(place, [{ position: { chainId, token, solver }, blockNumber: 5n }])
    await expectEqual(copier)
  })

  it('is copied to although somebody left documents that look like records of blocks that no chain has', async () => {
    await insertRecord(5n, 1n)
    const forged = [
      `${chainId}:native:${solver}:${'9'.repeat(19)}`,
      `${'9'.repeat(19)}:native:${solver}:${'7'.padStart(19, '0')}`,
    ]
    await user
      .db()
      .collection<{ _id: string; version: number }>('balancerecords')
      .insertMany(forged.map((_id, index) => ({ _id, chainId: `theirs ${index}`, version: 0 })))
    const clock = new LeapableClock()
    const copier = await open({ clock })
    await copier.catchUp()
    for (let round = 0; round < 10; round += 1) {
      clock.leap(5001)
      await copier.catchUp()
    }
    expect(await records().countDocuments({ chainId: /^theirs/ })).toBe(2)
  })

  it('is looked through from time to time, and what somebody changed, added or deleted is put right', async () => {
    for (let index = 0; index < 25; index += 1) await historian.step()
    await historian.block([3n, 4n])
    const clock = new LeapableClock()
    const copier = await open({ clock })
    await copier.catchUp()
    const [copied] = await records().find({ chainId: '1' }).limit(1).toArray()
    const { _id, ...fields } = copied ?? { _id: null }
    const forged = `${chainId}:${token}:${solver}:${'7'.padStart(19, '0')}`
    await user
      .db()
      .collection<{ _id: string; blockNumber: string }>('balancerecords')
      .insertOne({ ...fields, _id: forged, blockNumber: '7' })
    const others = records().find({ chainId: '1', blockNumber: { $ne: '7' } })
    const [changed, deleted] = await others.limit(2).toArray()
    expect(await records().updateOne({ ...changed }, { $set: { balance: '666' } })).toMatchObject({ modifiedCount: 1 })
    expect(await records().deleteOne({ blockHash: deleted?.['blockHash'], chainId: '1' })).toMatchObject({
      deletedCount: 1,
    })
    for (let round = 0; round < 40; round += 1) {
      clock.leap(5001)
      await copier.catchUp()
    }
    await expectEqual(copier)
    expect(copier.carrier.corrected).toBe(3)
  })
})

/** What a restore from a backup does: rows are as they were when the log had come to `seq`. */
async function restoreTo({ database }: StoreFixture, seq: bigint): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.query({
      name: 'test-restore-events',
      text: 'delete from tidemark.event where seq > $1',
      values: [seq],
    })
    await transaction.query({
      name: 'test-restore-log',
      text: 'update tidemark.event_log set seq = $1',
      values: [seq],
    })
    await transaction.query({
      name: 'test-restore-records',
      text: `delete from tidemark.balance_record
             where block_number = (select max(block_number) from tidemark.balance_record)`,
    })
  })
}
