import type { Collection, IndexDescription } from 'mongodb'

import { MongoDbForeignError, asMongoDbError, serverCode } from './mongodb-errors.js'
import type { StoredDocument } from './record-document.js'

/** The documented four, and two of ours: in the order of block numbers, and of times. */
const indexes: readonly (IndexDescription & { readonly name: string })[] = [
  {
    name: 'chainId_1_tokenAddress_1_solverAddress_1_blockNumber_1',
    key: { chainId: 1, tokenAddress: 1, solverAddress: 1, blockNumber: 1 },
    unique: true,
  },
  { name: 'chainId_1_tokenAddress_1_solverAddress_1', key: { chainId: 1, tokenAddress: 1, solverAddress: 1 } },
  { name: 'timestamp_-1', key: { timestamp: -1 } },
  { name: 'blockNumber_-1', key: { blockNumber: -1 } },
  {
    name: 'chainId_1_tokenAddress_1_solverAddress_1_block_-1',
    key: { chainId: 1, tokenAddress: 1, solverAddress: 1, block: -1 },
  },
  {
    name: 'chainId_1_tokenAddress_1_solverAddress_1_timestamp_-1_block_-1',
    key: { chainId: 1, tokenAddress: 1, solverAddress: 1, timestamp: -1, block: -1 },
  },
]

const NAMESPACE_NOT_FOUND = 26
const DUPLICATE_KEY = 11_000

/**
 * Makes the indexes that are not there yet; what others made is left alone.
 *
 * @throws {MongoDbForeignError} when documents are there twice
 */
export async function makeIndexes(records: Collection<StoredDocument>): Promise<void> {
  const standing = await readIndexes(records)
  const missing = indexes.filter((index) => !standing.has(textOf(index)))
  if (missing.length === 0) return
  try {
    await records.createIndexes(missing.map((index) => ({ ...index })))
  } catch (error) {
    if (serverCode(error) !== DUPLICATE_KEY) throw asMongoDbError(error)
    throw new MongoDbForeignError(
      `MongoDB: expected one document for a chain, token, solver and block in ${records.collectionName}, got several`,
      { cause: error, hint: 'Name a database of its own in MONGODB_URL, or remove the documents of others.' },
    )
  }
}

/** False when the collection was dropped, or an index of ours was: then records may be gone as well. */
export async function hasIndexes(records: Collection<StoredDocument>): Promise<boolean> {
  const standing = await readIndexes(records)
  return indexes.every((index) => standing.has(textOf(index)))
}

async function readIndexes(records: Collection<StoredDocument>): Promise<ReadonlySet<string>> {
  try {
    const found = await records.listIndexes().toArray()
    return new Set(found.map((index: IndexDescription) => textOf(index)))
  } catch (error) {
    if (serverCode(error) === NAMESPACE_NOT_FOUND) return new Set()
    throw asMongoDbError(error)
  }
}

/** What an index does, whatever it is called. */
function textOf({ key, unique }: IndexDescription): string {
  const fields = Object.entries(key).map(([field, direction]) => `${field}:${Number(direction)}`)
  return `${fields.join(',')}${unique === true ? ' unique' : ''}`
}
