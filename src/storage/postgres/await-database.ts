import { ClosedError } from '../../model/errors.js'
import { systemClock } from '../../model/clock.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import { DatabaseUnavailableError, troubleText } from './database-errors.js'

/** How long a command waits for a database that is about to come up. */
export const DATABASE_WAIT_MS = 8000

const RETRY_MS = 250
const RETRY_MS_MAX = 5000
/** An outage that lasts is told of again this often. */
const REMIND_MS = 60_000

export interface DatabaseWait {
  /** Infinity waits for ever. */
  readonly waitMs: number
  readonly logger: Logger
  readonly clock?: Clock | undefined
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
  /** Told of each failure that is waited out. */
  readonly onTrouble?: ((error: DatabaseUnavailableError) => void) | undefined
}

/**
 * Tries until the database can be used, or for as long as is allowed. Any other failure ends it: waiting does not help
 * against a wrong password or a newer schema.
 *
 * @throws {ClosedError} when the signal ended it
 */
export async function untilDatabaseAnswers<Result>(
  attempt: () => Promise<Result>,
  options: DatabaseWait,
): Promise<Result> {
  const { signal, clock = systemClock } = options
  const outage = new Outage(options.logger.child({ component: 'database' }), clock)
  for (let failures = 1; ; failures += 1) {
    try {
      const result = await attempt()
      outage.end()
      return result
    } catch (error) {
      if (signal?.aborted === true) throw closedWhileWaiting(error)
      const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1))
      if (!(error instanceof DatabaseUnavailableError) || outage.durationMs + waitMs > options.waitMs) throw error
      outage.note(error)
      options.onTrouble?.(error)
      await clock.sleep(waitMs, signal).catch((reason: unknown) => {
        throw closedWhileWaiting(reason)
      })
    }
  }
}

function closedWhileWaiting(cause: unknown): ClosedError {
  return new ClosedError('closed while the database was waited for', { cause })
}

/** Tells of an outage once for each thing that is the matter, rarely while nothing changes, and when it is over. */
class Outage {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #beganAtMs: number
  #told: { readonly trouble: string; readonly atMs: number } | null = null

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
    this.#beganAtMs = clock.monotonicMs()
  }

  get durationMs(): number {
    return this.#clock.monotonicMs() - this.#beganAtMs
  }

  note({ trouble, message }: DatabaseUnavailableError): void {
    const nowMs = this.#clock.monotonicMs()
    const told = this.#told
    if (told?.trouble === trouble && nowMs - told.atMs < REMIND_MS) return
    this.#told = { trouble, atMs: nowMs }
    this.#logger.warn(
      { reason: troubleText[trouble], error: message, waitedSeconds: Math.round(this.durationMs / 1000) },
      told?.trouble === trouble ? 'still waiting for the database' : 'waiting for the database',
    )
  }

  end(): void {
    if (this.#told === null) return
    this.#logger.info({ waitedSeconds: Math.round(this.durationMs / 1000) }, 'the database is there')
  }
}
