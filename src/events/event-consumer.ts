import type { Clock } from '../model/clock.js'
import { RetryableError, messageOf } from '../model/errors.js'
import type { LoggedEvent } from '../model/event.js'
import type { Logger } from '../model/logger.js'
import type { ConsumerStore } from './consumer-store.js'
import type { EventLog } from './event-log.js'
import type { EventTailer, LogBreak } from './event-tailer.js'

/** A place is stored after so many events at most: these come again after a crash. */
export const EVENTS_PER_PLACE = 100
/** And after this time at most. */
const PLACE_MS = 100
/** Events per read of one that is behind. */
const PAGE_SIZE = 500
/** Events of the tailer kept for one that is slower; beyond it they are read from the log. */
const RECENT_MAX = 1000
const RETRY_MS_MAX = 5000
const RETRY_MS = 250
/** Once the work has to end, a handler is waited for no longer than this. */
const LAST_HANDLER_MS = 3000

/** Another process has this reader's place, or it was removed. */
export class ConsumerTakenError extends RetryableError {
  readonly code = 'consumer_taken'
}

export interface EventConsumerOptions {
  readonly name: string
  readonly places: Pick<ConsumerStore, 'open' | 'move'>
  readonly log: Pick<EventLog, 'head' | 'read'>
  readonly tailer: Pick<EventTailer, 'seq' | 'subscribe' | 'onBreak'>
  readonly clock: Clock
  readonly logger: Logger
  /** Waited for, so that the next event comes after it. Must end by itself; what it throws is logged. */
  readonly handle: (event: LoggedEvent) => Promise<void>
  /** Told when events were passed over, or when the log goes on from an earlier state. */
  readonly onBreak: (reason: LogBreak) => void
}

/**
 * Hands every event after a stored place to a handler, in order, and moves the place behind it.
 *
 * Invariant: the stored place is never ahead of what was handled. A crash repeats up to {@link EVENTS_PER_PLACE} events and
 * loses none.
 */
export class EventConsumer {
  readonly #options: EventConsumerOptions

  constructor(options: EventConsumerOptions) {
    this.#options = options
  }

  /**
   * Goes on until the signal is aborted.
   *
   * @param epoch of the lease that allows it
   * @throws {ConsumerTakenError} when somebody else has the place by now
   */
  async run(epoch: bigint, signal: AbortSignal): Promise<void> {
    await new ConsumerRun(this.#options, epoch, signal).run()
  }
}

class ConsumerRun {
  readonly #options: EventConsumerOptions
  readonly #epoch: bigint
  readonly #signal: AbortSignal
  /** What the tailer has handed out and is still to be handled, without a gap. */
  #recent: LoggedEvent[] = []
  #logChanged = false
  #wake: (() => void) | null = null
  #log = ''
  /** Events up to it were handled. */
  #seq = 0n
  #stored = 0n
  #storedAtMs: number

  constructor(options: EventConsumerOptions, epoch: bigint, signal: AbortSignal) {
    this.#options = options
    this.#epoch = epoch
    this.#signal = signal
    this.#storedAtMs = options.clock.monotonicMs()
  }

  async run(): Promise<void> {
    const { tailer } = this.#options
    const wake = (): void => this.#wake?.()
    // Before the place is read, so that nothing can come in between.
    const stops = [tailer.subscribe((event) => this.#onEvent(event)), tailer.onBreak((reason) => this.#onBreak(reason))]
    this.#signal.addEventListener('abort', wake)
    try {
      await this.#open()
      await this.#follow()
    } finally {
      for (const stop of stops) stop()
      this.#signal.removeEventListener('abort', wake)
    }
  }

  /** Goes to the stored place, and tells when the log has got another name since it was stored. */
  async #open(): Promise<void> {
    const { places, log, name, onBreak, logger } = this.#options
    const place = await places.open(name, this.#epoch)
    if (place === null) throw this.#taken()
    const head = await log.head()
    this.#log = head.log
    this.#stored = place.seq
    // The place comes back together with the log, so it is beyond its end only if somebody moved it by hand.
    this.#seq = place.seq > head.seq ? head.seq : place.seq
    if (place.log === head.log) return
    if (place.log !== null) {
      logger.warn(
        { consumer: name, seq: this.#seq.toString() },
        'the event log had lost its end, and goes on from here',
      )
      onBreak('log_changed')
    }
    await this.#store()
  }

  async #follow(): Promise<void> {
    let failures = 0
    while (!this.#signal.aborted) {
      try {
        await this.#step()
        failures = 0
      } catch (error) {
        if (error instanceof ConsumerTakenError) throw error
        failures += 1
        const level = failures === 1 ? 'warn' : 'debug'
        const { logger, name } = this.#options
        logger[level]({ consumer: name, error: messageOf(error) }, 'events cannot be read on, trying again')
        await this.#sleep(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1)))
      }
    }
    if (this.#stored !== this.#seq) await this.#store()
  }

  async #step(): Promise<void> {
    if (this.#logChanged) await this.#reopen()
    const events = await this.#next()
    if (events.length > 0) return this.#handleAll(events)
    if (this.#stored === this.#seq) await this.#pause(null)
    else {
      await this.#pause(this.#storeInMs())
      if (this.#recent.length === 0) await this.#store()
    }
  }

  /** Numbers may mean other events now: what is stored beside them tells where to go on. */
  async #reopen(): Promise<void> {
    this.#recent = []
    // It may change once more meanwhile.
    this.#logChanged = false
    try {
      await this.#open()
    } catch (error) {
      this.#logChanged = true
      throw error
    }
  }

  /** What comes next, as far as it is known: from memory, or else from the log. */
  async #next(): Promise<readonly LoggedEvent[]> {
    const { tailer, log } = this.#options
    const first = this.#recent.findIndex((event) => event.seq > this.#seq)
    if (first === -1) this.#recent = []
    if (this.#recent[first]?.seq === this.#seq + 1n) {
      const known = this.#recent.slice(first)
      this.#recent = []
      return known
    }
    return tailer.seq > this.#seq ? log.read(this.#seq, PAGE_SIZE) : []
  }

  async #handleAll(events: readonly LoggedEvent[]): Promise<void> {
    const { name, logger, onBreak } = this.#options
    for (const event of events) {
      if (this.#signal.aborted || this.#logChanged) return
      if (event.seq > this.#seq + 1n) {
        logger.warn({ consumer: name, seq: this.#seq.toString() }, 'events were deleted before they were handled')
        onBreak('expired')
      }
      if (!(await this.#handle(event))) return
      this.#seq = event.seq
      if (this.#seq - this.#stored >= EVENTS_PER_PLACE || this.#storeInMs() === 0) await this.#store()
    }
  }

  /** @returns false when the work had to end before the handler did */
  async #handle(event: LoggedEvent): Promise<boolean> {
    const { handle, clock, logger, name } = this.#options
    const handled = handle(event).catch((error: unknown) => {
      logger.error({ consumer: name, seq: event.seq.toString(), error: messageOf(error) }, 'event handler failed')
    })
    return finishedInTime(handled, this.#signal, clock)
  }

  /** @throws {ConsumerTakenError} */
  async #store(): Promise<void> {
    const { places, name, clock } = this.#options
    const seq = this.#seq
    const moved = await places.move(name, this.#epoch, { log: this.#log, seq })
    this.#storedAtMs = clock.monotonicMs()
    if (!moved) throw this.#taken()
    this.#stored = seq
  }

  #taken(): ConsumerTakenError {
    return new ConsumerTakenError(
      `expected to hold the place of ${this.#options.name}, but it has another holder or was removed`,
    )
  }

  #storeInMs(): number {
    return Math.max(0, this.#storedAtMs + PLACE_MS - this.#options.clock.monotonicMs())
  }

  #onEvent(event: LoggedEvent): void {
    // One that does not keep up reads from the log.
    if (this.#recent.length >= RECENT_MAX) this.#recent = []
    this.#recent.push(event)
    this.#wake?.()
  }

  #onBreak(reason: LogBreak): void {
    if (reason === 'log_changed') this.#logChanged = true
    this.#recent = []
    this.#wake?.()
  }

  async #sleep(durationMs: number): Promise<void> {
    await this.#options.clock.sleep(durationMs, this.#signal).catch(() => undefined)
  }

  /** @param waitMs null: until something happens */
  async #pause(waitMs: number | null): Promise<void> {
    if (this.#signal.aborted || this.#recent.length > 0 || this.#logChanged) return
    await new Promise<void>((resolve) => {
      const callOff = waitMs === null ? () => undefined : this.#options.clock.schedule(waitMs, resolve)
      this.#wake = () => {
        callOff()
        resolve()
      }
    })
    this.#wake = null
  }
}

/** Whether the work is done before the signal has been aborted for too long. */
async function finishedInTime(work: Promise<void>, signal: AbortSignal, clock: Clock): Promise<boolean> {
  let callOff = (): void => undefined
  let late: () => void = () => undefined
  const lastMoment = new Promise<false>((resolve) => {
    late = () => {
      callOff = clock.schedule(LAST_HANDLER_MS, () => resolve(false))
    }
  })
  signal.addEventListener('abort', late)
  if (signal.aborted) late()
  try {
    return await Promise.race([work.then(() => true), lastMoment])
  } finally {
    signal.removeEventListener('abort', late)
    callOff()
  }
}
