import type { Rate } from './token-bucket.js'
import { TokenBucket } from './token-bucket.js'

/** Buckets kept: callers choose their addresses, so there has to be an end. */
const BUCKETS_MAX = 10_000

/**
 * A bucket for each name. The one that was used longest ago makes room for a new one; it is full again by then, unless
 * more names than there is room for are in use at once.
 */
export class KeyedBuckets {
  readonly #rate: Rate
  readonly #max: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(rate: Rate, max: number = BUCKETS_MAX) {
    this.#rate = rate
    this.#max = max
  }

  get size(): number {
    return this.#buckets.size
  }

  /** @returns 0 when a token of this name was taken, else the milliseconds until there is one. */
  take(name: string, nowMs: number): number {
    return this.#bucket(name, nowMs).take(nowMs)
  }

  /** Milliseconds until there is a token of this name; takes none. */
  waitMs(name: string, nowMs: number): number {
    return this.#buckets.get(name)?.waitMs(nowMs) ?? 0
  }

  #bucket(name: string, nowMs: number): TokenBucket {
    const known = this.#buckets.get(name)
    const bucket = known ?? new TokenBucket(this.#rate, nowMs)
    // A map keeps its order of insertion: what is used goes to the end.
    if (known !== undefined) this.#buckets.delete(name)
    else if (this.#buckets.size >= this.#max) this.#dropOldest()
    this.#buckets.set(name, bucket)
    return bucket
  }

  #dropOldest(): void {
    const oldest = this.#buckets.keys().next()
    if (oldest.done !== true) this.#buckets.delete(oldest.value)
  }
}
