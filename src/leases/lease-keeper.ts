import type { Clock } from '../model/clock.js'
import { ClosedError, messageOf } from '../model/errors.js'
import type { Logger } from '../model/logger.js'
import { LeaseLostError } from './lease-store.js'
import type { HeldLease, Lease, LeaseStore } from './lease-store.js'

/** How long a lease holds unless it is renewed: after a crash nobody does the work for about this long. */
export const LEASE_MS = 5000
/** Renewed twice before it would run out. */
const RENEWALS_PER_LEASE = 3
/** A renewal that failed is tried again after this. */
const RENEW_AGAIN_MS = 250
/** How often a lease that another process has is asked for, give or take a quarter. */
const ASK_MS = 1000
/** Work that ended is begun again after this, and after twice as long each time it ends soon, up to the maximum. */
const PAUSE_MS = 250
const PAUSE_MS_MAX = 10_000
/** A lease that cannot be released runs out by itself, so closing does not wait longer for it. */
const RELEASE_TIMEOUT_MS = 2000

export interface LeaseKeeperOptions {
  /** What the lease is for. One keeper for each name in a process. */
  readonly name: string
  /** This process, unlike every other and every earlier one. */
  readonly holder: string
  readonly leases: LeaseStore
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Done while the lease is held, by one process at a time. Has to end soon once the signal is aborted, and is begun
   * again when it ends before.
   */
  readonly work: (lease: Lease, signal: AbortSignal) => Promise<void>
  /** Told with each renewal to those who look at the lease. */
  readonly note?: (() => string) | undefined
  readonly durationMs?: number | undefined
}

/** What became of asking for the lease the last time. */
export type LeaseStanding =
  | { readonly kind: 'asking' }
  /** This process has it, and does the work. */
  | { readonly kind: 'held' }
  | { readonly kind: 'elsewhere'; readonly held: HeldLease }
  /** Nobody has it: it is asked for again in a moment. */
  | { readonly kind: 'free' }
  /** The store did not answer, `failures` times in a row. */
  | { readonly kind: 'unknown'; readonly error: unknown; readonly failures: number }

interface Renewal {
  /** When the lease runs out, by the clock of this process. */
  readonly endsAtMs: number
  /** Stops the work. */
  readonly stopped: AbortController
  /** Aborted when the work has ended. */
  readonly until: AbortSignal
}

/**
 * Tries to get a lease, and does the work while it has it.
 *
 * Invariant: the signal is aborted before the lease runs out by the database's clock. Time is counted from before the
 * statement was sent that took or renewed the lease, so the database counts from a later moment. A process that was
 * frozen cannot keep to that: what it writes has to be refused by the lease's epoch.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  readonly #durationMs: number
  readonly #closed = new AbortController()
  #standing: LeaseStanding = { kind: 'asking' }
  #running: Promise<void> | null = null

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#durationMs = options.durationMs ?? LEASE_MS
  }

  get standing(): LeaseStanding {
    return this.#standing
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Waits for the work to end and lets the lease go, so that the next process has it at once. */
  async close(): Promise<void> {
    this.#closed.abort(new ClosedError(`the lease ${this.#options.name} is given up`))
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closed
    while (!signal.aborted) {
      const askedAtMs = clock.monotonicMs()
      const lease = await this.#ask()
      if (lease !== null) await this.#hold(lease, askedAtMs + this.#durationMs)
      await pause(clock, ASK_MS * (0.75 + clock.random() / 2), signal)
    }
  }

  async #ask(): Promise<Lease | null> {
    const { leases, name, holder, logger } = this.#options
    try {
      const held = await leases.look(name)
      if (held !== null && held.holder !== holder) {
        this.#standing = { kind: 'elsewhere', held }
        return null
      }
      this.#standing = { kind: 'free' }
      return await leases.acquire(name, holder, this.#durationMs)
    } catch (error) {
      const failures = this.#standing.kind === 'unknown' ? this.#standing.failures + 1 : 1
      this.#standing = { kind: 'unknown', error, failures }
      if (failures === 1) logger.warn({ lease: name, error: messageOf(error) }, 'lease cannot be asked for')
      return null
    }
  }

  /** @param endsAtMs when the lease runs out, by the clock of this process */
  async #hold(lease: Lease, endsAtMs: number): Promise<void> {
    const { logger, name } = this.#options
    const { signal: closed } = this.#closed
    const stopped = new AbortController()
    const stop = (): void => stopped.abort(closed.reason)
    closed.addEventListener('abort', stop)
    if (closed.aborted) stop()
    this.#standing = { kind: 'held' }
    logger.info({ lease: name, epoch: lease.epoch.toString() }, 'lease taken')
    // Renewed until the work has ended, also while it winds up.
    const worked = new AbortController()
    const renewal = this.#renew(lease, { endsAtMs, stopped, until: worked.signal })
    try {
      await this.#work(lease, stopped.signal)
    } finally {
      worked.abort()
      await renewal
      closed.removeEventListener('abort', stop)
      this.#standing = { kind: 'free' }
    }
    const reason: unknown = stopped.signal.reason
    if (reason instanceof LeaseLostError) logger.warn({ lease: name, reason: reason.message }, 'lease lost')
    else await this.#release(lease)
  }

  /** Stops the work when the lease is lost, or was not renewed for too long. */
  async #renew(lease: Lease, { endsAtMs, stopped, until }: Renewal): Promise<void> {
    const { leases, clock, name, logger, note } = this.#options
    const usualMs = this.#durationMs / RENEWALS_PER_LEASE
    let lost = false
    const lose = (reason: string): void => {
      lost = true
      stopped.abort(new LeaseLostError(reason))
    }
    const loseAt = (atMs: number): (() => void) =>
      clock.schedule(Math.max(0, atMs - clock.monotonicMs()), () =>
        lose(`the lease ${name} could not be renewed within ${this.#durationMs} ms`),
      )
    let callOff = loseAt(endsAtMs)
    let waitMs = usualMs
    while ((await pause(clock, waitMs, until)) && !lost) {
      const sentAtMs = clock.monotonicMs()
      try {
        const renewed = await untilAborted(leases.renew(lease, this.#durationMs, note?.()), until)
        if (lost) break
        if (!renewed) {
          lose(`another process has the lease ${name}`)
          break
        }
        callOff()
        callOff = loseAt(sentAtMs + this.#durationMs)
        waitMs = usualMs
      } catch (error) {
        if (until.aborted) break
        logger.debug({ lease: name, error: messageOf(error) }, 'lease could not be renewed, trying again')
        waitMs = Math.min(RENEW_AGAIN_MS, usualMs)
      }
    }
    callOff()
  }

  async #work(lease: Lease, signal: AbortSignal): Promise<void> {
    const { work, clock, logger, name } = this.#options
    let pauseMs = PAUSE_MS
    while (!signal.aborted) {
      const beganAtMs = clock.monotonicMs()
      try {
        await work(lease, signal)
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ lease: name, error: messageOf(error) }, 'work under a lease failed')
        // What was to be written under it was refused: whoever has it by now, it is to be asked for anew.
        if (error instanceof LeaseLostError) return
      }
      if (clock.monotonicMs() - beganAtMs > PAUSE_MS_MAX) pauseMs = PAUSE_MS
      await pause(clock, pauseMs, signal)
      pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)
    }
  }

  async #release(lease: Lease): Promise<void> {
    const { leases, clock, logger, name } = this.#options
    const late = new AbortController()
    const callOff = clock.schedule(RELEASE_TIMEOUT_MS, () => late.abort(new ClosedError('no answer in time')))
    try {
      await untilAborted(leases.release(lease), late.signal)
    } catch (error) {
      logger.debug({ lease: name, error: messageOf(error) }, 'lease could not be released, it runs out by itself')
    } finally {
      callOff()
    }
  }
}

/** @returns false when it was ended by the signal */
async function pause(clock: Clock, durationMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(durationMs, signal)
    return !signal.aborted
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

/** An answer that comes after the signal is not waited for. */
function untilAborted<Result>(answer: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(asError(signal.reason))
    const done = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    answer.then(resolve, reject).finally(done)
  })
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
