import type { Collection } from 'mongodb'

import { silentLogger } from '../src/model/logger.js'
import { CopyPlace } from '../src/storage/mongodb/copy-place.js'
import { CopyWatch } from '../src/storage/mongodb/copy-watch.js'
import { openMongoDb } from '../src/storage/mongodb/mongodb-connection.js'
import { toDocument, versionOf } from '../src/storage/mongodb/record-document.js'
import type { StoredDocument } from '../src/storage/mongodb/record-document.js'
import { makeIndexes } from '../src/storage/mongodb/record-indexes.js'
import { RecordQueries } from '../src/storage/mongodb/record-queries.js'
import { MongoDbRecordReader } from '../src/storage/mongodb/record-reader.js'
import type { RecordPlace, RecordSource } from '../src/storage/mongodb/record-source.js'
import { localEngine } from '../test/servers/mongodb.js'
import { whyMissing } from '../test/servers/server-builds.js'
import { timed } from './depth-ground.js'
import { measureReads } from './records.js'
import type { ReadRow } from './records.js'
import { POSITIONS, layRecordsGround } from './records-ground.js'

/** The compatible server looks through lists where MongoDB has trees: more records would measure nothing else. */
export const MONGODB_ROWS = 100_000
const BATCH = 1000

export interface MongoDbReads {
  readonly ground: Record<string, number | string>
  readonly reads: readonly ReadRow[]
}

/** What balances over time take out of the copy in MongoDB, on the server that the tests use. */
export async function measureMongoDb(rows: number): Promise<MongoDbReads> {
  const missing = whyMissing('mongo-java-server')
  if (missing !== null) throw new Error(`mongodb: ${missing}`)
  const ground = await layRecordsGround(rows)
  const engine = localEngine('mongo-java-server')
  const server = await engine.start()
  try {
    const connection = await openMongoDb({ url: `${server.url}/bench` }, silentLogger)
    const { recordSource, recordContext } = ground.storage
    const place = new CopyPlace(connection.places)
    await makeIndexes(connection.records)
    const copySeconds = await timed(() => copyAll(recordSource, connection.records, place))
    const reader = new MongoDbRecordReader({
      ...recordContext,
      queries: new RecordQueries(connection.records),
      watch: new CopyWatch({ place, source: recordContext.source }),
    })
    const reads = await measureReads(ground, reader, { requests: 10, warmUp: 1, portfolio: 10 })
    await connection.close()
    return { ground: { server: engine.name, rows, positions: POSITIONS, bigRows: ground.bigRows, copySeconds }, reads }
  } finally {
    await server.stop()
    await ground.close()
  }
}

/** By plain inserts, as nothing is there yet: the guarded writes of the service look through all documents there. */
async function copyAll(source: RecordSource, records: Collection<StoredDocument>, place: CopyPlace): Promise<void> {
  const { log, seq } = await source.place()
  await place.begin(null, { target: 'bench', generation: 1n, log, seq, mark: null })
  let after: RecordPlace | null = null
  do {
    const page: Awaited<ReturnType<RecordSource['recordsAfter']>> = await source.recordsAfter(after, BATCH)
    const documents = page.records.map((record) => toDocument(record, versionOf(1n, seq)))
    if (documents.length > 0) await records.insertMany(documents, { ordered: false })
    after = page.next
  } while (after !== null)
  const begun = await place.read()
  if (begun === null) throw new Error('invariant: the copy was begun')
  await place.finish(begun)
}
