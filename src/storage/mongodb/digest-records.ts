import { createHash } from 'node:crypto'

import type { Collection } from 'mongodb'

import type { Position } from '../../model/position.js'
import { asMongoDbError } from './mongodb-errors.js'
import { documentId, isRemoved, toDocument } from './record-document.js'
import type { RecordDocument, StoredDocument } from './record-document.js'
import type { RecordPlace, RecordSource } from './record-source.js'

/** Documents read at a time. */
const PAGE = 1000
const MODULUS = 2n ** 256n

/** Stands for a set of records: two sets of the same digest hold the same records, in every field. */
export interface RecordDigest {
  readonly records: number
  /** 64 hexadecimal digits. */
  readonly digest: string
}

/** Everything that a document says but its version, in one way only: fields in the order of their names. */
export function documentText(document: RecordDocument): string {
  const fields = Object.entries(document).filter(([field]) => field !== 'version')
  return JSON.stringify(
    fields.toSorted(([one], [other]) => (one < other ? -1 : 1)),
    (_field, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value),
  )
}

/**
 * Adds up the hashes of records, in any order: the two engines do not sort alike, and neither has to sort for it.
 */
class DigestSum {
  #records = 0
  #sum = 0n

  add(document: RecordDocument): void {
    const hash = createHash('sha256').update(documentText(document)).digest('hex')
    this.#sum = (this.#sum + BigInt(`0x${hash}`)) % MODULUS
    this.#records += 1
  }

  get result(): RecordDigest {
    return { records: this.#records, digest: this.#sum.toString(16).padStart(64, '0') }
  }
}

/** The digest of all records in PostgreSQL, as MongoDB should have them. */
export async function digestSource(source: Pick<RecordSource, 'recordsAfter'>): Promise<RecordDigest> {
  const sum = new DigestSum()
  let place: RecordPlace | null = null
  do {
    const reading: Awaited<ReturnType<RecordSource['recordsAfter']>> = await source.recordsAfter(place, PAGE)
    for (const record of reading.records) sum.add(toDocument(record, 0n))
    place = reading.next
  } while (place !== null)
  return sum.result
}

/** The digest of all records in MongoDB, or of one position's, whatever other fields they have. */
export async function digestDocuments(records: Collection<StoredDocument>, position?: Position): Promise<RecordDigest> {
  const sum = new DigestSum()
  const prefix = position === undefined ? '' : documentId({ position, blockNumber: 0n }).replace(/\d+$/, '')
  const bounds = position === undefined ? { _id: { $gte: '' } } : { _id: { $gte: prefix, $lt: `${prefix}~` } }
  try {
    const cursor = records.find({ ...bounds, version: { $exists: true } }, { batchSize: PAGE })
    for await (const document of cursor) if (isRecord(document)) sum.add(document)
  } catch (error) {
    throw asMongoDbError(error)
  }
  return sum.result
}

/** Documents that stand for a removed record are none. */
export function isRecord(document: StoredDocument): document is RecordDocument {
  return !isRemoved(document)
}
