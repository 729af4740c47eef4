import { MongoClient, MongoServerError } from 'mongodb'
import { expect, it } from 'vitest'

import { createMongoDatabase, describeOnMongoDb } from '../support/mongodb-server.js'

describeOnMongoDb('a MongoDB-compatible server for the tests', { ownProcess: true }, (engine) => {
  it('keeps its data over a restart, answers nothing while it is frozen, and drops only what is its own', async () => {
    const server = await engine.start({ onDisk: true })
    const database = await server.createDatabase()
    const client = new MongoClient(database.url, { serverSelectionTimeoutMS: 20_000 })
    try {
      const items = client.db().collection<{ _id: string; n: number }>('items')
      await items.createIndex({ n: 1 }, { unique: true })
      await items.insertOne({ _id: 'a', n: 1 })
      await server.halt()
      await server.restart()
      expect(await items.findOne({ _id: 'a' })).toEqual({ _id: 'a', n: 1 })
      await expect(items.insertOne({ _id: 'b', n: 1 })).rejects.toSatisfy(
        (error) => error instanceof MongoServerError && error.code === 11000,
      )

      server.freeze()
      const answer = items.findOne({ _id: 'a' })
      const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, 'nothing'))])
      server.thaw()
      expect(first).toBe('nothing')
      expect(await answer).toEqual({ _id: 'a', n: 1 })

      await client.db().collection('tidemark_test_owner').deleteMany({})
      await expect(database.drop()).rejects.toThrow('own')
      const other = await createMongoDatabase(server.url)
      await other.drop()
    } finally {
      await client.close()
      await server.stop()
    }
  })
})
