export interface Rate {
  /** Tokens that come back in a second. */
  readonly perSecond: number
  /** Tokens of a full bucket: what may be taken at once after a rest. */
  readonly burst: number
}

/** Admits so much a second, and a burst after a rest. Times are milliseconds of a clock that never goes back. */
export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #filledAtMs: number

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAtMs = nowMs
  }

  /**
   * Takes one token.
   *
   * @returns 0 when there was one, else the milliseconds until there is one; nothing is taken then.
   */
  take(nowMs: number): number {
    const waitMs = this.waitMs(nowMs)
    if (waitMs === 0) this.#tokens -= 1
    return waitMs
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  waitMs(nowMs: number): number {
    const { perSecond, burst } = this.#rate
    if (this.#tokens < burst) {
      this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) * perSecond) / 1000)
    }
    this.#filledAtMs = nowMs
    if (this.#tokens >= 1) return 0
    return Math.ceil(((1 - this.#tokens) * 1000) / perSecond)
  }
}
