import type { Clock } from '../../model/clock.js'
import { RateLimitedError } from './rpc-errors.js'

/** Calls per second at first: more than a provider's paid plan usually takes, so that only refusals slow us down. */
const RATE_START = 500
const RATE_MAX = 1000
const RATE_MIN = 1
/** What each answered call adds to the rate. */
const RATE_GAIN = 0.1
/** HTTP requests under way to one endpoint. */
const CONCURRENT_MAX = 16
/** Requests that wait for their turn; more than this is a fault of ours, and refused. */
const WAITING_MAX = 1000

interface Waiting {
  readonly calls: number
  readonly admit: () => void
}

/**
 * Lets requests to one endpoint through at the rate it takes: every refusal halves the rate, every answer raises it a
 * little. Calls of a batch count one by one, as providers count them.
 */
export class RequestGate {
  readonly #clock: Clock
  #rate = RATE_START
  #tokens = RATE_START
  #filledAtMs: number
  #halvedAtMs = Number.NEGATIVE_INFINITY
  #restUntilMs = Number.NEGATIVE_INFINITY
  #active = 0
  #waiting: Waiting[] = []
  #callOff: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonicMs()
  }

  /** Calls per second that are let through. */
  get rate(): number {
    return this.#rate
  }

  /** How long the endpoint asked to be left alone; 0 when it did not. */
  get restMs(): number {
    return Math.max(0, this.#restUntilMs - this.#clock.monotonicMs())
  }

  /**
   * Runs a request when it is its turn.
   *
   * @throws {RateLimitedError} without asking, when too many wait already
   */
  async pass<Result>(calls: number, signal: AbortSignal, send: () => Promise<Result>): Promise<Result> {
    await this.#enter(calls, signal)
    const startedAtMs = this.#clock.monotonicMs()
    try {
      const result = await send()
      this.#rate = Math.min(RATE_MAX, this.#rate + RATE_GAIN * calls)
      return result
    } catch (error) {
      if (error instanceof RateLimitedError) this.refused(startedAtMs, error.retryAfterMs)
      throw error
    } finally {
      this.#active -= 1
      this.#admit()
    }
  }

  /** The endpoint refused a request that was sent at `startedAtMs`. Refusals of one burst halve the rate once. */
  refused(startedAtMs: number, retryAfterMs: number | undefined): void {
    const nowMs = this.#clock.monotonicMs()
    if (retryAfterMs !== undefined) this.#restUntilMs = Math.max(this.#restUntilMs, nowMs + retryAfterMs)
    if (startedAtMs < this.#halvedAtMs) return
    this.#fill()
    this.#rate = Math.max(RATE_MIN, this.#rate / 2)
    this.#tokens = Math.min(this.#tokens, this.#rate)
    this.#halvedAtMs = nowMs
  }

  async #enter(calls: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#waiting.length >= WAITING_MAX) {
      throw new RateLimitedError(`expected at most ${WAITING_MAX} waiting requests to one endpoint, got more`)
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== own)
        reject(signal.reason as Error)
        // Its timer has nobody left to wake.
        this.#admit()
      }
      const own: Waiting = {
        calls,
        admit: () => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        },
      }
      signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(own)
      this.#admit()
    })
  }

  /** A request larger than what is left passes and leaves a debt: a batch that exceeds the rate still gets its turn. */
  #admit(): void {
    this.#callOff?.()
    this.#callOff = null
    this.#fill()
    while (this.#active < CONCURRENT_MAX && this.#tokens > 0 && this.restMs === 0) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#active += 1
      this.#tokens -= next.calls
      next.admit()
    }
    if (this.#waiting.length === 0 || this.#active >= CONCURRENT_MAX) return
    const debtMs = this.#tokens > 0 ? 0 : ((1 - this.#tokens) / this.#rate) * 1000
    this.#callOff = this.#clock.schedule(Math.max(1, Math.ceil(Math.max(debtMs, this.restMs))), () => this.#admit())
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(this.#rate, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * this.#rate)
    this.#filledAtMs = nowMs
  }
}
