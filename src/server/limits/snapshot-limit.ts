import type { CallerAddress } from './caller-address.js'
import { KeyedBuckets } from './keyed-buckets.js'
import type { Rate } from './token-bucket.js'
import { TokenBucket } from './token-bucket.js'

/** Snapshots a second of one connection from this machine, when nobody needs a key. */
const LOCAL_SNAPSHOTS_PER_SECOND = 5000
/** Snapshots a second of one key, and of one address, otherwise. */
const SNAPSHOTS_PER_SECOND = 1000
/** After a rest, the snapshots of so many seconds may come at once. */
const BURST_SECONDS = 2

export interface Reporter {
  /** Name of the key; null without one. */
  readonly keyName: string | null
  readonly address: CallerAddress
}

/** Takes what one snapshot costs: 0 when it may be taken, else the milliseconds until it may. */
export type TakeSnapshot = (nowMs: number) => number

/**
 * How many snapshots a second are taken: of a key, however many connections and requests use it, and of an address,
 * however many keys come from it. Addresses of this machine do not count, since a proxy here would make one caller of all.
 */
export class SnapshotLimit {
  readonly #localRate: Rate
  readonly #byKey: KeyedBuckets
  readonly #byAddress: KeyedBuckets
  readonly #local: KeyedBuckets
  readonly #perSecond: number | null

  /** @param perSecond null: the defaults above. */
  constructor(perSecond: number | null) {
    this.#perSecond = perSecond
    const rate = toRate(perSecond ?? SNAPSHOTS_PER_SECOND)
    this.#localRate = toRate(perSecond ?? LOCAL_SNAPSHOTS_PER_SECOND)
    this.#byKey = new KeyedBuckets(rate)
    this.#byAddress = new KeyedBuckets(rate)
    this.#local = new KeyedBuckets(this.#localRate)
  }

  /** Snapshots a second that the freest reporter may send. */
  get perSecondMax(): number {
    return this.#perSecond ?? LOCAL_SNAPSHOTS_PER_SECOND
  }

  /** Snapshots a second that this one may send. */
  perSecond(reporter: Reporter): number {
    return this.#perSecond ?? (isLocal(reporter) ? LOCAL_SNAPSHOTS_PER_SECOND : SNAPSHOTS_PER_SECOND)
  }

  /** The limit of one connection; without a key, connections of this machine have a limit each. */
  ofConnection(reporter: Reporter, nowMs: number): TakeSnapshot {
    if (!isLocal(reporter)) return this.ofRequest(reporter)
    const bucket = new TokenBucket(this.#localRate, nowMs)
    return (now) => bucket.take(now)
  }

  /** The limit of a request that stands for itself. */
  ofRequest(reporter: Reporter): TakeSnapshot {
    const { keyName, address } = reporter
    return (nowMs) => {
      if (isLocal(reporter)) return this.#local.take(address.name, nowMs)
      const addressWaitMs = address.isLoopback ? 0 : this.#byAddress.waitMs(address.name, nowMs)
      if (addressWaitMs > 0) return addressWaitMs
      const keyWaitMs = keyName === null ? 0 : this.#byKey.take(keyName, nowMs)
      if (keyWaitMs === 0 && !address.isLoopback) this.#byAddress.take(address.name, nowMs)
      return keyWaitMs
    }
  }
}

function isLocal({ keyName, address }: Reporter): boolean {
  return keyName === null && address.isLoopback
}

function toRate(perSecond: number): Rate {
  return { perSecond, burst: perSecond * BURST_SECONDS }
}
