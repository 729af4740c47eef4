import { randomUUID } from 'node:crypto'

import { EventConsumer } from '../events/event-consumer.js'
import type { EventConsumerOptions } from '../events/event-consumer.js'
import { ConsumerWatch } from '../events/consumer-watch.js'
import { livePlace } from '../events/live-place.js'
import type { ConsumerStore } from '../events/consumer-store.js'
import type { EventLog } from '../events/event-log.js'
import type { EventTailer, LogBreak } from '../events/event-tailer.js'
import { LeaseKeeper } from '../leases/lease-keeper.js'
import type { LeaseStore } from '../leases/lease-store.js'
import type { Clock } from '../model/clock.js'
import { ClosedError, messageOf } from '../model/errors.js'
import type { LoggedEvent } from '../model/event.js'
import type { Logger } from '../model/logger.js'
import { InvalidArgumentError } from './manager-errors.js'
import { shown } from './require-argument.js'

/** A handler that takes longer is not waited for any more, so that the events after it are handed out. */
export const HANDLER_TIMEOUT_MS = 30_000
/** The longest time that a timer can be set to, 24.8 days: beyond it one ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1
const RETRY_MS = 1000
const DEFAULT_GROUP = 'default'
const groupPattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/

/** How to read the event log with {@link ManagerEvents.consume}. */
export interface ConsumeOptions {
  /**
   * Called for each event, one at a time and in order of `seq`. What it returns is waited for; a failure is logged, and
   * the event is not handed out again.
   */
  readonly handler: (event: LoggedEvent) => unknown
  /**
   * `group`, the default: each event goes to one process of the group, at least once, also what was committed while none
   * was running. `every-process`: to this process, from now on, and nothing is made up for.
   */
  readonly delivery?: 'group' | 'every-process' | undefined
  /** Processes that share the events: `default` unless told. Letters, digits, `.`, `_` and `-`. */
  readonly group?: string | undefined
  /** Told when the log lost its end (a restore, a standby that lacked commits) or events were deleted unread. */
  readonly onBreak?: ((reason: LogBreak) => void) | undefined
  /** After which time a handler is no longer waited for: 30 seconds unless told. */
  readonly handlerTimeoutMs?: number | undefined
}

/** Ends the handing out; resolves when the handler has ended and the place is stored. */
export type StopConsuming = () => Promise<void>

export interface ConsumerGroupsOptions {
  readonly consumers: ConsumerStore
  readonly leases: LeaseStore
  readonly log: EventLog
  readonly tailer: EventTailer
  readonly clock: Clock
  readonly logger: Logger
  /** As a lease usually is, unless told. */
  readonly leaseMs?: number | undefined
}

type Member = Pick<ConsumeOptions, 'handler' | 'onBreak'> & { readonly timeoutMs: number }

interface Group {
  readonly members: Set<Member>
  readonly close: () => Promise<void>
}

/** The groups of which this process is a part: one reader for each, however many handlers it has here. */
export class ConsumerGroups {
  readonly #options: ConsumerGroupsOptions
  readonly #watch: ConsumerWatch
  readonly #groups = new Map<string, Group>()
  readonly #live = new Set<StopConsuming>()
  /** Ends under way, which the close waits for. */
  readonly #ending = new Set<Promise<void>>()
  #closed = false

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options
    this.#watch = new ConsumerWatch(options)
  }

  /** Begins to look after groups that are left behind. */
  start(): void {
    this.#watch.start()
  }

  /**
   * Hands events out from now on; the first time that a group is named, this is where it starts.
   *
   * @throws {InvalidArgumentError}
   */
  async consume(options: ConsumeOptions): Promise<StopConsuming> {
    const { handler, onBreak, delivery } = options
    if (typeof handler !== 'function') {
      throw new InvalidArgumentError(`handler: expected a function, got ${shown(handler)}`)
    }
    const { group, timeoutMs } = requireConsumption(options)
    const member: Member = { handler, onBreak, timeoutMs }
    this.#throwIfClosed()
    return delivery === 'every-process' ? this.#consumeHere(member) : this.#join(group, member)
  }

  /** Waits for handlers under way, within bounds, and stores how far they came. */
  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#live) void stop()
    for (const name of this.#groups.keys()) this.#end(name)
    await Promise.all([...this.#ending, this.#watch.close()])
  }

  async #join(group: string, member: Member): Promise<StopConsuming> {
    const name = `group:${group}`
    await this.#options.consumers.register(name)
    this.#throwIfClosed()
    const joined = this.#groups.get(name) ?? this.#begin(name)
    joined.members.add(member)
    return async () => {
      joined.members.delete(member)
      if (joined.members.size === 0 && this.#groups.get(name) === joined) this.#end(name)
      await Promise.all(this.#ending)
    }
  }

  #begin(name: string): Group {
    const { consumers, leases, clock, logger, leaseMs } = this.#options
    const members = new Set<Member>()
    const consumer = new EventConsumer(this.#consumerOptions(name, members, consumers))
    const keeper = new LeaseKeeper({
      name: `consumer:${name}`,
      holder: randomUUID(),
      durationMs: leaseMs,
      leases,
      clock,
      logger: logger.child({ consumer: name }),
      work: async ({ epoch }, signal) => {
        // It may have been removed: whoever is still running goes on with what comes then.
        await consumers.register(name)
        await consumer.run(epoch, signal)
      },
    })
    const group: Group = { members, close: () => keeper.close() }
    this.#groups.set(name, group)
    keeper.start()
    return group
  }

  #end(name: string): void {
    const group = this.#groups.get(name)
    this.#groups.delete(name)
    if (group !== undefined) this.#untilEnded(group.close())
  }

  /** The same reader with a place of its own that nobody stores. */
  #consumeHere(member: Member): StopConsuming {
    const { tailer } = this.#options
    const stopped = new AbortController()
    const consumer = new EventConsumer(this.#consumerOptions('this process', new Set([member]), livePlace(tailer)))
    const running = this.#keepRunning(consumer, stopped.signal)
    const stop = async (): Promise<void> => {
      stopped.abort()
      this.#live.delete(stop)
      this.#untilEnded(running)
      await running
    }
    this.#live.add(stop)
    return stop
  }

  async #keepRunning(consumer: EventConsumer, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options
    while (!signal.aborted) {
      try {
        await consumer.run(0n, signal)
      } catch (error) {
        logger.warn({ error: messageOf(error) }, 'events cannot be handed out, trying again')
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  #consumerOptions(
    name: string,
    members: ReadonlySet<Member>,
    places: Pick<ConsumerStore, 'open' | 'move'>,
  ): EventConsumerOptions {
    const { log, tailer, clock, logger } = this.#options
    return {
      name,
      places,
      log,
      tailer,
      clock,
      logger,
      handle: async (event) => {
        await Promise.all([...members].map((member) => handleInTime(member, event, { clock, logger, name })))
      },
      onBreak: (reason) => {
        for (const { onBreak } of members) tellBreak(() => onBreak?.(reason), logger)
      },
    }
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new ClosedError('the balance manager was closed')
  }

  #untilEnded(end: Promise<void>): void {
    this.#ending.add(end)
    void end.finally(() => this.#ending.delete(end))
  }
}

/**
 * What is left open, filled in.
 *
 * @throws {InvalidArgumentError}
 */
export function requireConsumption(
  {
    group = DEFAULT_GROUP,
    handlerTimeoutMs: timeoutMs = HANDLER_TIMEOUT_MS,
    delivery = 'group',
  }: Pick<ConsumeOptions, 'group' | 'handlerTimeoutMs'> & { readonly delivery?: string | undefined },
  deliveries: readonly string[] = ['group', 'every-process'],
): { readonly group: string; readonly timeoutMs: number } {
  if (!(timeoutMs > 0 && timeoutMs <= TIMER_MS_MAX)) {
    throw new InvalidArgumentError(
      `handlerTimeoutMs: expected a positive number up to ${TIMER_MS_MAX}, got ${shown(timeoutMs)}`,
    )
  }
  if (typeof group !== 'string' || !groupPattern.test(group)) {
    throw new InvalidArgumentError(`group: expected up to 64 letters, digits, ".", "_" or "-", got ${shown(group)}`)
  }
  if (!deliveries.includes(delivery)) {
    throw new InvalidArgumentError(`delivery: expected one of ${deliveries.join(', ')}, got ${shown(delivery)}`)
  }
  return { group, timeoutMs }
}

/** One member's failure, or slowness, is its own. */
async function handleInTime(
  { handler, timeoutMs }: Member,
  event: LoggedEvent,
  { clock, logger, name }: { clock: Clock; logger: Logger; name: string },
): Promise<void> {
  const fields = { consumer: name, seq: event.seq.toString(), type: event.type }
  const handled = callHandler(handler, event).catch((error: unknown) => {
    logger.error({ ...fields, error: messageOf(error) }, 'event handler failed')
  })
  let callOff = (): void => undefined
  const late = new Promise<void>((resolve) => {
    callOff = clock.schedule(timeoutMs, () => {
      logger.error({ ...fields, timeoutMs }, 'event handler took too long: events go on without waiting for it')
      resolve()
    })
  })
  await Promise.race([handled, late])
  callOff()
}

async function callHandler(handler: Member['handler'], event: LoggedEvent): Promise<void> {
  await handler(event)
}

function tellBreak(tell: () => void, logger: Logger): void {
  try {
    tell()
  } catch (error) {
    logger.error({ error: messageOf(error) }, 'break handler failed')
  }
}
