import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'

import { makeIndexes } from '../../src/storage/mongodb/record-indexes.js'
import type { RecordSource } from '../../src/storage/mongodb/record-source.js'
import { LeapableClock } from '../support/leapable-clock.js'
import { longTimeoutMs, times } from '../support/long.js'
import { startCrashProxy } from '../support/mongodb-crash-proxy.js'
import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer, MongoTestDatabase } from '../support/mongodb-server.js'
import { until } from '../support/until.js'
import { openStore } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { Historian, digests, drawFrom, openCopier } from './mongodb-fixture.js'
import type { Copier, CopierOptions } from './mongodb-fixture.js'

describeOnMongoDb('records in MongoDB come to those of PostgreSQL', {}, (engine) => {
  let server: MongoDbServer
  let fixture: StoreFixture
  let mongo: MongoTestDatabase
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
    mongo = await server.createDatabase()
  })
  afterEach(async () => {
    for (const copier of copiers) await copier.close()
    await mongo.drop()
    await fixture.close()
  })

  async function open(options: CopierOptions = {}, url = mongo.url): Promise<Copier> {
    const copier = await openCopier(fixture, url, options)
    copiers.push(copier)
    return copier
  }

  async function expectEqual(copier: Copier): Promise<void> {
    const { mongodb, postgres } = await digests(copier)
    expect(mongodb).toEqual(postgres)
  }

  /** As if the whole log were still to be read, with nothing copied before. */
  async function replayFromStart(copier: Copier): Promise<void> {
    const { log } = await copier.source.place()
    await makeIndexes(copier.connection.records)
    await copier.place.begin(null, { target: 'replay', generation: 1n, log, seq: 0n, mark: null })
    const place = await copier.place.read()
    if (place === null) throw new Error('the place was stored')
    await copier.place.finish(place)
  }

  async function wipe(copier: Copier): Promise<void> {
    await copier.connection.records.drop()
    await copier.connection.places.drop()
  }

  it.each([['the log is read'], ['all records are copied']])(
    'when the process dies before or after any write while %s',
    async (what) => {
      const historian = new Historian(fixture, 7)
      for (let index = 0; index < times(14, 40); index += 1) await historian.step()
      const proxy = await startCrashProxy(mongo.url)
      const proxied = mongo.url.replace(/^(mongodb:\/\/[^:/]+):\d+/, `$1:${proxy.port}`)
      const survivor = await open()
      let crashes = 0
      try {
        for (let write = 1; ; write += 1) {
          if (what === 'the log is read') await replayFromStart(survivor)
          proxy.crashAt(write, write % 2 === 0 ? 'before' : 'after')
          const victim = await openCopier(fixture, proxied, { batchSize: 1 })
          const ended = await victim.catchUp().then(
            () => 'done',
            () => 'dead',
          )
          await victim.close()
          expect(ended).toBe(proxy.crashed ? 'dead' : 'done')
          // History goes on before somebody else takes over.
          if (write % 10 === 0) await historian.step()
          await survivor.catchUp()
          await expectEqual(survivor)
          if (!proxy.crashed) break
          crashes += 1
          await wipe(survivor)
        }
        expect(crashes).toBeGreaterThan(10)
      } finally {
        await proxy.close()
      }
    },
    longTimeoutMs,
  )

  it(
    'when two processes copy at once, each with delays of its own, while blocks come in',
    async () => {
      const draw = drawFrom(3)
      const delayed = (source: RecordSource): RecordSource => delayReadings(source, () => sleep(draw(12)))
      const historian = new Historian(fixture, 11)
      for (let index = 0; index < 20; index += 1) await historian.step()
      const consumers = [await open({ around: delayed }), await open({ around: delayed, batchSize: 2 })].map((copier) =>
        copier.consumer(),
      )
      for (const consumer of consumers) consumer.start()
      try {
        for (let index = 0; index < times(60, 600); index += 1) {
          await historian.step()
          for (const consumer of consumers) consumer.wake()
          await sleep(draw(10))
        }
        const reader = await open()
        const head = await reader.source.place()
        await until('all events are copied', async () => (await reader.place.read())?.seq === head.seq)
        expect((await reader.place.read())?.copying).toBe(null)
      } finally {
        for (const consumer of consumers) await consumer.close()
      }
      await expectEqual(await open())
    },
    longTimeoutMs,
  )

  it('when one was frozen after it read, and writes after a reorganisation that others have copied', async () => {
    const historian = new Historian(fixture, 1)
    await historian.block([1n, 1n])
    const gate = gateReadings()
    const frozen = await open({ around: gate.around })
    await frozen.catchUp()
    await historian.block([2n, 2n])
    gate.close()
    const late = frozen.catchUp()
    await gate.waiting()
    await historian.rollBack(1)
    const other = await open()
    await other.catchUp()
    await expectEqual(other)
    gate.open()
    await late
    expect(frozen.carrier.refused).toBeGreaterThan(0)
    await expectEqual(other)
    expect((await other.place.read())?.seq).toBe((await other.source.place()).seq)
  })

  it('when one was frozen while it copied what has been removed from history since', async () => {
    const historian = new Historian(fixture, 1)
    await historian.block([1n, 1n])
    await historian.block([2n, 1n])
    const clock = new LeapableClock()
    const gate = gateReadings()
    const frozen = await open({ around: gate.around, clock })
    await frozen.step()
    gate.close()
    const late = frozen.step()
    await gate.waiting()
    await historian.rollBack(2)
    const other = await open()
    await other.catchUp()
    // What a check of history removes is not known one by one: then nothing stands in the way of a late writer.
    await other.connection.records.deleteMany({ chainId: { $ne: '1' } })
    clock.leap(20_000)
    gate.open()
    await late
    await expectEqual(other)
  })

  it('when the chain goes back and comes again with the same blocks', async () => {
    const historian = new Historian(fixture, 1)
    const copier = await open()
    await historian.block([1n, 1n])
    await copier.catchUp()
    const { branch } = historian
    const hashes = async (): Promise<unknown> =>
      (await copier.connection.records.find({ chainId: '1', blockNumber: '11' }).toArray()).map((document) => document)
    await historian.block([5n, 5n])
    await copier.catchUp()
    const first = await hashes()
    await historian.rollBack(1)
    await copier.catchUp()
    expect(await hashes()).toEqual([])
    await expectEqual(copier)
    await historian.block([6n, 6n])
    await copier.catchUp()
    await expectEqual(copier)
    await historian.rollBack(1, branch)
    await historian.block([5n, 5n])
    await copier.catchUp()
    await expectEqual(copier)
    expect(withoutVersion(await hashes())).toEqual(withoutVersion(first))
  })

  it(
    'by whatever interleaving of history, steps of two processes, and replays',
    async () => {
      const draw = drawFrom(99)
      const historian = new Historian(fixture, 5)
      const two = [await open(), await open({ batchSize: 1 })] as const
      for (let index = 0; index < times(120, 3000); index += 1) {
        const lot = draw(10)
        if (lot < 4) await historian.step()
        else if (lot < 9) await two[draw(2)]?.step()
        else {
          const place = await two[0].place.read()
          const seq = place === null ? 0n : place.seq - BigInt(draw(20))
          if (seq > 0n) await two[0].connection.places.updateOne({}, { $set: { seq, mark: null } })
        }
      }
      await two[1].catchUp()
      await expectEqual(two[0])
    },
    longTimeoutMs,
  )
})

function withoutVersion(documents: unknown): unknown {
  return JSON.parse(
    JSON.stringify(documents, (field, value: unknown) =>
      field === 'version' ? undefined : typeof value === 'bigint' ? value.toString() : value,
    ),
  )
}

/** Waits after each reading of records, before anything is made of it. */
function delayReadings(source: RecordSource, wait: () => Promise<void>): RecordSource {
  const later = async <Reading>(reading: Promise<Reading>): Promise<Reading> => {
    const result = await reading
    await wait()
    return result
  }
  return {
    place: () => source.place(),
    eventsAfter: (...args) => source.eventsAfter(...args),
    recordsOf: (...args) => later(source.recordsOf(...args)),
    recordsWithin: (...args) => later(source.recordsWithin(...args)),
    recordsAfter: (...args) => later(source.recordsAfter(...args)),
    estimateRecords: () => source.estimateRecords(),
    renameLog: (...args) => source.renameLog(...args),
    lagAfter: (...args) => source.lagAfter(...args),
    register: (...args) => source.register(...args),
    isRegistered: (...args) => source.isRegistered(...args),
    forgetCopies: () => source.forgetCopies(),
  }
}

/** A process that can be stopped right after it has read. */
function gateReadings(): {
  readonly around: (source: RecordSource) => RecordSource
  close(): void
  open(): void
  waiting(): Promise<void>
} {
  let isClosed = false
  let release: () => void = () => undefined
  let isWaiting = false
  return {
    around: (source) =>
      delayReadings(source, async () => {
        if (!isClosed) return
        isWaiting = true
        await new Promise<void>((resolve) => (release = resolve))
      }),
    close: () => (isClosed = true),
    open() {
      isClosed = false
      release()
    },
    waiting: () => until('the process has read', () => isWaiting),
  }
}
