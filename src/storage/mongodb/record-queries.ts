import type { Collection, Filter, Sort } from 'mongodb'

import { toChecksumAddress } from '../../model/address.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import { formatToken } from '../../model/position.js'
import type { Position } from '../../model/position.js'
import type { FoldedRecord } from '../../model/statistics/stats-fold.js'
import { Lane } from '../lane.js'
import { MongoDbUnavailableError, asMongoDbError } from './mongodb-errors.js'
import { fromDocument } from './record-document.js'
import type { RecordDocument, StoredDocument } from './record-document.js'

/** The server gives up on a query by itself, well before the driver gives up on the connection. */
const QUERY_TIMEOUT_MS = 10_000
/** Queries at a time: half of the connections, the rest is for what has to be written. */
const QUERIES_MAX = 5
/** For others to be done. */
const TURN_TIMEOUT_MS = 5000
/** Greater than any block number that a document can hold. */
const BLOCK_MAX = 2n ** 63n - 1n
/** Records of a long history that are asked for at a time: a few hundred kilobytes. */
const PAGE_SIZE = 500

/** Blocks, bounds included. */
export interface BlockRange {
  readonly from?: bigint | undefined
  readonly to?: bigint | undefined
}

/** Which record of a position, by its time: the newest before it, or at or before; or the oldest at or after it. */
export type TimeBound = { readonly before: Date } | { readonly upTo: Date } | { readonly since: Date }

/**
 * The few kinds of queries that everything is answered from. Each is one find with a limit along an index: no cursor stays
 * open on the server while an answer is worked on.
 */
export class RecordQueries {
  readonly #records: Collection<StoredDocument>
  readonly #lane = new Lane({
    runningMax: QUERIES_MAX,
    turnTimeoutMs: TURN_TIMEOUT_MS,
    onBusy: () => new MongoDbUnavailableError('too many queries of MongoDB take too long', { trouble: 'busy' }),
  })
  /** Records of a long history that are in memory at a time. */
  readonly pageSize: number

  constructor(records: Collection<StoredDocument>, pageSize: number = PAGE_SIZE) {
    this.#records = records
    this.pageSize = pageSize
  }

  /** Newest first. */
  async newest(position: Position, range: BlockRange, limit: number): Promise<readonly BalanceRecord[]> {
    return (await this.#find({ ...keyOf(position), ...blocksOf(range) }, { block: -1 }, limit)).map(fromDocument)
  }

  /** The record nearest to a time; null when there is none on that side of it. */
  async nearest(position: Position, bound: TimeBound): Promise<BalanceRecord | null> {
    const order = 'since' in bound ? 1 : -1
    // Times go up with blocks, and blocks of one time are told apart by their numbers.
    const sort = { timestamp: order, block: order } as const
    const [found] = await this.#find({ ...keyOf(position), timestamp: timesOf(bound) }, sort, 1)
    return found === undefined ? null : fromDocument(found)
  }

  /** The first record of some blocks. */
  async oldest(position: Position, range: BlockRange): Promise<BalanceRecord | null> {
    const [found] = await this.#find({ ...keyOf(position), ...blocksOf(range) }, { block: 1 }, 1)
    return found === undefined ? null : fromDocument(found)
  }

  /** All, oldest first, without what only a record of its own is asked for. */
  async *ascending(position: Position, { from = 0n, to = BLOCK_MAX }: BlockRange): AsyncIterable<FoldedRecord> {
    const key = keyOf(position)
    for (let start = from; start <= to;) {
      const range = blocksOf({ from: start, to })
      const page = (await this.#find({ ...key, ...range }, { block: 1 }, this.pageSize, foldedFields)).map(toFolded)
      yield* page
      const last = page.at(-1)
      if (page.length < this.pageSize || last === undefined) return
      start = last.blockNumber + 1n
    }
  }

  #find(
    filter: Filter<StoredDocument>,
    sort: Sort,
    limit: number,
    fields?: Readonly<Record<string, 1>>,
  ): Promise<RecordDocument[]> {
    return this.#lane.run(async () => {
      try {
        const options = {
          sort,
          limit,
          // One more than the limit: the first answer is the whole one, and the server need not keep a cursor.
          batchSize: limit + 1,
          maxTimeMS: QUERY_TIMEOUT_MS,
          ...(fields === undefined ? {} : { projection: fields }),
        }
        return await this.#records.find<RecordDocument>(filter, options).toArray()
      } catch (error) {
        throw asMongoDbError(error)
      }
    })
  }
}

const foldedFields = { block: 1, balance: 1, previousBalance: 1, timestamp: 1 } as const

/**
 * With all three, which no document has that stands for a record that is gone; and with a version, which no document has
 * that somebody else wrote.
 */
function keyOf({ chainId, token, solver }: Position): Filter<StoredDocument> {
  return {
    chainId: chainId.toString(),
    tokenAddress: formatToken(token),
    solverAddress: toChecksumAddress(solver),
    version: { $exists: true },
  }
}

function blocksOf({ from, to }: BlockRange): Filter<StoredDocument> {
  if (from === undefined && to === undefined) return {}
  return {
    block: {
      ...(from === undefined ? {} : { $gte: from > BLOCK_MAX ? BLOCK_MAX : from }),
      ...(to === undefined ? {} : { $lte: to > BLOCK_MAX ? BLOCK_MAX : to }),
    },
  }
}

function timesOf(bound: TimeBound): { readonly $lt: Date } | { readonly $lte: Date } | { readonly $gte: Date } {
  if ('before' in bound) return { $lt: bound.before }
  return 'upTo' in bound ? { $lte: bound.upTo } : { $gte: bound.since }
}

function toFolded({ balance, previousBalance, block, timestamp }: RecordDocument): FoldedRecord {
  return {
    balance: BigInt(balance),
    previousBalance: previousBalance === undefined ? null : BigInt(previousBalance),
    blockNumber: block,
    timestamp,
  }
}
