import type { Caller } from '../key-ring.js'
import type { CallerAddress } from './caller-address.js'
import { KeyedBuckets } from './keyed-buckets.js'
import { RateLimitedError } from './rate-limited-error.js'

/** Wrong keys an address may try: one a second in the long run leaves nobody the time to guess one. */
const FAILURES = { perSecond: 1, burst: 50 }
/** Remembered pairs of an address and a key that was right. */
const PROVEN_MAX = 10_000

/**
 * Bounds how many keys an address can try. Beyond the bound even a right key is refused, so that nothing is learnt from
 * the answer; a key that was right from this address before goes on, so that nobody can shut others out.
 */
export class FailedKeys {
  readonly #failures = new KeyedBuckets(FAILURES)
  readonly #proven = new Set<string>()

  /**
   * Finds out who the owner of a secret is.
   *
   * @returns null when a key is needed and this is none.
   * @throws {RateLimitedError}
   */
  identify(options: {
    readonly secret: string | null
    readonly address: CallerAddress
    readonly nowMs: number
    readonly identify: (secret: string | null) => Caller | null
  }): Caller | null {
    const { secret, address, nowMs } = options
    const caller = options.identify(secret)
    if (secret === null) return caller
    if (caller === null) {
      throwIfWaiting(this.#failures.take(address.name, nowMs))
      return null
    }
    if (caller.keyName === null) return caller
    const pair = `${address.name} ${caller.keyName}`
    if (!this.#proven.has(pair)) {
      throwIfWaiting(this.#failures.waitMs(address.name, nowMs))
      if (this.#proven.size >= PROVEN_MAX) this.#proven.clear()
      this.#proven.add(pair)
    }
    return caller
  }
}

function throwIfWaiting(waitMs: number): void {
  if (waitMs > 0) throw new RateLimitedError('too many wrong API keys came from this address', waitMs)
}
