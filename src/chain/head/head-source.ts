import type { BlockHeader } from '../../model/block.js'
import type { EndpointStatus } from '../../model/chain-state.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import type { Hash } from '../../model/position.js'
import type { ChainStatus } from '../chain-status.js'
import { HeadSubscription } from '../rpc/head-subscription.js'
import type { NodeTransport } from '../rpc/node-transport.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import { askForHash, heldBack } from './agree-on-head.js'
import { fetchHeaderByHash, fetchHeadersByNumber, fetchNamedHead } from './fetch-headers.js'
import type { NamedHead } from './fetch-headers.js'
import { linkedPrefix } from './link-head.js'
import type { HeaderSource } from './link-head.js'

/** Pushed headers kept for linking, so that they are not fetched again. */
const PUSHED_MAX = 128
/** While heads are pushed, the chain is still polled at this pace, to notice a socket that is open but silent. */
const SILENCE_MS_MIN = 15_000
const POLL_MS_MIN = 100
const POLL_MS_MAX = 15_000
/** A pushed head further above the last one than this is looked up: what is pushed is only a hint. */
const PUSHED_LEAP_BLOCKS = 64n
/** However busy the socket is, the endpoints are asked for their head now and then: the socket's node may lag. */
const LOOK_MS_MIN = 60_000
const LOOK_BLOCKS = 10
/** Beyond this age of the newest head the chain counts as halted. */
const HALTED_MS_MIN = 120_000
const HALTED_BLOCKS = 20
/** Beyond this age of the newest head the other endpoints are looked at. */
const OVERDUE_BLOCKS = 5
/** Endpoints that only lack a block have this long to get it before the head counts as disputed. */
const AGREEMENT_MS_MIN = 5000
const AGREEMENT_BLOCKS = 3
const AGREEMENT_PAUSE_MS = 250
/** Assumed until the chain's own pace is known. */
const BLOCK_TIME_MS = 2000

export interface HeadSourceOptions {
  readonly chainId: bigint
  readonly client: RpcClient
  readonly wsUrls: readonly string[]
  /** Time between polls; null lets the source follow the chain's own pace. */
  readonly pollIntervalMs: number | null
  readonly blockTimeMs: number | null
  /** HTTP endpoints that must show the same hash before a head counts; 1 when absent. */
  readonly agreement?: number
  /** Is told what keeps heads from coming. */
  readonly status: Pick<ChainStatus, 'disputed' | 'silent'>
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
}

interface HighestSeen {
  readonly number: bigint
  readonly atMs: number
}

interface HeadsSeen {
  readonly seen: BlockHeader | null
  readonly highest: HighestSeen | null
  readonly blockTimeMs: number
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
  /** The newest head that was polled. */
  #named: NamedHead | null = null
  /** What was known before the newest head, which may turn out to be none. */
  #before: HeadsSeen | null = null
  /** When the newest head was first seen by polling. */
  #seenAtMs = 0
  #seen: BlockHeader | null = null
  /** The highest block seen, and when: a chain that only changes its newest blocks makes none. */
  #highest: HighestSeen | null = null
  /** Something may have been missed: the next look for a head does not wait. */
  #due = true
  /** When the endpoints were last asked for their head. */
  #lookedAtMs = 0

  constructor(options: HeadSourceOptions) {
    this.#options = options
    this.#lookedAtMs = options.clock.monotonicMs()
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

  /**
   * The newest head there is, waiting until something new may be there. It may be one that is known already. With an
   * agreement, a head is held back until enough endpoints show it.
   */
  async next(): Promise<BlockHeader> {
    for (;;) {
      const head = await this.#nextShown()
      const reason = await this.#disagreement(head)
      if (reason === null) return head
      this.#options.status.disputed(reason)
      this.#options.logger.warn({ block: head.number.toString(), reason }, 'head is held back')
      this.#options.client.turnAway()
      await this.#options.clock.sleep(AGREEMENT_PAUSE_MS, this.#options.client.signal)
      this.refresh()
    }
  }

  async #nextShown(): Promise<BlockHeader> {
    const silent = this.#newest === null && (await this.#pause()) === 'silence'
    const pushed = this.#newest
    this.#newest = null
    if (pushed !== null && !this.#mustLook()) return pushed
    this.#due = false
    this.#lookedAtMs = this.#options.clock.monotonicMs()
    const named = await fetchNamedHead(this.#options.client)
    const polled = named.header
    this.#named = named
    if (silent && this.#subscription?.live === true && this.#seen !== null && polled.number > this.#seen.number) {
      this.#subscription.restart(
        `no head for ${this.#options.clock.monotonicMs() - this.#seenAtMs} ms while the chain went on`,
      )
    }
    this.#note(polled)
    this.#watchSilence()
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

  /**
   * Makes sure that a head far ahead is one: what it leads to cannot be checked block by block.
   *
   * @param byMost not fewer endpoints must show it than lack it; otherwise one will do
   * @throws {BlockUnavailableError}
   */
  async confirm(head: BlockHeader, byMost: boolean): Promise<void> {
    const { agreeing, contradicting, lacking } = await askForHash(this.#options.client, head)
    if (agreeing > 0 && (!byMost || agreeing >= contradicting + lacking)) return
    if (agreeing === 0 && contradicting + lacking > 0) this.#disown(head)
    throw new BlockUnavailableError(
      `block ${head.number} (${head.hash}) was named as the head: ${agreeing} endpoints show it, ` +
        `${contradicting} another block, ${lacking} none`,
    )
  }

  /** What a head leads to could not be had: where no endpoint shows it, whoever named it is not asked for a while. */
  async doubt(head: BlockHeader): Promise<void> {
    const { agreeing, contradicting, lacking } = await askForHash(this.#options.client, head)
    if (agreeing === 0 && contradicting + lacking > 0) this.#disown(head)
  }

  async byHash(hash: Hash): Promise<BlockHeader> {
    return this.#pushed.get(hash) ?? fetchHeaderByHash(this.#options.client, hash)
  }

  /** @throws {BlockUnavailableError} when too few endpoints show the headers */
  async byNumber(first: bigint, count: number): Promise<readonly BlockHeader[]> {
    const headers = await fetchHeadersByNumber(this.#options.client, first, count)
    if ((this.#options.agreement ?? 1) === 1) return headers
    // The last of linked headers stands for all of them.
    const linked = linkedPrefix(headers)
    const last = linked.at(-1)
    const reason = last === undefined ? null : await this.#disagreement(last)
    if (reason !== null) throw new BlockUnavailableError(reason)
    return linked
  }

  close(): void {
    this.#subscription?.close()
    this.#wake?.()
  }

  #push(header: BlockHeader): void {
    if (this.#seen !== null && header.number > this.#seen.number + PUSHED_LEAP_BLOCKS) return this.refresh()
    this.#pushed.set(header.hash, header)
    if (this.#pushed.size > PUSHED_MAX) {
      const [oldest] = this.#pushed.keys()
      if (oldest !== undefined) this.#pushed.delete(oldest)
    }
    // A lower head that comes late adds nothing to a higher one; if it is a shorter chain, a look will tell.
    if (this.#newest !== null && header.number < this.#newest.number) this.#due = true
    else this.#newest = header
    this.#note(header)
    this.#wake?.()
  }

  #disown(head: BlockHeader): void {
    const reason = `block ${head.number} (${head.hash}) was named as the head, and no endpoint has it`
    if (this.#named?.header.hash === head.hash) this.#options.client.namedUnfoundedHead(this.#named.place, reason)
    if (this.#pushed.delete(head.hash)) this.#subscription?.restart(reason)
    if (this.#newest?.hash === head.hash) this.#newest = null
    if (this.#seen?.hash === head.hash && this.#before !== null) {
      this.#seen = this.#before.seen
      this.#highest = this.#before.highest
      this.#blockTimeMs = this.#before.blockTimeMs
    }
    this.refresh()
  }

  /** Whether the endpoints are asked although a head was pushed. */
  #mustLook(): boolean {
    const intervalMs = Math.max(LOOK_MS_MIN, LOOK_BLOCKS * this.#blockTimeMs)
    return this.#options.clock.monotonicMs() - this.#lookedAtMs > intervalMs
  }

  /** Waits, within limits, for endpoints that only lack the block. @returns why the head does not count, or null */
  async #disagreement(head: BlockHeader): Promise<string | null> {
    const { client, clock, agreement = 1 } = this.#options
    if (agreement === 1) return null
    const patienceMs = Math.max(AGREEMENT_MS_MIN, AGREEMENT_BLOCKS * this.#blockTimeMs)
    const startedAtMs = clock.monotonicMs()
    for (;;) {
      const voices = await askForHash(client, head)
      const reason = heldBack(head, voices, agreement)
      if (reason === null) {
        this.#options.status.disputed(null)
        return null
      }
      if (voices.contradicting > 0 || clock.monotonicMs() - startedAtMs >= patienceMs) return reason
      await clock.sleep(AGREEMENT_PAUSE_MS, client.signal)
    }
  }

  /** A chain may halt, or only the endpoint in use. */
  #watchSilence(): void {
    const { client, clock, status } = this.#options
    if (this.#highest === null) return
    const quietMs = clock.monotonicMs() - this.#highest.atMs
    if (quietMs > OVERDUE_BLOCKS * this.#blockTimeMs) client.lookAround()
    if (quietMs <= Math.max(HALTED_MS_MIN, HALTED_BLOCKS * this.#blockTimeMs)) return
    status.silent(`no block above ${this.#highest.number} for ${Math.round(quietMs / 1000)} s`)
  }

  /** Learns the chain's pace from block timestamps, which unlike arrival times do not jitter. */
  #note(header: BlockHeader): void {
    const seen = this.#seen
    if (seen !== null && header.hash === seen.hash) return
    this.#before = { seen, highest: this.#highest, blockTimeMs: this.#blockTimeMs }
    const blocks = seen === null ? 0 : Number(header.number - seen.number)
    if (seen !== null && blocks > 0) {
      const measuredMs = ((header.timestampSeconds - seen.timestampSeconds) * 1000) / blocks
      this.#blockTimeMs = 0.8 * this.#blockTimeMs + 0.2 * Math.min(Math.max(measuredMs, POLL_MS_MIN), 60_000)
    }
    if (this.#highest === null || header.number > this.#highest.number) {
      this.#highest = { number: header.number, atMs: this.#options.clock.monotonicMs() }
      this.#options.status.silent(null)
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
    // A block that is long overdue is asked for ever more rarely.
    const againInMs = Math.max(this.#blockTimeMs / 5, -dueInMs / 10)
    return Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, dueInMs > 0 ? dueInMs : againInMs))
  }
}
