import type { Clock } from '../../model/clock.js'
import type { EndpointStatus } from '../../model/chain-state.js'
import { RetryableError, TidemarkError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import type { NodeTransport } from './node-transport.js'
import { HttpEndpoint } from './http-endpoint.js'
import type { RpcCall, RpcOutcome } from './http-endpoint.js'
import { decodeQuantity } from './quantity.js'
import {
  AllEndpointsFailedError,
  BlockUnavailableError,
  RateLimitedError,
  StateUnavailableError,
  WrongChainError,
} from './rpc-errors.js'

/** Tries of one piece of work, over all endpoints. */
const ATTEMPTS_MAX = 5
const BACKOFF_MS = 100
const BACKOFF_MS_MAX = 2000
/** How long an endpoint that failed is passed over while another one is left. */
const DOWN_MS = 2000
const DOWN_MS_MAX = 60_000

/** What work on one endpoint may do. All of it goes to the same node, so its answers belong together. */
export interface EndpointSession {
  readonly host: string
  /** What was learned of the endpoint, kept as long as the endpoint is. */
  readonly memory: Map<string, unknown>
  request(method: string, params: readonly unknown[]): Promise<unknown>
  /** Outcomes in the order of the calls. A failure that may pass is thrown; a node's own error is an outcome. */
  batch(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]>
}

interface EndpointState {
  readonly endpoint: HttpEndpoint
  readonly memory: Map<string, unknown>
  /** The chain id was checked since the last failure. */
  verified: boolean
  failures: number
  downUntilMs: number
  lastError: string | null
}

export interface RpcClientOptions {
  readonly chainId: bigint
  /** In order of preference. */
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** The endpoints of one chain: stays with one while it works, tries the others when it does not. */
export class RpcClient {
  readonly #chainId: bigint
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #states: readonly EndpointState[]
  #preferred = 0
  readonly requests: Map<string, number> = new Map()
  readonly errors: Map<string, number> = new Map()

  constructor(options: RpcClientOptions) {
    this.#chainId = options.chainId
    this.#logger = options.logger
    this.#clock = options.clock
    this.#signal = options.signal
    const onRequest = (method: string): void => void this.requests.set(method, (this.requests.get(method) ?? 0) + 1)
    this.#states = options.urls.map((url) => ({
      endpoint: new HttpEndpoint({
        url,
        clock: options.clock,
        transport: options.transport,
        logger: options.logger,
        onRequest,
      }),
      memory: new Map(),
      verified: false,
      failures: 0,
      downUntilMs: 0,
      lastError: null,
    }))
  }

  get clock(): Clock {
    return this.#clock
  }

  get signal(): AbortSignal {
    return this.#signal
  }

  endpoints(): readonly EndpointStatus[] {
    return this.#states.map(({ endpoint, failures, lastError }) => ({
      host: endpoint.host,
      transport: 'http',
      healthy: failures === 0,
      lastError,
    }))
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
   * @throws {TidemarkError} the node's own error at once; the last failure when no try succeeded.
   */
  async run<Result>(work: (session: EndpointSession) => Promise<Result>): Promise<Result> {
    let lastError: unknown
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 0) await this.#backOff(attempt, lastError)
      this.#signal.throwIfAborted()
      const state = this.#choose()
      try {
        await this.#verify(state)
        const result = await work(this.#session(state))
        this.#recovered(state)
        return result
      } catch (error) {
        if (this.#signal.aborted) throw error
        lastError = error
        this.#failed(state, error)
        if (!(error instanceof RetryableError) && !(error instanceof WrongChainError)) throw error
      }
    }
    if (lastError instanceof BlockUnavailableError || lastError instanceof StateUnavailableError) throw lastError
    throw new AllEndpointsFailedError(`no endpoint answered after ${ATTEMPTS_MAX} tries: ${messageOf(lastError)}`, {
      cause: lastError,
      hint: 'Check the RPC URLs of this chain and the provider’s status.',
    })
  }

  #session(state: EndpointState): EndpointSession {
    const { endpoint, memory } = state
    return {
      host: endpoint.host,
      memory,
      request: (method, params) => endpoint.request({ method, params }, this.#signal),
      batch: async (calls) => {
        if (calls.length === 0) return []
        const outcomes = await endpoint.batch(calls, this.#signal)
        for (const outcome of outcomes) if (!outcome.ok && outcome.error.retryable) throw outcome.error
        return outcomes
      },
    }
  }

  /** The preferred endpoint, unless it is down and another one is up; the one that is back soonest when all are down. */
  #choose(): EndpointState {
    const nowMs = this.#clock.monotonicMs()
    const inOrder = this.#states.map((_, offset) => (this.#preferred + offset) % this.#states.length)
    const usable = inOrder.find((index) => (this.#states[index]?.downUntilMs ?? Infinity) <= nowMs)
    const soonest = inOrder.toSorted(
      (a, b) => (this.#states[a]?.downUntilMs ?? 0) - (this.#states[b]?.downUntilMs ?? 0),
    )[0]
    this.#preferred = usable ?? soonest ?? 0
    const state = this.#states[this.#preferred]
    if (state === undefined) throw new AllEndpointsFailedError(`chain ${this.#chainId} has no RPC endpoint`)
    return state
  }

  async #verify(state: EndpointState): Promise<void> {
    if (state.verified) return
    const answer = await state.endpoint.request({ method: 'eth_chainId', params: [] }, this.#signal)
    const served = decodeQuantity(answer, 'eth_chainId')
    if (served !== this.#chainId) {
      throw new WrongChainError(
        `endpoint ${state.endpoint.host}: expected chain id ${this.#chainId}, the endpoint serves ${served}`,
        { hint: 'Correct the RPC URL; the endpoint is not used until it serves the right chain.' },
      )
    }
    state.verified = true
    this.#logger.info({ endpoint: state.endpoint.host, chainId: this.#chainId.toString() }, 'rpc endpoint connected')
  }

  #recovered(state: EndpointState): void {
    if (state.failures > 0) this.#logger.info({ endpoint: state.endpoint.host }, 'rpc endpoint works again')
    state.failures = 0
    state.downUntilMs = 0
    state.lastError = null
  }

  #failed(state: EndpointState, error: unknown): void {
    const kind = error instanceof TidemarkError ? error.code : 'unexpected'
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1)
    if (error instanceof BlockUnavailableError || error instanceof StateUnavailableError) {
      // The node is well, it only lacks this block: another endpoint may have it.
      this.#preferred = (this.#preferred + 1) % this.#states.length
      return
    }
    if (!(error instanceof RetryableError) && !(error instanceof WrongChainError)) return
    const message = messageOf(error)
    if (state.failures === 0 || error instanceof WrongChainError) {
      this.#logger.warn({ endpoint: state.endpoint.host, kind, error: message }, 'rpc endpoint failed')
    }
    state.failures += 1
    state.lastError = message
    state.verified = false
    const restMs = error instanceof RateLimitedError ? error.retryAfterMs : undefined
    const downMs = error instanceof WrongChainError ? DOWN_MS_MAX : Math.min(DOWN_MS_MAX, DOWN_MS * state.failures)
    state.downUntilMs = this.#clock.monotonicMs() + (restMs ?? downMs)
  }

  async #backOff(attempt: number, error: unknown): Promise<void> {
    const asked = error instanceof RateLimitedError && this.#states.length === 1 ? error.retryAfterMs : undefined
    const waitMs =
      asked ?? Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempt - 1)) * (0.75 + this.#clock.random() / 2)
    this.#logger.info({ attempt, waitMs: Math.round(waitMs), error: messageOf(error) }, 'rpc request is tried again')
    await this.#clock.sleep(waitMs, this.#signal)
  }
}
