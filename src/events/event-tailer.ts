import type { Clock } from '../model/clock.js'
import type { LoggedEvent } from '../model/event.js'
import type { Logger } from '../model/logger.js'
import { messageOf } from '../model/errors.js'
import { encodeEvent } from './event-codec.js'
import type { EventLog, EventLogHead } from './event-log.js'

/** A process reads the log at least this often, whatever hints come. */
export const TAIL_POLL_MS = 250
/** Whether the log still is the one that was followed is looked at this often, while nothing new is in it. */
const LOG_CHECK_MS = 1000
/** Events per read: bounds the memory of one step. */
const PAGE_SIZE = 1000
const RETRY_MS_MAX = 5000
/** Of failures in a row one in so many is told: about one a minute. */
const TOLD_EVERY = 12

export interface EventTailerOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly logger: Logger
}

type EventHandler = (event: LoggedEvent) => void

/**
 * Why events were passed over: the log lost its end, and goes on with others; or what came next was deleted by retention
 * before it was read.
 */
export type LogBreak = 'log_changed' | 'expired'

type BreakHandler = (reason: LogBreak) => void

/**
 * Follows the event log and hands each event to every subscriber, once, in order.
 *
 * Invariant: `seq` is the newest event that all subscribers have been given; it moves only after they were called. When
 * the database is away the tailer waits and goes on from the same place. Where that cannot be, whoever wants to know is
 * told of a break, with `seq` already where it goes on.
 */
export class EventTailer {
  readonly #log: EventLog
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #handlers = new Set<EventHandler>()
  readonly #breakHandlers = new Set<BreakHandler>()
  #head: EventLogHead | null = null
  #seq = 0n
  /** The event at `#seq`, once it is known. */
  #last: LoggedEvent | null = null
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #closed = false
  #wake: (() => void) | null = null
  #woken = false
  #stopListening: (() => Promise<void>) | null = null
  #running: Promise<void> | null = null

  constructor(options: EventTailerOptions) {
    this.#log = options.log
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** Starts at the newest event: what is older is read by `EventLog.read`. */
  async start(): Promise<void> {
    this.#head = await this.#log.head()
    this.#seq = this.#head.seq
    this.#stopListening = this.#log.listen(() => this.wake())
    this.#running = this.#run()
  }

  /** The newest event handed out. */
  get seq(): bigint {
    return this.#seq
  }

  /** The identity of the log that is followed. */
  get logId(): string {
    return this.#head?.log ?? ''
  }

  subscribe(handler: EventHandler): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  /** Calls the handler whenever events were passed over that nobody was given. */
  onBreak(handler: BreakHandler): () => void {
    this.#breakHandlers.add(handler)
    return () => this.#breakHandlers.delete(handler)
  }

  /**
   * Hands out events that this process has just committed, as far as they come next: they need not be read back then. The
   * rest, and what others committed in between, is read.
   */
  offer(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (this.#closed || this.#running === null || event.seq !== this.#seq + 1n) return this.wake()
      this.#handToAll(event)
    }
    if (events.length === 0) this.wake()
  }

  /** Reads now instead of at the next poll. */
  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    await this.#stopListening?.()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#closed) {
      this.#woken = false
      try {
        const more = await this.#step()
        failures = 0
        if (more) continue
      } catch (error) {
        failures += 1
        // An outage is worth a line when it begins, and one now and then.
        const level = failures % TOLD_EVERY === 1 ? 'warn' : 'debug'
        this.#logger[level]({ error: messageOf(error), failures }, 'event log could not be read, trying again')
      }
      if (!this.#closed && (!this.#woken || failures > 0)) await this.#pause(failures)
    }
  }

  /** @returns true when a full page came, so that more may be waiting. */
  async #step(): Promise<boolean> {
    const { seq } = this
    const last = this.#last
    // The event at our place comes once more: it tells whether this still is the log that was followed.
    const page = await this.#log.read(seq - 1n, PAGE_SIZE + 1)
    const known = page.find((event) => event.seq === seq)
    if (last !== null && known !== undefined && !isSame(last, known)) {
      this.#goTo(await this.#log.rename(this.logId, null))
      return false
    }
    if (this.#seq === seq) this.#last = known ?? last
    if (page.at(-1)?.seq === known?.seq) await this.#checkLog()
    for (const event of page) {
      if (this.#closed) return false
      // Offered while this page was read.
      if (event.seq <= this.#seq) continue
      if (event.seq > this.#seq + 1n) this.#goOnAfter(event.seq - 1n, 'expired')
      this.#handToAll(event)
    }
    return page.length > PAGE_SIZE
  }

  /** A log without anything new may be one that has lost what we have seen, and gives out the same numbers again. */
  async #checkLog(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#checkedAtMs < LOG_CHECK_MS) return
    const { seq, logId } = this
    const head = await this.#log.head()
    // Of several processes that see it one gives the new name, which the others find.
    this.#goTo(head.seq < seq ? await this.#log.rename(logId, seq) : head)
    this.#checkedAtMs = nowMs
  }

  /** Goes on at the head of a log, if it is another one. */
  #goTo(head: EventLogHead): void {
    if (this.#closed || head.log === this.logId) return
    this.#logger.warn(
      { seen: this.#seq.toString(), seq: head.seq.toString(), log: head.log },
      'the event log is not the one that was followed: the database was restored, or a standby took over',
    )
    this.#head = head
    this.#goOnAfter(head.seq, 'log_changed')
  }

  #goOnAfter(seq: bigint, reason: LogBreak): void {
    this.#seq = seq
    this.#last = null
    for (const handler of this.#breakHandlers) handler(reason)
  }

  #handToAll(event: LoggedEvent): void {
    for (const handler of this.#handlers) this.#hand(handler, event)
    this.#seq = event.seq
    this.#last = event
  }

  /** One subscriber's failure is its own: the others still get the event. */
  #hand(handler: EventHandler, event: LoggedEvent): void {
    try {
      handler(event)
    } catch (error) {
      this.#logger.error(
        { error: messageOf(error), seq: event.seq.toString(), type: event.type },
        'event handler failed',
      )
    }
  }

  async #pause(failures: number): Promise<void> {
    const waitMs = failures === 0 ? TAIL_POLL_MS : Math.min(RETRY_MS_MAX, TAIL_POLL_MS * 2 ** (failures - 1))
    await new Promise<void>((resolve) => {
      const callOff = this.#clock.schedule(waitMs, resolve)
      this.#wake = () => {
        callOff()
        resolve()
      }
    })
    this.#wake = null
  }
}

function isSame(one: LoggedEvent, other: LoggedEvent): boolean {
  if (one.type === 'snapshot.saved') return other.type === 'snapshot.saved' && other.data.id === one.data.id
  return one.type === other.type && encodeEvent(one) === encodeEvent(other)
}
