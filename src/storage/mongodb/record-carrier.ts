import type { Collection } from 'mongodb'

import type { BalanceRecord } from '../../model/balance-record.js'
import type { Clock } from '../../model/clock.js'
import { RetryableError } from '../../model/errors.js'
import type { CopyPlace, PlaceDocument } from './copy-place.js'
import { documentText, isRecord } from './digest-records.js'
import { asMongoDbError } from './mongodb-errors.js'
import {
  documentId,
  generationOf,
  isRemoved,
  parseDocumentId,
  toDocument,
  toRemoved,
  versionOf,
} from './record-document.js'
import type { RecordKey, StoredDocument } from './record-document.js'
import type { LogPlace, RecordPlace, RecordSource, RecordSpan } from './record-source.js'
import { writeDocuments } from './write-documents.js'

/**
 * Between reading a record and writing it so much time may pass; whoever took longer, because it was frozen, looks again
 * at what it wrote.
 */
const FRESH_MS = 5000
/** A query that takes longer is given up. */
const QUERY_TIMEOUT_MS = 10_000

/** The log got another name in the middle of the work. */
export class LogChangedError extends RetryableError {
  readonly code = 'log_changed'
}

/** A copy before this one left documents that count as newer. */
export class OutdatedCopyError extends RetryableError {
  readonly code = 'outdated_copy'
  /** Of those documents. */
  readonly generation: bigint

  constructor(message: string, generation: bigint) {
    super(message, { hint: 'All records are copied anew, as a newer copy.' })
    this.generation = generation
  }
}

export interface RecordCarrierOptions {
  readonly source: RecordSource
  readonly records: Collection<StoredDocument>
  readonly place: CopyPlace
  readonly clock: Clock
  /** Documents of one request at most. */
  readonly batchSize: number
}

/** Where a look over all records is: first over those of PostgreSQL, then over the documents. */
export interface CheckPlace {
  readonly record: RecordPlace | null
  /** Null while records are looked at. */
  readonly document: string | null
}

/**
 * Carries records from PostgreSQL to MongoDB. Each piece of work reads what the records are now and writes that, with the
 * place of the log it belongs to: done twice, late, or by two at once, the newest reading stays.
 */
export class RecordCarrier {
  readonly #options: RecordCarrierOptions
  #lookingAgain = false
  written = 0
  refused = 0
  corrected = 0

  constructor(options: RecordCarrierOptions) {
    this.#options = options
  }

  /** Brings the documents of some keys up to date: what history does not have any more is marked as removed. */
  async carryKeys(place: PlaceDocument, keys: readonly RecordKey[]): Promise<void> {
    const { source, batchSize } = this.#options
    for (let start = 0; start < keys.length; start += batchSize) {
      const batch = keys.slice(start, start + batchSize)
      const startedAtMs = this.#options.clock.monotonicMs()
      const reading = await source.recordsOf(batch)
      const version = this.#versionOf(place, reading)
      const found = new Map(reading.records.map((record) => [idOf(record), toDocument(record, version)]))
      const ids = batch.map(documentId)
      await this.#write(
        place,
        ids.map((id) => found.get(id) ?? toRemoved(id, version)),
        startedAtMs,
      )
    }
  }

  /** Brings all documents between two blocks of a position up to date. */
  async carrySpan(place: PlaceDocument, span: RecordSpan): Promise<void> {
    const { source, batchSize, clock } = this.#options
    let { fromBlock } = span
    for (;;) {
      const startedAtMs = clock.monotonicMs()
      const reading = await source.recordsWithin({ ...span, fromBlock }, batchSize)
      const version = this.#versionOf(place, reading)
      const last = reading.records.at(-1)
      const toBlock = last === undefined || reading.records.length < batchSize ? span.toBlock : last.blockNumber
      const documents = reading.records.map((record) => toDocument(record, version))
      await this.#write(place, documents, startedAtMs)
      const kept = new Set(documents.map(({ _id }) => _id))
      for await (const ids of this.#standingIds({ ...span, fromBlock, toBlock })) {
        const extra = ids.filter((id) => !kept.has(id))
        await this.#write(
          place,
          extra.map((id) => toRemoved(id, version)),
          startedAtMs,
        )
      }
      if (toBlock >= span.toBlock) return
      fromBlock = toBlock + 1n
    }
  }

  /**
   * Copies the next records in the order of all of them.
   *
   * @returns the place after them; null when these were the last
   */
  async copyPage(
    place: PlaceDocument,
    after: RecordPlace,
  ): Promise<{ readonly next: RecordPlace | null; readonly copied: number }> {
    const { source, batchSize, clock } = this.#options
    const startedAtMs = clock.monotonicMs()
    const { next, ...reading } = await source.recordsAfter(after, batchSize)
    const version = this.#versionOf(place, reading)
    await this.#write(
      place,
      reading.records.map((record) => toDocument(record, version)),
      startedAtMs,
    )
    return { next, copied: reading.records.length }
  }

  /**
   * Looks through the next documents for those that the copy has not written, and takes out what history does not have.
   *
   * @returns the `_id` up to which that is done; null when it is done
   */
  async sweepPage(place: PlaceDocument, after: string): Promise<string | null> {
    const { batchSize } = this.#options
    const found = await this.#find(
      { _id: { $gt: after }, version: { $exists: true } },
      { sort: true, limit: batchSize, whole: false },
    )
    const begun = versionOf(place.generation, place.seq)
    await this.carryKeys(place, keysOf(found.filter(({ version }) => version < begun)))
    return found.length < batchSize ? null : (found.at(-1)?._id ?? null)
  }

  /**
   * Compares the next records, or the next documents, with the other side, and writes what differs.
   *
   * @returns where the next look goes on; the beginning after the end
   */
  async checkPage(place: PlaceDocument, at: CheckPlace): Promise<CheckPlace> {
    return at.document === null ? this.#checkRecords(place, at.record) : this.#checkDocuments(place, at.document)
  }

  async #checkRecords(place: PlaceDocument, after: RecordPlace | null): Promise<CheckPlace> {
    const { source, batchSize, clock } = this.#options
    const startedAtMs = clock.monotonicMs()
    const { next, ...reading } = await source.recordsAfter(after, batchSize)
    const version = this.#versionOf(place, reading)
    const wanted = reading.records.map((record) => toDocument(record, version))
    const found = await this.#find(
      { _id: { $in: wanted.map(({ _id }) => _id) } },
      { sort: false, limit: batchSize, whole: true },
    )
    const standing = found.filter(isRecord).filter(hasVersion)
    const texts = new Map(standing.map((document) => [document._id, documentText(document)]))
    const differing = wanted.filter((document) => texts.get(document._id) !== documentText(document))
    this.corrected += await this.#write(place, differing, startedAtMs)
    return next === null ? { record: null, document: '' } : { record: next, document: null }
  }

  async #checkDocuments(place: PlaceDocument, after: string): Promise<CheckPlace> {
    const { source, batchSize, clock } = this.#options
    const startedAtMs = clock.monotonicMs()
    const found = await this.#find(
      { _id: { $gt: after }, version: { $exists: true } },
      { sort: true, limit: batchSize, whole: false },
    )
    const keys = keysOf(found)
    const reading = await source.recordsOf(keys)
    const version = this.#versionOf(place, reading)
    const known = new Set(reading.records.map(idOf))
    const extra = keys.map(documentId).filter((id) => !known.has(id))
    this.corrected += await this.#write(
      place,
      extra.map((id) => toRemoved(id, version)),
      startedAtMs,
    )
    const last = found.at(-1)
    return { record: null, document: found.length < batchSize || last === undefined ? null : last._id }
  }

  /** What was read belongs to the log that is followed, or must not be written. */
  #versionOf(place: PlaceDocument, reading: LogPlace): bigint {
    if (reading.log !== place.log) {
      throw new LogChangedError(`expected the event log ${place.log}, got ${reading.log}`, {
        hint: 'The database was restored, or a standby took over: the records are copied anew.',
      })
    }
    return versionOf(place.generation, reading.seq)
  }

  /** @returns how many were written */
  async #write(place: PlaceDocument, documents: readonly StoredDocument[], startedAtMs: number): Promise<number> {
    const { records, batchSize, clock } = this.#options
    if (documents.length === 0) return 0
    const result = await writeDocuments(records, documents, batchSize)
    this.written += result.written
    this.refused += result.refused
    if (result.newest !== null) await this.#checkVersion(place, result.newest)
    const isLate = clock.monotonicMs() - startedAtMs > FRESH_MS
    if (isLate && !this.#lookingAgain) await this.#lookAgain(documents)
    return result.written
  }

  /** Nothing that was read from this log, for this copy, is newer than the log itself. */
  async #checkVersion({ log, generation }: PlaceDocument, newest: bigint): Promise<void> {
    const head = await this.#options.source.place()
    if (head.log !== log || newest <= versionOf(generation, head.seq)) return
    throw new OutdatedCopyError(
      `expected no document newer than version ${versionOf(generation, head.seq)}, got ${newest}`,
      generationOf(newest),
    )
  }

  /** Others may have done this work, and more, since these were read. Once: a server may just be slow. */
  async #lookAgain(documents: readonly StoredDocument[]): Promise<void> {
    this.#lookingAgain = true
    try {
      const place = await this.#options.place.read()
      if (place !== null) await this.carryKeys(place, keysOf(documents))
    } finally {
      this.#lookingAgain = false
    }
  }

  /** The `_id` of every record of the span that is not marked as removed, some at a time. */
  async *#standingIds({ position, fromBlock, toBlock }: RecordSpan): AsyncGenerator<readonly string[]> {
    const { batchSize } = this.#options
    let from: object = { $gte: documentId({ position, blockNumber: fromBlock }) }
    const to = documentId({ position, blockNumber: toBlock })
    for (;;) {
      const found = await this.#find({ _id: { ...from, $lte: to } }, { sort: true, limit: batchSize, whole: false })
      yield found.filter((document) => !isRemoved(document)).map(({ _id }) => _id)
      const last = found.at(-1)
      if (last === undefined || found.length < batchSize) return
      from = { $gt: last._id }
    }
  }

  async #find(
    filter: Record<string, unknown>,
    { sort, limit, whole }: { readonly sort: boolean; readonly limit: number; readonly whole: boolean },
  ): Promise<readonly StoredDocument[]> {
    try {
      return await this.#options.records
        .find(filter, {
          limit,
          maxTimeMS: QUERY_TIMEOUT_MS,
          ...(sort ? { sort: { _id: 1 } } : {}),
          ...(whole ? {} : { projection: { chainId: 1, version: 1 } }),
        })
        .toArray()
    } catch (error) {
      throw asMongoDbError(error)
    }
  }
}

/** Somebody may have changed it, too. */
function hasVersion({ version }: { readonly version?: unknown }): boolean {
  return typeof version === 'bigint'
}

function idOf(record: BalanceRecord): string {
  return documentId({ position: record, blockNumber: record.blockNumber })
}

function keysOf(documents: readonly StoredDocument[]): readonly RecordKey[] {
  return documents
    .filter((document) => !isRemoved(document))
    .flatMap(({ _id }) => {
      const key = parseDocumentId(_id)
      return key === null ? [] : [key]
    })
}
