import type { Clock } from '../../model/clock.js'
import { messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import type { RecordCopyCounts, RecordCopyHealth } from '../../model/record-copy.js'
import { DatabaseUnavailableError, troubleText } from '../postgres/database-errors.js'
import type { CopyPlace, PlaceDocument } from './copy-place.js'
import type { CopyStep } from './copy-step.js'
import { MongoDbForeignError, MongoDbUnavailableError, mongoDbTroubleText } from './mongodb-errors.js'
import { LogChangedError } from './record-carrier.js'
import type { RecordCarrier } from './record-carrier.js'
import type { LogLag, RecordSource } from './record-source.js'

/** The place is read this often, whatever hints come. */
const POLL_MS = 1000
const RETRY_MS = 250
const RETRY_MS_MAX = 5000
/** Of failures in a row one in so many is told: about one a minute. */
const TOLD_EVERY = 12

export interface MongoDbConsumerOptions {
  readonly connect: () => Promise<void>
  readonly source: RecordSource
  readonly place: CopyPlace
  readonly step: CopyStep
  readonly carrier: RecordCarrier
  readonly clock: Clock
  readonly logger: Logger
  /** Whether it is this process that does the work, at the moment. Two at once do no harm. */
  readonly mayWork: () => boolean
}

/** How the copy in MongoDB stands, as far as this process knows. */
export interface MongoDbStatus extends Pick<RecordCopyHealth, 'state' | 'reason'> {
  readonly counts: RecordCopyCounts
}

/** Follows the event log for MongoDB, for as long as it takes: whatever fails is tried again. */
export class MongoDbConsumer {
  readonly #options: MongoDbConsumerOptions
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

  get status(): MongoDbStatus {
    const { written, refused, corrected } = this.#options.carrier
    const place = this.#place
    const isFailing = this.#error !== null
    return {
      state: isFailing ? 'failing' : place === null ? 'starting' : place.copying === null ? 'following' : 'copying',
      reason: isFailing ? reasonOf(this.#error) : null,
      counts: { written, refused, corrected, failures: this.#failures },
    }
  }

  /** How far the documents are behind the log, also while MongoDB is away. */
  lag(): Promise<LogLag> {
    return this.#options.source.lagAfter(this.#place)
  }

  async close(): Promise<void> {
    this.#closed = true
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
    const { connect, place, step, mayWork } = this.#options
    try {
      await connect()
      this.#place = await place.read()
      if (!mayWork()) {
        this.#recover()
        return 'idle'
      }
      const result = await step.take(this.#place)
      this.#recover()
      return result
    } catch (error) {
      if (error instanceof LogChangedError) return 'more'
      this.#fail(error)
      return 'failed'
    }
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
    const waitMs = isFailed ? Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (this.#failuresInRow - 1)) : POLL_MS
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
