import { isGeneratedSecret } from '../../index.js'
import type { Caller } from '../key-ring.js'
import type { CallerAddress } from './caller-address.js'
import { KeyedBuckets } from './keyed-buckets.js'

/** Wrong keys an address may try: one a second in the long run leaves nobody the time to guess one. */
const FAILURES = { perSecond: 1, burst: 50 }
/** Remembered pairs of an address and a key that was right. */
const PROVEN_MAX = 10_000

/** A key that an address gave, and whose it is. */
export interface KeyAttempt {
  /** Null when none was given. */
  readonly secret: string | null
  /** Null when a key is needed and this is none. */
  readonly caller: Caller | null
  readonly address: CallerAddress
}

/**
 * Bounds how many keys an address can try. Beyond the bound even a right key is refused, so that nothing is learnt from
 * the answer. Two go on, so that nobody can shut out others who come from the same address, as all do who come through a
 * proxy: a key that was right from this address before, and one that we made, since nobody guesses 256 bits.
 */
export class FailedKeys {
  readonly #failures = new KeyedBuckets(FAILURES)
  readonly #proven = new Set<string>()

  /** @returns the milliseconds until this address may try a key again; 0 when the key may be answered for what it is. */
  waitMs({ secret, caller, address, nowMs }: KeyAttempt & { readonly nowMs: number }): number {
    if (secret === null) return 0
    if (caller === null) return this.#failures.take(address.name, nowMs)
    const pair = `${address.name} ${caller.keyName}`
    if (caller.keyName === null || this.#proven.has(pair) || isGeneratedSecret(secret)) return 0
    const waitMs = this.#failures.waitMs(address.name, nowMs)
    if (waitMs > 0) return waitMs
    if (this.#proven.size >= PROVEN_MAX) this.#proven.clear()
    this.#proven.add(pair)
    return 0
  }
}
