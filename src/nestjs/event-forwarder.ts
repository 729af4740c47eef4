import { setTimeout as sleep } from 'node:timers/promises'

import type { EventEmitter2, EventEmitterReadinessWatcher } from '@nestjs/event-emitter'

import { RetryableError } from '../index.js'
import type { LoggedEvent, Logger, ManagerEvents, StopConsuming } from '../index.js'
import { toNestEvent } from './balance-events.js'
import type { BalanceManagerEvents } from './balance-events.js'
import type { ModuleSettings } from './module-options.js'

const RETRY_MS = 1000

export interface EventForwarderOptions {
  readonly settings: ModuleSettings
  readonly emitter: EventEmitter2
  readonly listeners: EventEmitterReadinessWatcher | undefined
}

/** Emits the events of the log for `@OnEvent` handlers, which are waited for. */
export class EventForwarder {
  readonly #options: EventForwarderOptions
  readonly #closed = new AbortController()
  #running: Promise<StopConsuming | null> = Promise.resolve(null)

  constructor(options: EventForwarderOptions) {
    this.#options = options
  }

  /** Begins as soon as the handlers of the application are there. */
  start(events: ManagerEvents): void {
    if (this.#options.settings.delivery !== 'none') this.#running = this.#begin(events)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    const stop = await this.#running
    await stop?.()
  }

  async #begin(events: ManagerEvents): Promise<StopConsuming | null> {
    const { settings, emitter, listeners } = this.#options
    const { signal } = this.#closed
    const { logger } = settings
    if (!(await this.#untilHandlersAreThere(listeners, logger))) return null
    const { group, handlerTimeoutMs } = settings
    const delivery = settings.delivery === 'every-process' ? settings.delivery : 'group'
    const handler = (event: LoggedEvent): Promise<unknown> => {
      const { name, payload } = toNestEvent(event)
      return emitter.emitAsync(name, payload)
    }
    const onBreak = (reason: BalanceManagerEvents['events.break']['reason']): void => {
      const payload: BalanceManagerEvents['events.break'] = { reason }
      emitter.emit('events.break', payload)
    }
    while (!signal.aborted) {
      try {
        return await events.consume({ handler, onBreak, delivery, group, handlerTimeoutMs })
      } catch (error) {
        if (!(error instanceof RetryableError)) {
          if (!signal.aborted) logger.error({ error }, 'events are not emitted')
          return null
        }
        logger.warn({ error }, 'events cannot be read yet, trying again')
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
    return null
  }

  /** @returns false when the application closes before that */
  async #untilHandlersAreThere(listeners: EventEmitterReadinessWatcher | undefined, logger: Logger): Promise<boolean> {
    const { signal } = this.#closed
    const closed = new Promise<false>((resolve) => {
      signal.addEventListener('abort', () => resolve(false), { once: true })
    })
    const ready = listeners?.waitUntilReady().then(
      () => true,
      (error: unknown) => {
        logger.error({ error }, 'event handlers could not be registered')
        return true
      },
    )
    return Promise.race([ready ?? true, closed])
  }
}
