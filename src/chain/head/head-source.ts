import type { BlockHeader } from '../../model/block.js'
import type { EndpointStatus } from '../../model/chain-state.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import type { Hash } from '../../model/position.js'
import { HeadSubscription } from '../rpc/head-subscription.js'
import type { NodeTransport } from '../rpc/node-transport.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { fetchHeaderByHash, fetchHeadersByNumber, fetchLatestHeader } from './fetch-headers.js'
import type { HeaderSource } from './link-head.js'

/** Pushed headers kept for linking, so that they are not fetched again. */
const PUSHED_MAX = 128
/** While heads are pushed, the chain is still polled at this pace, to notice a socket that is open but silent. */
const SILENCE_MS_MIN = 15_000
const POLL_MS_MIN = 100
const POLL_MS_MAX = 15_000
/** Assumed until the chain's own pace is known. */
const BLOCK_TIME_MS = 2000

export interface HeadSourceOptions {
  readonly chainId: bigint
  readonly client: RpcClient
  readonly wsUrls: readonly string[]
  /** Time between polls; null lets the source follow the chain's own pace. */
  readonly pollIntervalMs: number | null
  readonly blockTimeMs: number | null
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
}

/**
 * Tells of new heads: pushed by WebSocket, or polled at the chain's pace. What is pushed only wakes the reader; several
 * heads that arrive while it is busy become one.
 */
export class HeadSource implements HeaderSource {
  readonly #options: HeadSourceOptions
  readonly #subscription: HeadSubscription | null
  readonly #pushed = new Map<Hash, BlockHeader>()
  #newest: BlockHeader | null = null
  #wake: (() => void) | null = null
  #blockTimeMs: number
  /** When the newest head was first seen by polling. */
  #seenAtMs = 0
  #seen: BlockHeader | null = null
  /** Something may have been missed: the next look for a head does not wait. */
  #due = true

  constructor(options: HeadSourceOptions) {
    this.#options = options
    this.#blockTimeMs = options.blockTimeMs ?? BLOCK_TIME_MS
    this.#subscription =
      options.wsUrls.length === 0
        ? null
        : new HeadSubscription({
            chainId: options.chainId,
            urls: options.wsUrls,
            clock: options.clock,
            transport: options.transport,
            logger: options.logger,
            onHead: (header) => this.#push(header),
            // Heads between the last look and the subscription were pushed to nobody.
            onChange: () => this.refresh(),
          })
  }

  endpoints(): readonly EndpointStatus[] {
    return this.#subscription?.endpoints() ?? []
  }

  /** The chain's pace, as far as it is known. */
  get blockTimeMs(): number {
    return this.#blockTimeMs
  }

  /** The newest head there is, waiting until something new may be there. It may be one that is known already. */
  async next(): Promise<BlockHeader> {
    const silent = this.#newest === null && (await this.#pause()) === 'silence'
    const pushed = this.#newest
    this.#newest = null
    if (pushed !== null) return pushed
    this.#due = false
    const polled = await fetchLatestHeader(this.#options.client)
    if (silent && this.#subscription?.live === true && this.#seen !== null && polled.number > this.#seen.number) {
      this.#subscription.restart(
        `no head for ${this.#options.clock.monotonicMs() - this.#seenAtMs} ms while the chain went on`,
      )
    }
    this.#note(polled)
    return polled
  }

  /** Makes the next look for a head an immediate one: after a failure the newest head may be one that was given out. */
  refresh(): void {
    this.#due = true
    this.#wake?.()
  }

  /** Gives a head back, to be the next one again. */
  again(head: BlockHeader): void {
    this.#newest ??= head
  }

  async byHash(hash: Hash): Promise<BlockHeader> {
    return this.#pushed.get(hash) ?? fetchHeaderByHash(this.#options.client, hash)
  }

  byNumber(first: bigint, count: number): Promise<readonly BlockHeader[]> {
    return fetchHeadersByNumber(this.#options.client, first, count)
  }

  close(): void {
    this.#subscription?.close()
    this.#wake?.()
  }

  #push(header: BlockHeader): void {
    this.#pushed.set(header.hash, header)
    if (this.#pushed.size > PUSHED_MAX) {
      const [oldest] = this.#pushed.keys()
      if (oldest !== undefined) this.#pushed.delete(oldest)
    }
    this.#newest = header
    this.#note(header)
    this.#wake?.()
  }

  /** Learns the chain's pace from block timestamps, which unlike arrival times do not jitter. */
  #note(header: BlockHeader): void {
    const seen = this.#seen
    if (seen !== null && header.hash === seen.hash) return
    const blocks = seen === null ? 0 : Number(header.number - seen.number)
    if (seen !== null && blocks > 0) {
      const measuredMs = ((header.timestampSeconds - seen.timestampSeconds) * 1000) / blocks
      this.#blockTimeMs = 0.8 * this.#blockTimeMs + 0.2 * Math.min(Math.max(measuredMs, POLL_MS_MIN), 60_000)
    }
    this.#seen = header
    this.#seenAtMs = this.#options.clock.monotonicMs()
  }

  /** @returns `silence` when heads should have been pushed all the while, and none was. */
  async #pause(): Promise<'silence' | 'due'> {
    const { signal } = this.#options.client
    signal.throwIfAborted()
    const waitMs = this.#waitMs()
    const pushed = this.#subscription?.live === true && !this.#due
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        callOff()
        signal.removeEventListener('abort', finish)
        this.#wake = null
        resolve()
      }
      const callOff = this.#options.clock.schedule(waitMs, finish)
      signal.addEventListener('abort', finish)
      this.#wake = finish
    })
    signal.throwIfAborted()
    return pushed && !this.#due ? 'silence' : 'due'
  }

  /**
   * Polling aims just before the next block is due, so that it costs little more than one request per block, and then
   * asks at a fifth of the block time until the block is there.
   */
  #waitMs(): number {
    if (this.#due || this.#seen === null) return 0
    if (this.#subscription?.live === true) return Math.max(SILENCE_MS_MIN, 3 * this.#blockTimeMs)
    if (this.#options.pollIntervalMs !== null) return this.#options.pollIntervalMs
    const dueInMs = this.#seenAtMs + 0.97 * this.#blockTimeMs - this.#options.clock.monotonicMs()
    return Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, dueInMs > 0 ? dueInMs : this.#blockTimeMs / 5))
  }
}
