import type { AnyBulkWriteOperation, Collection } from 'mongodb'

import {
  MongoDbForeignError,
  MongoDbUnavailableError,
  asMongoDbError,
  mongoDbTroubleText,
  serverCode,
} from './mongodb-errors.js'
import type { StoredDocument } from './record-document.js'

/** Times that a write is tried again because another one came in between. */
const ATTEMPTS_MAX = 5
const DUPLICATE_KEY = 11_000

type Operation = AnyBulkWriteOperation<StoredDocument>

export interface WriteResult {
  readonly written: number
  /** Left as they were, because something newer is there. */
  readonly refused: number
  /** The newest of what is there instead. */
  readonly newest: bigint | null
}

/**
 * Writes documents, in any order, where nothing newer is there already. Every write stands alone and may be repeated: all
 * that matters is which version is the highest.
 *
 * Most are new: they are inserted. One that is there already is replaced unless it has a higher version; then it does not
 * match, so that the server tries to insert a second one of the same `_id`, and refuses.
 *
 * @throws {MongoDbForeignError} when a document of somebody else has the place of a record
 * @throws {MongoDbUnavailableError}
 */
export async function writeDocuments(
  records: Collection<StoredDocument>,
  documents: readonly StoredDocument[],
  batchSize: number,
): Promise<WriteResult> {
  let written = 0
  let newest: bigint | null = null
  for (let start = 0; start < documents.length; start += batchSize) {
    const result = await writeBatch(records, documents.slice(start, start + batchSize))
    written += result.written
    newest = highest(newest, result.newest)
  }
  return { written, refused: documents.length - written, newest }
}

function highest(one: bigint | null, other: bigint | null): bigint | null {
  if (one === null || other === null) return one ?? other
  return one > other ? one : other
}

async function writeBatch(
  records: Collection<StoredDocument>,
  documents: readonly StoredDocument[],
): Promise<Omit<WriteResult, 'refused'>> {
  const insert = (document: StoredDocument): Operation => ({ insertOne: { document } })
  let open = await tryWrite(records, documents, insert)
  let written = documents.length
  let newest: bigint | null = null
  let versions: ReadonlyMap<string, unknown> = new Map()
  for (let attempt = 1; open.length > 0; attempt += 1) {
    const replace = (document: StoredDocument): Operation => replaceUnlessNewer(document, versions)
    open = await tryWrite(records, open, replace)
    if (open.length === 0) break
    versions = await readVersions(records, open)
    const left: StoredDocument[] = []
    for (const document of open) {
      const there = versions.get(document._id)
      if (typeof there === 'bigint') newest = highest(newest, there)
      // Without any document of this key something else was in the way; with an older one another writer was quicker.
      if (typeof there !== 'bigint' || there <= document.version) left.push(document)
    }
    written -= open.length - left.length
    open = left
    if (open.length > 0 && attempt === ATTEMPTS_MAX) throw refusal(open, versions)
  }
  return { written, newest }
}

/** @returns the documents that were refused for a duplicate key */
async function tryWrite(
  records: Collection<StoredDocument>,
  documents: readonly StoredDocument[],
  operation: (document: StoredDocument) => Operation,
): Promise<readonly StoredDocument[]> {
  try {
    await records.bulkWrite(documents.map(operation), { ordered: false })
    return []
  } catch (error) {
    // What was not refused may be lost again.
    if (isUnconfirmed(error)) {
      const message = mongoDbTroubleText.unconfirmed
      throw new MongoDbUnavailableError(message, { cause: error, trouble: 'unconfirmed' })
    }
    const indexes = duplicatesOf(error)
    if (indexes === null) throw asMongoDbError(error)
    return indexes.flatMap((index) => documents[index] ?? [])
  }
}

/** @param standing versions that were found; one that is no long was put there by somebody else, and does not count */
function replaceUnlessNewer(document: StoredDocument, standing: ReadonlyMap<string, unknown>): Operation {
  const { _id, version } = document
  const found = standing.get(_id)
  const isSpoiled = standing.has(_id) && typeof found !== 'bigint'
  const guard: Readonly<Record<string, unknown>> = { version: isSpoiled ? (found ?? null) : { $lte: version } }
  return { replaceOne: { filter: { _id, ...guard }, replacement: document, upsert: true } }
}

/** Which operations failed, if all that failed did so for a duplicate key; null for any other failure. */
function duplicatesOf(error: unknown): readonly number[] | null {
  if (!(error instanceof Error) || !('writeErrors' in error) || serverCode(error) !== DUPLICATE_KEY) return null
  const failures: unknown[] = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  const indexes: number[] = []
  for (const failure of failures) {
    if (typeof failure !== 'object' || failure === null || !('index' in failure) || !('code' in failure)) return null
    if (failure.code !== DUPLICATE_KEY || typeof failure.index !== 'number') return null
    indexes.push(failure.index)
  }
  return indexes
}

/** Whether some writes were refused, and the others done but not by as many servers as should. */
function isUnconfirmed(error: unknown): boolean {
  const result = error instanceof Error && 'result' in error ? error.result : null
  if (typeof result !== 'object' || result === null || !('getWriteConcernError' in result)) return false
  return typeof result.getWriteConcernError === 'function' && result.getWriteConcernError() !== undefined
}

async function readVersions(
  records: Collection<StoredDocument>,
  documents: readonly StoredDocument[],
): Promise<ReadonlyMap<string, unknown>> {
  try {
    const found = await records
      .find({ _id: { $in: documents.map(({ _id }) => _id) } }, { projection: { version: 1 } })
      .toArray()
    return new Map(found.map(({ _id, version }) => [_id, version]))
  } catch (error) {
    throw asMongoDbError(error)
  }
}

function refusal(documents: readonly StoredDocument[], versions: ReadonlyMap<string, unknown>): Error {
  const foreign = documents.find(({ _id }) => !versions.has(_id))
  if (foreign === undefined) {
    return new MongoDbUnavailableError('MongoDB: other writers were always quicker', { trouble: 'busy' })
  }
  return new MongoDbForeignError(
    `MongoDB: expected the place of the record ${foreign._id} to be free, got a document with another _id there`,
    { hint: 'Name a database of its own in MONGODB_URL, or remove the documents that something else wrote.' },
  )
}
