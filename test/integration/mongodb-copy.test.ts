import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeOnMongoDb } from '../support/mongodb-server.js'
import type { MongoDbServer, MongoTestDatabase } from '../support/mongodb-server.js'
import { openStore } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { Historian, digests, openCopier } from './mongodb-fixture.js'

describeOnMongoDb('records in MongoDB', {}, (engine) => {
  let server: MongoDbServer
  let fixture: StoreFixture
  let mongo: MongoTestDatabase

  beforeAll(async () => {
    server = await engine.start()
    fixture = await openStore()
    mongo = await server.createDatabase()
  })
  afterAll(async () => {
    await mongo?.drop()
    await fixture?.close()
    await server?.stop()
  })

  it('are those of PostgreSQL', async () => {
    const historian = new Historian(fixture, 1)
    for (let index = 0; index < 20; index += 1) await historian.step()
    const copier = await openCopier(fixture, mongo.url)
    await copier.catchUp()
    const both = await digests(copier)
    console.log(
      both,
      await copier.place.read(),
      await copier.connection.records.find().limit(2).toArray(),
      await copier.connection.records.listIndexes().toArray(),
    )
    expect(both.mongodb).toEqual(both.postgres)
    for (let index = 0; index < 30; index += 1) {
      await historian.step()
      if (index % 3 === 0) await copier.catchUp()
    }
    await copier.catchUp()
    const after = await digests(copier)
    console.log(after, copier.carrier.written, copier.carrier.refused, copier.carrier.corrected)
    expect(after.mongodb).toEqual(after.postgres)
    await copier.close()
  })
})
