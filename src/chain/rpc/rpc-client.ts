import { setMaxListeners } from 'node:events'

import type { Clock } from '../../model/clock.js'
import type { EndpointStatus } from '../../model/chain-state.js'
import { RetryableError, TidemarkError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { chooseEndpoint } from './choose-endpoint.js'
import type { LearnedCapabilities } from './endpoint-capabilities.js'
import type { NodeTransport } from './node-transport.js'
import type { RpcCall, RpcOutcome } from './http-endpoint.js'
import { PooledEndpoint } from './pooled-endpoint.js'
import { decodeQuantity } from './quantity.js'
import {
  AllEndpointsFailedError,
  BlockUnavailableError,
  RateLimitedError,
  StateUnavailableError,
  TransportError,
  WrongChainError,
} from './rpc-errors.js'

/** Tries of one piece of work, over all endpoints; with many endpoints each gets one. */
const ATTEMPTS_MIN = 5
const BACKOFF_MS = 100
const BACKOFF_MS_MAX = 2000
/** When every endpoint wants to be left alone for longer than this, that is said at once. */
const REST_WAIT_MS_MAX = 30_000
/** An endpoint that is less preferred is used for so long before the order is looked at again. */
const PREFER_AGAIN_MS = 60_000
/** Endpoints that are not in use are looked at this often, to know their lag and their chain. */
const SURVEY_MS = 60_000
/** When the chain seems to stand still, the others are looked at, but not more often than this. */
const LOOK_AROUND_MS = 5000
/** A head this far above all others is a fault, not a measure of the others' lag. */
const HEAD_LEAP_BLOCKS = 1000n

/** What work on one endpoint may do. All of it goes to the same node, so its answers belong together. */
export interface EndpointSession {
  readonly host: string
  /** Which endpoint of the pool it is. */
  readonly place: number
  /** What was learned of the endpoint, kept as long as the endpoint is. */
  readonly memory: Map<string, unknown>
  readonly capabilities: LearnedCapabilities
  request(method: string, params: readonly unknown[]): Promise<unknown>
  /** Outcomes in the order of the calls. A failure that may pass is thrown; a node's own error is an outcome. */
  batch(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]>
  /** Tells the pool of the newest block that this endpoint has shown. */
  sawHead(head: bigint): void
}

export interface RunOptions {
  /** Prefers an endpoint other than the one used last: for a second opinion. */
  readonly elsewhere?: boolean
  /** After which the work is given up, tries and waits between them included; without a limit when absent. */
  readonly timeoutMs?: number
  /** Prefers endpoints at other places than these, without moving to one. */
  readonly avoid?: ReadonlySet<number>
}

/** What one endpoint said when all were asked. */
export type EndpointVoice<Result> =
  | { readonly ok: true; readonly place: number; readonly result: Result }
  | { readonly ok: false; readonly place: number; readonly error: unknown }

export interface RpcClientOptions {
  readonly chainId: bigint
  /** In order of preference. */
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** The endpoints of one chain: stays with one while it does well, tries the others when it does not. */
export class RpcClient {
  readonly #chainId: bigint
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #endpoints: readonly PooledEndpoint[]
  #inUse: number | null = null
  #chosenAtMs = 0
  #surveyedAtMs: number[]
  readonly #surveyed = new Set<number>()
  readonly requests: Map<string, number> = new Map()
  readonly errors: Map<string, number> = new Map()

  constructor(options: RpcClientOptions) {
    this.#chainId = options.chainId
    this.#logger = options.logger
    this.#clock = options.clock
    this.#signal = options.signal
    // Each request under way listens; the gates bound how many there are.
    setMaxListeners(0, options.signal)
    const onRequest = (method: string): void => void this.requests.set(method, (this.requests.get(method) ?? 0) + 1)
    const { chainId, clock, transport, logger } = options
    this.#endpoints = options.urls.map(
      (url, place) => new PooledEndpoint({ chainId, place, url, clock, transport, logger, onRequest }),
    )
    this.#surveyedAtMs = options.urls.map(() => clock.monotonicMs())
  }

  get clock(): Clock {
    return this.#clock
  }

  get signal(): AbortSignal {
    return this.#signal
  }

  /** How many endpoints there are. */
  get size(): number {
    return this.#endpoints.length
  }

  endpoints(): readonly EndpointStatus[] {
    return this.#endpoints.map((endpoint) => endpoint.status())
  }

  request(method: string, params: readonly unknown[]): Promise<unknown> {
    return this.run((session) => session.request(method, params))
  }

  batch(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
    return this.run((session) => session.batch(calls))
  }

  /**
   * Does a piece of work on one endpoint, and again on the next when the failure may pass.
   *
   * @throws {TidemarkError} the node's own error at once; the last failure when no try succeeded; a TransportError when
   * the time is over.
   */
  async run<Result>(work: (session: EndpointSession) => Promise<Result>, options: RunOptions = {}): Promise<Result> {
    const { timeoutMs } = options
    if (timeoutMs === undefined) return this.#try(work, options, this.#signal)
    const limit = new AbortController()
    const stop = (): void => limit.abort(this.#signal.reason)
    const callOff = this.#clock.schedule(timeoutMs, () =>
      limit.abort(new TransportError(`no endpoint answered within ${Math.round(timeoutMs)} ms`)),
    )
    this.#signal.addEventListener('abort', stop)
    try {
      return await this.#try(work, options, limit.signal)
    } finally {
      callOff()
      this.#signal.removeEventListener('abort', stop)
    }
  }

  async #try<Result>(
    work: (session: EndpointSession) => Promise<Result>,
    options: RunOptions,
    signal: AbortSignal,
  ): Promise<Result> {
    const attemptsMax = Math.max(ATTEMPTS_MIN, this.#endpoints.length)
    const avoided = new Set<number>(options.avoid)
    if (options.elsewhere === true && this.#inUse !== null) avoided.add(this.#inUse)
    const isAside = options.elsewhere === true || (options.avoid?.size ?? 0) > 0
    let lastError: unknown
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (attempt > 0) await this.#backOff(attempt, { error: lastError, avoided, signal })
      this.#signal.throwIfAborted()
      signal.throwIfAborted()
      const endpoint = this.#choose(avoided)
      if (!isAside) this.#use(endpoint.place)
      try {
        await endpoint.verify(signal)
        const result = await work(this.#session(endpoint, signal))
        endpoint.succeeded()
        this.#survey()
        return result
      } catch (error) {
        if (this.#signal.aborted) throw error
        // Too slow for this is not too slow for other work.
        signal.throwIfAborted()
        lastError = error
        this.#failed(endpoint, error)
        if (!(error instanceof RetryableError) && !(error instanceof WrongChainError)) throw error
        avoided.add(endpoint.place)
      }
    }
    if (lastError instanceof BlockUnavailableError || lastError instanceof StateUnavailableError) throw lastError
    throw new AllEndpointsFailedError(`no endpoint answered after ${attemptsMax} tries: ${messageOf(lastError)}`, {
      cause: lastError,
      hint: 'Check the RPC URLs of this chain and the provider’s status.',
    })
  }

  /**
   * Asks every endpoint at once that is not down, without moving to another one: for questions on which they should
   * agree.
   *
   * @param timeoutMs after which an endpoint counts as silent
   */
  async askEach<Result>(
    work: (session: EndpointSession) => Promise<Result>,
    timeoutMs: number,
  ): Promise<readonly EndpointVoice<Result>[]> {
    const limit = new AbortController()
    const callOff = this.#clock.schedule(timeoutMs, () => limit.abort())
    const signal = AbortSignal.any([this.#signal, limit.signal])
    const asked = this.#endpoints.filter(({ health }) => health.downMs === 0)
    try {
      return await Promise.all(
        (asked.length === 0 ? this.#endpoints : asked).map(async (endpoint): Promise<EndpointVoice<Result>> => {
          const { place } = endpoint
          try {
            await endpoint.verify(signal)
            return { ok: true, place, result: await work(this.#session(endpoint, signal)) }
          } catch (error) {
            // Too slow for a question is not too slow for work.
            if (!signal.aborted) this.#failed(endpoint, error)
            return { ok: false, place, error }
          }
        }),
      )
    } finally {
      callOff()
      this.#signal.throwIfAborted()
    }
  }

  /** Looks at the endpoints that are not in use, beside the work: the one in use may be the one that stands still. */
  lookAround(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#surveyedAtMs = this.#surveyedAtMs.map((atMs) =>
      nowMs - atMs < LOOK_AROUND_MS ? atMs : Number.NEGATIVE_INFINITY,
    )
    this.#survey()
  }

  /** An endpoint named a head that nobody has: others are used for a while, where there are any. */
  namedUnfoundedHead(place: number, message: string): void {
    const endpoint = this.#endpoints[place]
    if (endpoint === undefined || this.#endpoints.length === 1) return
    this.#logger.warn({ endpoint: endpoint.host, error: message }, 'rpc endpoint names a head that nobody has')
    endpoint.health.namedUnfoundedHead(message)
    // Its lead made the others look as if they lagged.
    for (const { health } of this.#endpoints) health.forgetLag()
    if (this.#inUse === place) this.turnAway()
  }

  /** Each endpoint is asked for its chain again before it is used: one may have come to serve another. */
  doubtChain(): void {
    for (const endpoint of this.#endpoints) endpoint.doubtChain()
  }

  /** Leaves the endpoint in use for another one that is well, if there is one: what it says is in doubt. */
  turnAway(): void {
    if (this.#inUse === null) return
    this.#use(this.#choose(new Set([this.#inUse])).place)
  }

  #session(endpoint: PooledEndpoint, signal: AbortSignal): EndpointSession {
    const { host, place, memory, capabilities } = endpoint
    return {
      host,
      place,
      memory,
      capabilities,
      request: (method, params) => endpoint.request({ method, params }, signal),
      batch: (calls) => endpoint.batch(calls, signal),
      sawHead: (head) => endpoint.health.sawHead(head, this.#bestHead(head)),
    }
  }

  /** @param avoided places that were tried; they are used again only when nothing else is well */
  #choose(avoided: ReadonlySet<number>): PooledEndpoint {
    const others = this.#endpoints.filter(({ place, health }) => !avoided.has(place) && health.downMs === 0)
    const candidates = others.length > 0 ? others : this.#endpoints
    if (candidates.length === 0) throw new AllEndpointsFailedError(`chain ${this.#chainId} has no RPC endpoint`)
    const afresh = this.#clock.monotonicMs() - this.#chosenAtMs >= PREFER_AGAIN_MS
    const inUse = afresh ? -1 : candidates.findIndex(({ place }) => place === this.#inUse)
    const states = candidates.map(({ health, gate }) => ({
      downMs: Math.max(health.downMs, gate.restMs),
      failures: health.failures,
      costMs: health.costMs,
    }))
    const chosen = candidates[chooseEndpoint(states, inUse === -1 ? null : inUse)]
    if (chosen === undefined) throw new Error('invariant: an endpoint is chosen among the candidates')
    if (chosen.gate.restMs > REST_WAIT_MS_MAX) {
      throw new AllEndpointsFailedError(
        `every endpoint asks to be left alone, the first for another ${Math.ceil(chosen.gate.restMs / 1000)} s`,
        { hint: 'The provider’s plan may be used up; another endpoint helps.' },
      )
    }
    return chosen
  }

  #use(place: number): void {
    if (place !== this.#inUse || this.#clock.monotonicMs() - this.#chosenAtMs >= PREFER_AGAIN_MS) {
      this.#chosenAtMs = this.#clock.monotonicMs()
    }
    if (this.#inUse !== null && place !== this.#inUse) {
      this.#logger.info({ endpoint: this.#endpoints[place]?.host }, 'another rpc endpoint is used')
    }
    this.#inUse = place
  }

  #bestHead(head: bigint): bigint {
    const heads = [head, ...this.#endpoints.flatMap(({ health }) => (health.head === null ? [] : [health.head]))]
    const [best = head, second = best] = heads.toSorted((a, b) => (a < b ? 1 : -1))
    return best - second > HEAD_LEAP_BLOCKS ? second : best
  }

  #failed(endpoint: PooledEndpoint, error: unknown): void {
    const kind = error instanceof TidemarkError ? error.code : 'unexpected'
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1)
    // The node is well, it only lacks this block: another endpoint may have it.
    if (error instanceof BlockUnavailableError || error instanceof StateUnavailableError) return
    if (error instanceof RetryableError || error instanceof WrongChainError) endpoint.failed(error, kind)
  }

  /** Looks at the endpoints that are not in use, beside the work: whether they are back, their chain and their lag. */
  #survey(): void {
    if (this.#endpoints.length === 1) return
    const nowMs = this.#clock.monotonicMs()
    for (const endpoint of this.#endpoints) {
      const { place, health } = endpoint
      if (place === this.#inUse || health.downMs > 0 || this.#surveyed.has(place)) continue
      if (health.failures === 0 && nowMs - (this.#surveyedAtMs[place] ?? 0) < SURVEY_MS) continue
      this.#surveyedAtMs[place] = nowMs
      this.#surveyed.add(place)
      void this.#surveyOne(endpoint).finally(() => this.#surveyed.delete(place))
    }
  }

  async #surveyOne(endpoint: PooledEndpoint): Promise<void> {
    try {
      await endpoint.verify(this.#signal)
      const answer = await endpoint.request({ method: 'eth_blockNumber', params: [] }, this.#signal)
      const head = decodeQuantity(answer, 'eth_blockNumber')
      endpoint.health.sawHead(head, this.#bestHead(head))
      endpoint.succeeded()
    } catch (error) {
      if (!this.#signal.aborted) this.#failed(endpoint, error)
    }
  }

  /** The next endpoint is tried at once; when all were, the whole round waits. */
  async #backOff(
    attempt: number,
    {
      error,
      avoided,
      signal,
    }: { readonly error: unknown; readonly avoided: Set<number>; readonly signal: AbortSignal },
  ): Promise<void> {
    const again = (waitMs: number): void =>
      this.#logger.info({ attempt, waitMs: Math.round(waitMs), error: messageOf(error) }, 'rpc request is tried again')
    if (this.#endpoints.some(({ place, health }) => !avoided.has(place) && health.downMs === 0)) return again(0)
    avoided.clear()
    const asked = error instanceof RateLimitedError && this.#endpoints.length === 1 ? error.retryAfterMs : undefined
    // The gate waits for as long as the endpoint asked.
    if (asked !== undefined) return again(asked)
    const waitMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempt - 1)) * (0.75 + this.#clock.random() / 2)
    again(waitMs)
    await this.#clock.sleep(waitMs, signal)
  }
}
