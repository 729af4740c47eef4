import { randomUUID } from 'node:crypto'

import type { Collection } from 'mongodb'

import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import type { CopyPlace, CopyProgress, PlaceDocument } from './copy-place.js'
import { gatherChanges } from './gather-changes.js'
import { MongoDbForeignError } from './mongodb-errors.js'
import { OutdatedCopyError } from './record-carrier.js'
import type { CheckPlace, RecordCarrier } from './record-carrier.js'
import type { StoredDocument } from './record-document.js'
import { hasIndexes, makeIndexes } from './record-indexes.js'
import type { RecordSource } from './record-source.js'

/** Events of one step at most. */
const EVENTS_PER_STEP = 1000
/** A step that found nothing to copy notes its place this often at most. */
const NOTE_PLACE_MS = 1000
/** How often PostgreSQL is told what of its log is not needed any more. */
const REGISTER_MS = 5000
/** Whether the indexes stand is looked at this often. */
const LOOK_MS = 60_000
/** A page of records is compared this often while there is nothing else to do: a million of them in about 80 minutes. */
const CHECK_MS = 5000
/** How far the copying is, is told this often. */
const TELL_MS = 10_000

export interface CopyStepOptions {
  readonly source: RecordSource
  readonly records: Collection<StoredDocument>
  readonly place: CopyPlace
  readonly carrier: RecordCarrier
  readonly clock: Clock
  readonly logger: Logger
}

/** What a step did: nothing is left to do, or more may be. */
export type StepResult = 'idle' | 'more'

/**
 * One step of keeping the copy: where it stands is read each time, from where it is kept, so that any process can take the
 * next step, also twice or both at once.
 */
export class CopyStep {
  readonly #options: CopyStepOptions
  #registered: { readonly target: string; readonly atMs: number } | null = null
  #showsIndexes = true
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #notedAtMs = Number.NEGATIVE_INFINITY
  #checkedAtMs: number
  #toldAtMs = Number.NEGATIVE_INFINITY
  #check: CheckPlace = { record: null, document: null }

  constructor(options: CopyStepOptions) {
    this.#options = options
    this.#checkedAtMs = options.clock.monotonicMs()
  }

  async take(place: PlaceDocument | null): Promise<StepResult> {
    try {
      return await this.#take(place)
    } catch (error) {
      if (!(error instanceof OutdatedCopyError)) throw error
      return this.#beginAt(place, 'documents of an earlier copy are there', error.generation)
    }
  }

  async #take(place: PlaceDocument | null): Promise<StepResult> {
    if (place === null) return this.#beginAt(null, 'nothing was copied to it yet')
    if (this.#showsIndexes && this.#isDue(this.#lookedAtMs, LOOK_MS)) {
      if (!(await hasIndexes(this.#options.records)))
        return this.#beginAt(place, 'an index is gone, records may be, too')
      this.#lookedAtMs = this.#nowMs()
    }
    const head = await this.#options.source.place()
    if (head.log !== place.log) return this.#otherLog(place)
    await this.#register(place)
    if (place.copying !== null) return this.#copy(place, place.copying)
    return this.#follow(place)
  }

  /** Whatever the caches say may be wrong after a failure. */
  forget(): void {
    this.#registered = null
    this.#lookedAtMs = Number.NEGATIVE_INFINITY
  }

  /** Copies all records anew, from the log's newest event on. */
  async #beginAt(before: PlaceDocument | null, reason: string, above = 0n): Promise<StepResult> {
    const { source, records, place, logger } = this.#options
    await makeIndexes(records)
    // A server that tells of indexes in another way would be copied to for ever.
    this.#showsIndexes = await hasIndexes(records)
    this.#lookedAtMs = this.#nowMs()
    const target = before?.target ?? randomUUID()
    // Before anything is copied, so that none of the events from then on is deleted.
    const { log, seq } = await source.register(target)
    const last = before?.generation ?? 0n
    const generation = (last > above ? last : above) + 1n
    const { markAfter: mark } = await source.eventsAfter(seq, 1)
    const begun = await place.begin(before, { target, generation, log, seq, mark })
    if (begun) logger.info({ reason, seq: seq.toString() }, 'all records are copied to MongoDB')
    return 'more'
  }

  /** The database was restored or a standby took over; or it is not the one that was copied. */
  async #otherLog(place: PlaceDocument): Promise<StepResult> {
    if (await this.#options.source.isRegistered(place.target)) {
      return this.#beginAt(place, 'the database was restored, or a standby took over')
    }
    throw new MongoDbForeignError(
      'MONGODB_URL: expected an empty database or one that this PostgreSQL was copied to, got the records of another one',
      { hint: 'Name another database in MONGODB_URL, or drop this one, with its collection tidemark_place.' },
    )
  }

  async #copy(place: PlaceDocument, progress: CopyProgress): Promise<StepResult> {
    const { carrier, place: places, logger } = this.#options
    if (progress.sweptTo !== null) {
      const sweptTo = await carrier.sweepPage(place, progress.sweptTo)
      if (sweptTo !== null) await places.swept(place, sweptTo)
      else {
        await places.finish(place)
        logger.info({ copied: progress.copied.toString() }, 'all records are copied to MongoDB, the log is followed')
      }
      return 'more'
    }
    const { next, copied } = await carrier.copyPage(place, progress)
    const total = progress.copied + BigInt(copied)
    if (next === null) await places.swept(place, '', total)
    else await places.copied(place, next, total)
    await this.#tell(total)
    return 'more'
  }

  async #follow(place: PlaceDocument): Promise<StepResult> {
    const { source, carrier, place: places } = this.#options
    const page = await source.eventsAfter(place.seq, EVENTS_PER_STEP)
    if (page.log !== place.log) return 'more'
    const isOther = place.mark !== null && page.markAfter !== null && page.markAfter !== place.mark
    if (isOther || page.seq < place.seq) {
      // Numbers are given out again: the log gets another name, and with that everything starts anew.
      await source.renameLog(place.log, isOther ? null : place.seq)
      return 'more'
    }
    if (page.expired) return this.#beginAt(place, 'events that were not read are deleted')
    const { keys, spans } = gatherChanges(page.events)
    await carrier.carryKeys(place, keys)
    for (const span of spans) await carrier.carrySpan(place, span)
    const hasMore = page.upto < page.seq
    const isNews = keys.length + spans.length > 0
    if (page.upto > place.seq && (isNews || hasMore || this.#isDue(this.#notedAtMs, NOTE_PLACE_MS))) {
      await places.moveTo(place, page.upto, page.markUpto)
      this.#notedAtMs = this.#nowMs()
    }
    if (hasMore) return 'more'
    if (!isNews) await this.#checkSome(place)
    return 'idle'
  }

  /** Finds what no event tells of, such as documents that somebody else changed or deleted. */
  async #checkSome(place: PlaceDocument): Promise<void> {
    if (!this.#isDue(this.#checkedAtMs, CHECK_MS)) return
    const { carrier, logger } = this.#options
    const before = carrier.corrected
    this.#check = await carrier.checkPage(place, this.#check)
    this.#checkedAtMs = this.#nowMs()
    if (carrier.corrected > before) {
      logger.warn(
        { documents: carrier.corrected - before },
        'documents in MongoDB were not as they should be, and were put right',
      )
    }
  }

  async #register({ target, seq }: PlaceDocument): Promise<void> {
    if (this.#registered?.target === target && !this.#isDue(this.#registered.atMs, REGISTER_MS)) return
    await this.#options.source.register(target, seq)
    this.#registered = { target, atMs: this.#nowMs() }
  }

  async #tell(copied: bigint): Promise<void> {
    if (!this.#isDue(this.#toldAtMs, TELL_MS)) return
    this.#toldAtMs = this.#nowMs()
    const about = await this.#options.source.estimateRecords()
    this.#options.logger.info({ copied: copied.toString(), about }, 'copying records to MongoDB')
  }

  #isDue(lastMs: number, everyMs: number): boolean {
    return this.#nowMs() - lastMs >= everyMs
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}
