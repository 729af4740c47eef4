import type { Clock } from '../model/clock.js'
import { messageOf } from '../model/errors.js'
import type { Logger } from '../model/logger.js'
import type { ConsumerStore } from './consumer-store.js'

const INTERVAL_MS = 6 * 3_600_000
/** Nobody is so slow: the reader was given up, or stands still. */
const LAGGING_DAYS = 3

export interface ConsumerWatchOptions {
  readonly consumers: Pick<ConsumerStore, 'lagging'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Tells of readers that are far behind: as long as they are registered, nothing that they have not read is deleted. */
export class ConsumerWatch {
  readonly #options: ConsumerWatchOptions
  #callOff: () => void = () => undefined
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: ConsumerWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#looking = this.#look()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#callOff()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { consumers, logger, clock } = this.#options
    try {
      for (const { name, seq, ageDays } of await consumers.lagging(LAGGING_DAYS)) {
        logger.warn(
          { consumer: name, seq: seq.toString(), days: Math.floor(ageDays) },
          'a reader of the event log is far behind, and keeps all later events from being deleted: ' +
            'remove its row from tidemark.event_consumer if it is not used any more',
        )
      }
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'readers of the event log could not be looked at')
    }
    if (!this.#closed) this.#callOff = clock.schedule(INTERVAL_MS, () => this.start())
  }
}
