import type { Clock } from '../../model/clock.js'
import { messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { DatabaseUnavailableError, troubleText } from '../postgres/database-errors.js'
import type { CopyPlace, PlaceDocument } from './copy-place.js'
import type { CopyStep } from './copy-step.js'
import { MongoDbForeignError, MongoDbUnavailableError, mongoDbTroubleText } from './mongodb-errors.js'
import { LogChangedError } from './record-carrier.js'
import type { RecordCarrier } from './record-carrier.js'
import type { LogLag, RecordSource } from './record-source.js'

/** The place is read this often, whatever hints come. */
const POLL_MS = 1000
/** So often while somebody waits for another process to come on. */
const WAITED_POLL_MS = 25
const RETRY_MS = 250
const RETRY_MS_MAX = 5000
/** Of failures in a row one in so many is told: about one a minute. */
const TOLD_EVERY = 12

export interface MongoDbConsumerOptions {
  readonly source: RecordSource
  readonly place: CopyPlace
  readonly step: CopyStep
  readonly carrier: RecordCarrier
  readonly clock: Clock
  readonly logger: Logger
  /** Whether it is this process that does the work, at the moment. Two at once do no harm. */
  readonly mayWork: () => boolean
}

/**
 * `reached`: everything up to the place asked for is in the documents. `behind`: not within the time. `copying`: not all
 * records are there yet. `unavailable`: MongoDB cannot be read, or must not be.
 */
export type WaitOutcome = 'reached' | 'behind' | 'copying' | 'unavailable'

/** How the copy in MongoDB stands, as far as this process knows. */
export interface MongoDbStatus {
  readonly state: 'starting' | 'copying' | 'following' | 'failing'
  /** What is the matter, in words that may be shown to strangers; null when nothing is. */
  readonly reason: string | null
  /** The newest event that is in the documents; null when that is not known. */
  readonly seq: bigint | null
  /** Records copied so far; null when it is not copying. */
  readonly copied: bigint | null
  /** Since the start of this process. */
  readonly counts: MongoDbCounts
}

export interface MongoDbCounts {
  readonly written: number
  /** Not written, because something newer was there. */
  readonly refused: number
  /** Found to be not as they should, and put right. */
  readonly corrected: number
  readonly failures: number
}

interface Waiter {
  readonly seq: bigint
  readonly log: string
  readonly done: (outcome: WaitOutcome) => void
}

/** Follows the event log for MongoDB, for as long as it takes: whatever fails is tried again. */
export class MongoDbConsumer {
  readonly #options: MongoDbConsumerOptions
  readonly #waiters = new Set<Waiter>()
  #place: PlaceDocument | null = null
  #error: unknown = null
  #failures = 0
  #failuresInRow = 0
  #closed = false
  #woken = false
  #wake: (() => void) | null = null
  #running: Promise<void> | null = null

  constructor(options: MongoDbConsumerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** There may be something to copy. */
  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** Until everything that the log tells up to `seq` is in the documents, or the time is over. */
  waitFor(log: string, seq: bigint, timeoutMs: number): Promise<WaitOutcome> {
    const known = this.#outcome(log, seq)
    if (known === 'reached' || this.#closed) return Promise.resolve(known)
    return new Promise((resolve) => {
      const done = (outcome: WaitOutcome): void => {
        callOff()
        this.#waiters.delete(waiter)
        resolve(outcome)
      }
      const callOff = this.#options.clock.schedule(timeoutMs, () => done(this.#outcome(log, seq)))
      const waiter = { log, seq, done }
      this.#waiters.add(waiter)
      this.wake()
    })
  }

  get status(): MongoDbStatus {
    const { written, refused, corrected } = this.#options.carrier
    const place = this.#place
    const isFailing = this.#error !== null
    return {
      state: isFailing ? 'failing' : place === null ? 'starting' : place.copying === null ? 'following' : 'copying',
      reason: isFailing ? reasonOf(this.#error) : null,
      seq: place === null || place.copying !== null ? null : place.seq,
      copied: place?.copying?.copied ?? null,
      counts: { written, refused, corrected, failures: this.#failures },
    }
  }

  /** How far the documents are behind the log; null while that is not known. */
  async lag(): Promise<LogLag | null> {
    return this.#place === null ? null : this.#options.source.lagAfter(this.#place.seq)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiters) waiter.done('unavailable')
    this.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      this.#woken = false
      const result = await this.#turn()
      if (result === 'more' || (result === 'idle' && this.#woken)) continue
      await this.#pause(result === 'failed')
    }
  }

  async #turn(): Promise<'more' | 'idle' | 'failed'> {
    const { place, step, mayWork } = this.#options
    try {
      this.#learn(await place.read())
      if (!mayWork()) {
        this.#recover()
        return 'idle'
      }
      const result = await step.take(this.#place)
      if (!this.#closed && this.#waiters.size > 0) this.#learn(await place.read())
      this.#recover()
      return result
    } catch (error) {
      if (error instanceof LogChangedError) return 'more'
      this.#fail(error)
      return 'failed'
    }
  }

  #learn(place: PlaceDocument | null): void {
    this.#place = place
    for (const waiter of this.#waiters) {
      if (this.#reached(waiter.log, waiter.seq)) waiter.done('reached')
    }
  }

  #reached(log: string, seq: bigint): boolean {
    const place = this.#place
    return place !== null && place.copying === null && place.log === log && place.seq >= seq
  }

  #outcome(log: string, seq: bigint): WaitOutcome {
    if (this.#error !== null || this.#place === null) return 'unavailable'
    if (this.#place.copying !== null || this.#place.log !== log) return 'copying'
    return this.#reached(log, seq) ? 'reached' : 'behind'
  }

  #fail(error: unknown): void {
    const { logger, step } = this.#options
    this.#error = error
    this.#failures += 1
    this.#failuresInRow += 1
    step.forget()
    const level = this.#failuresInRow % TOLD_EVERY === 1 ? 'warn' : 'debug'
    logger[level](
      { error: messageOf(error), failures: this.#failuresInRow },
      'records could not be copied to MongoDB, trying again',
    )
  }

  #recover(): void {
    if (this.#error === null) return
    this.#options.logger.info({ failures: this.#failuresInRow }, 'records are copied to MongoDB again')
    this.#error = null
    this.#failuresInRow = 0
  }

  async #pause(isFailed: boolean): Promise<void> {
    const idleMs = this.#waiters.size > 0 ? WAITED_POLL_MS : POLL_MS
    const waitMs = isFailed ? Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (this.#failuresInRow - 1)) : idleMs
    await new Promise<void>((resolve) => {
      const callOff = this.#options.clock.schedule(waitMs, resolve)
      this.#wake = () => {
        // New events are no reason to knock at a closed door.
        if (isFailed && !this.#closed) return
        callOff()
        resolve()
      }
      if (this.#closed) this.#wake()
    })
    this.#wake = null
  }
}

/** What is the matter, without what tells a stranger about machines and addresses. */
function reasonOf(error: unknown): string {
  if (error instanceof MongoDbUnavailableError) return mongoDbTroubleText[error.trouble]
  if (error instanceof DatabaseUnavailableError) return troubleText[error.trouble]
  if (error instanceof MongoDbForeignError) return error.message
  return 'MongoDB refused what was written: the log tells more'
}
