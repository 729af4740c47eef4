import type { Collection, UpdateFilter } from 'mongodb'

import { asMongoDbError, serverCode } from './mongodb-errors.js'
import type { RecordPlace } from './record-source.js'

/** The collection that says how far the copy is. */
export const PLACE_COLLECTION = 'tidemark_place'
const PLACE_ID = 'balancerecords'
const DUPLICATE_KEY = 11_000

/** How the copy stands. One document; what moves in it moves on only, within a generation. */
export interface PlaceDocument {
  readonly _id: string
  /** Names this copy, so that PostgreSQL can remember it. */
  readonly target: string
  /** Goes up whenever all records are copied anew. */
  readonly generation: bigint
  /** The log that is followed. */
  readonly log: string
  /** All that the log tells up to here is in the records; while they are copied, where the log is followed from then on. */
  readonly seq: bigint
  /** Tells the event at `seq` from another of the same number; null where that is not known. */
  readonly mark: string | null
  readonly copying: CopyProgress | null
  readonly changedAt: Date
}

export interface CopyProgress {
  /** Up to here all records are copied. */
  readonly positionId: bigint
  readonly blockNumber: bigint
  readonly copied: bigint
  /** All are copied; up to this `_id` what history does not have any more is taken out. Null before that. */
  readonly sweptTo: string | null
}

export interface NewCopy {
  readonly target: string
  readonly generation: bigint
  readonly log: string
  readonly seq: bigint
  readonly mark: string | null
}

/** The place of the copy, in MongoDB itself, so that it goes where the records go. */
export class CopyPlace {
  readonly #places: Collection<PlaceDocument>

  constructor(places: Collection<PlaceDocument>) {
    this.#places = places
  }

  /** Null when nothing was ever copied here, or all of it is gone. */
  read(): Promise<PlaceDocument | null> {
    return this.#run(() => this.#places.findOne({ _id: PLACE_ID }))
  }

  /**
   * Notes that all records are to be copied, before the first of them is. Of several that begin at once one does.
   *
   * @param before what was read; null when there was nothing
   * @returns false when somebody else was quicker
   */
  async begin(before: PlaceDocument | null, { target, generation, log, seq, mark }: NewCopy): Promise<boolean> {
    const place: PlaceDocument = {
      _id: PLACE_ID,
      target,
      generation,
      log,
      seq,
      mark,
      copying: { positionId: 0n, blockNumber: 0n, copied: 0n, sweptTo: null },
      changedAt: new Date(),
    }
    if (before !== null) {
      const filter = { _id: PLACE_ID, generation: before.generation }
      const result = await this.#run(() => this.#places.replaceOne(filter, place))
      return result.matchedCount === 1
    }
    return this.#run(async () => {
      try {
        await this.#places.insertOne(place)
        return true
      } catch (error) {
        if (serverCode(error) === DUPLICATE_KEY) return false
        throw error
      }
    })
  }

  /** Notes how far records are copied. Whoever is behind another one changes nothing. */
  async copied({ generation }: PlaceDocument, { positionId, blockNumber }: RecordPlace, copied: bigint): Promise<void> {
    const behind = [
      { 'copying.positionId': { $lt: positionId } },
      { 'copying.positionId': positionId, 'copying.blockNumber': { $lt: blockNumber } },
    ]
    await this.#update(
      { generation, 'copying.sweptTo': null, $or: behind },
      { 'copying.positionId': positionId, 'copying.blockNumber': blockNumber, 'copying.copied': copied },
    )
  }

  /** Notes how far what is gone from history is taken out; all records are copied by then. */
  async swept({ generation }: PlaceDocument, sweptTo: string, copied?: bigint): Promise<void> {
    const behind = [{ 'copying.sweptTo': null }, { 'copying.sweptTo': { $lt: sweptTo } }]
    const change = copied === undefined ? {} : { 'copying.copied': copied }
    await this.#update({ generation, copying: { $ne: null }, $or: behind }, { 'copying.sweptTo': sweptTo, ...change })
  }

  /** Everything is copied: from now on the log is followed. */
  async finish({ generation }: PlaceDocument): Promise<void> {
    await this.#update({ generation, copying: { $ne: null } }, { copying: null })
  }

  /** Moves on in the log, never back, and only in the one that was read. */
  async moveTo({ generation, log }: PlaceDocument, seq: bigint, mark: string | null): Promise<void> {
    await this.#update({ generation, log, copying: null, seq: { $lt: seq } }, { seq, mark })
  }

  async #update(filter: Record<string, unknown>, change: Record<string, unknown>): Promise<void> {
    const update: UpdateFilter<PlaceDocument> = { $set: { ...change, changedAt: new Date() } }
    await this.#run(() => this.#places.updateOne({ _id: PLACE_ID, ...filter }, update))
  }

  async #run<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw asMongoDbError(error)
    }
  }
}
