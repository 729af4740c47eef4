import type { Collection, IndexDescription } from 'mongodb'

import { asMongoDbError, serverCode } from './mongodb-errors.js'
import type { StoredDocument } from './record-document.js'

/** The documented four, and one in which blocks are in the order of their numbers. */
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
]

const NAMESPACE_NOT_FOUND = 26

/** Makes the indexes that are not there yet; what others made is left alone. */
export async function makeIndexes(records: Collection<StoredDocument>): Promise<void> {
  try {
    await records.createIndexes(indexes.map((index) => ({ ...index })))
  } catch (error) {
    throw asMongoDbError(error)
  }
}

/** False when the collection was dropped, or an index of ours was: then records may be gone as well. */
export async function hasIndexes(records: Collection<StoredDocument>): Promise<boolean> {
  try {
    const found = await records.listIndexes().toArray()
    const names = new Set(found.map((index: { readonly name?: unknown }) => index.name))
    return indexes.every(({ name }) => names.has(name))
  } catch (error) {
    if (serverCode(error) === NAMESPACE_NOT_FOUND) return false
    throw asMongoDbError(error)
  }
}
