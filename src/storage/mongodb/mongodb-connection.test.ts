import { describe, expect, it } from 'vitest'

import { ConfigurationError } from '../../model/errors.js'
import { silentLogger } from '../../model/logger.js'
import { databaseNameOf, openMongoDb } from './mongodb-connection.js'

describe('the database of a MongoDB address', () => {
  it.each([
    ['mongodb://a', 'tidemark'],
    ['mongodb://a/', 'tidemark'],
    ['mongodb://a:1,b:2/books', 'books'],
    ['mongodb://u:p%2Fw@a/books?replicaSet=x', 'books'],
    ['mongodb+srv://u:p@a.example?w=1', 'tidemark'],
    ['mongodb://a/?w=1', 'tidemark'],
    ['mongodb://a/b%20c', 'b c'],
  ])('%s is %s', (url, name) => {
    expect(databaseNameOf(url)).toBe(name)
  })
})

describe('a MongoDB address', () => {
  it.each([
    'mongodb://operator:SECRET@a:99999/x',
    'mongodb://operator:SECRET@a/x?secretOption=HIDDEN',
    'mongodb://operator:SECRET@a,b/x?directConnection=true&appName=HIDDEN',
    'mongodb://operator:SE%CRET@a/x',
  ])('that the driver refuses is a wrong setting, told without what is secret in it: %s', async (url) => {
    const failure = await openMongoDb({ url }, silentLogger).then(
      () => null,
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(ConfigurationError)
    expect(String(failure)).toMatch(/^ConfigurationError: MONGODB_URL: expected a MongoDB connection string, got: /)
    expect(JSON.stringify([String(failure), failure])).not.toMatch(/SECRET|SE%CRET|HIDDEN|operator/)
  })

  it.each(['mongodb://operator:SECRET@a/x?w=0', 'mongodb://operator:SECRET@a/x?W=0'])(
    'that lets nobody acknowledge what is written is a wrong setting: %s',
    async (url) => {
      await expect(openMongoDb({ url }, silentLogger)).rejects.toMatchObject({
        code: 'configuration',
        message: 'MONGODB_URL: expected writes that MongoDB acknowledges, got w=0',
      })
    },
  )

  it('sets what it sets, and the rest is bounded by us', async () => {
    const connection = await openMongoDb({ url: 'mongodb://a/x?maxPoolSize=3&sockettimeoutms=7&w=1' }, silentLogger)
    const { options } = connection.database.client
    expect(options).toMatchObject({ maxPoolSize: 3, socketTimeoutMS: 7, serverSelectionTimeoutMS: 5000 })
    expect(options.writeConcern?.w).toBe(1)
    const plain = await openMongoDb({ url: 'mongodb://a' }, silentLogger)
    expect(plain.database.client.options).toMatchObject({ maxPoolSize: 10, socketTimeoutMS: 15_000 })
    expect(plain.database.client.options.writeConcern?.w).toBe('majority')
    await connection.close()
    await plain.close()
  })
})
