import { performance } from 'node:perf_hooks'

import type { LimitName, ServerMetrics } from '../metrics/server-metrics.js'
import { callerAddress } from './caller-address.js'
import type { CallerAddress } from './caller-address.js'
import { ConnectionCounts } from './connection-counts.js'
import { FailedKeys } from './failed-keys.js'
import type { KeyAttempt } from './failed-keys.js'
import { KeyedBuckets } from './keyed-buckets.js'
import { RateLimitedError } from './rate-limited-error.js'
import { SnapshotLimit } from './snapshot-limit.js'
import type { Reporter, TakeSnapshot } from './snapshot-limit.js'

/** Socket.IO connections at a time. */
const CONNECTIONS_MAX = 10_000
/** Of them, from one address that is not of this machine: a building full of viewers, but not all there is. */
const CONNECTIONS_PER_ADDRESS_MAX = 500
/** REST requests of one address besides snapshots: more than people and dashboards need, less than we can answer. */
const REQUESTS = { perSecond: 500, burst: 2000 }

/** Histories that are streamed at a time. They read side by side with all others who read: more would only be slower. */
const STREAMS_MAX = 16
/** Of them, to one address that is not of this machine. */
const STREAMS_PER_ADDRESS_MAX = 8
/** When to try again: a history of a million records takes about half a minute. */
const STREAM_WAIT_MS = 5000

export interface LimitSettings {
  readonly connectionsMax?: number | undefined
  readonly connectionsPerAddressMax?: number | undefined
  /** Null: the defaults of `SnapshotLimit`. */
  readonly snapshotsPerSecond?: number | null | undefined
}

/** What callers may do to this process, over REST and Socket.IO together. Every refusal is counted. */
export class ServerLimits {
  readonly connectionsMax: number
  readonly #connections: ConnectionCounts
  readonly #snapshots: SnapshotLimit
  readonly #requests = new KeyedBuckets(REQUESTS)
  readonly #failedKeys = new FailedKeys()
  readonly #streams = new ConnectionCounts({ total: STREAMS_MAX, perAddress: STREAMS_PER_ADDRESS_MAX })
  readonly #metrics: ServerMetrics

  constructor(settings: LimitSettings, metrics: ServerMetrics) {
    this.connectionsMax = settings.connectionsMax ?? CONNECTIONS_MAX
    this.#connections = new ConnectionCounts({
      total: this.connectionsMax,
      perAddress: settings.connectionsPerAddressMax ?? CONNECTIONS_PER_ADDRESS_MAX,
    })
    this.#snapshots = new SnapshotLimit(settings.snapshotsPerSecond ?? null)
    this.#metrics = metrics
  }

  /** Snapshots a second that any connection may send at most. */
  get snapshotsPerSecondMax(): number {
    return this.#snapshots.perSecondMax
  }

  /** @throws {RateLimitedError} when the address sends too many requests. */
  admitRequest(remoteAddress: string | undefined): void {
    const waitMs = this.#requests.take(callerAddress(remoteAddress).name, performance.now())
    if (waitMs > 0) throw this.#limited('requests', 'this address sends too many requests', waitMs)
  }

  /** @throws {RateLimitedError} when the key or the address reports too much. */
  admitSnapshot(take: TakeSnapshot): void {
    const waitMs = take(performance.now())
    if (waitMs > 0) throw this.#limited('snapshots', 'too many snapshots a second', waitMs)
  }

  /**
   * Counts an answer that is streamed. @returns counts it off; call it once.
   *
   * @throws {RateLimitedError} when there are too many already
   */
  openStream(remoteAddress: string | undefined): () => void {
    const address = callerAddress(remoteAddress)
    if (this.#streams.refusal(address) === null) return this.#streams.open(address)
    throw this.#limited('streams', 'too many histories are being streamed', STREAM_WAIT_MS)
  }

  /** The limit for snapshots of one request. */
  requestReporter(keyName: string | null, remoteAddress: string | undefined): TakeSnapshot {
    return this.#snapshots.ofRequest({ keyName, address: callerAddress(remoteAddress) })
  }

  /** The limit for snapshots of one connection, and how many a second that is. */
  connectionReporter(reporter: Reporter): { readonly take: TakeSnapshot; readonly perSecond: number } {
    const take = this.#snapshots.ofConnection(reporter, performance.now())
    return { take, perSecond: this.#snapshots.perSecond(reporter) }
  }

  /** @returns the error to answer with when the address has tried too many wrong keys; null when it has not. */
  keyLimit(
    attempt: Omit<KeyAttempt, 'address'> & { readonly remoteAddress: string | undefined },
  ): RateLimitedError | null {
    const { secret, caller, remoteAddress } = attempt
    const address = callerAddress(remoteAddress)
    const waitMs = this.#failedKeys.waitMs({ secret, caller, address, nowMs: performance.now() })
    return waitMs === 0 ? null : this.#limited('failed_keys', 'too many wrong API keys came from this address', waitMs)
  }

  /** @returns the limit that a connection from this address would break; null when it may come. */
  connectionRefusal(remoteAddress: string | undefined): LimitName | null {
    return this.#counted(this.#connections.refusal(callerAddress(remoteAddress)))
  }

  /** @returns the limit that a connection with this key would break; null when it may come. */
  keyRefusal(keyName: string | null): LimitName | null {
    return this.#counted(this.#connections.keyRefusal(keyName))
  }

  /** Counts a connection. @returns counts it off; call it once. */
  openConnection(address: CallerAddress): () => void {
    return this.#connections.open(address)
  }

  /** Counts a connection of a key. @returns counts it off; call it once. */
  openWithKey(keyName: string | null): () => void {
    return this.#connections.openWithKey(keyName)
  }

  #counted(limit: LimitName | null): LimitName | null {
    if (limit !== null) this.#metrics.countLimited(limit)
    return limit
  }

  #limited(limit: LimitName, message: string, waitMs: number): RateLimitedError {
    this.#metrics.countLimited(limit)
    return new RateLimitedError(message, waitMs)
  }
}
