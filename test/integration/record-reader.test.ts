import { afterAll, afterEach, beforeAll, describe, it } from 'vitest'

import type { RecordReader } from '../../src/ledger/record-reader.js'
import type { Position } from '../../src/model/position.js'
import { PostgresRecordReader } from '../../src/storage/postgres/record-reader.js'
import { longTimeoutMs, seeds } from '../support/long.js'
import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer } from '../support/mongodb-server.js'
import { chainId, openStore, solver, token } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { openCopier } from './mongodb-fixture.js'
import { Chronicle } from './record-history-fixture.js'
import { compareAnswers, everythingOf, readerOf } from './record-reader-contract.js'

const positions: readonly Position[] = [
  { chainId, token: 'native', solver },
  { chainId, token, solver },
]

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

  keepContract(async (fixture) => {
    const database = await server.createDatabase()
    closing.push(() => database.drop())
    const copier = await openCopier(fixture, database.url, { batchSize: engine.batchSize })
    closing.push(() => copier.close())
    await copier.catchUp()
    return readerOf(fixture, copier)
  })
})

/** What every reader of records answers alike. */
function keepContract(openReader: OpenReader): void {
  it.each(seeds(1, 4, 60))(
    'answers every question about a random history as a plain look at all of it does (seed %i)',
    async (seed) => {
      const fixture = await openStore()
      closing.push(() => fixture.close())
      const chronicle = new Chronicle(fixture, seed)
      await chronicle.write(40)
      const reader = await openReader(fixture)
      await compareAnswers(reader, await everythingOf(fixture, positions), { positions, seed, questions: 20 })
    },
    longTimeoutMs,
  )
}
