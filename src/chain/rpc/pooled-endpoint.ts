import type { EndpointStatus } from '../../model/chain-state.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import { LearnedCapabilities } from './endpoint-capabilities.js'
import { EndpointHealth } from './endpoint-health.js'
import { HttpEndpoint } from './http-endpoint.js'
import type { HttpEndpointOptions, RpcCall, RpcOutcome } from './http-endpoint.js'
import { decodeQuantity } from './quantity.js'
import { RequestGate } from './request-gate.js'
import { BatchRefusedError, NodeError, RateLimitedError, TransportError, WrongChainError } from './rpc-errors.js'

/** A provider may put another chain behind an address: asked for again at this pace, and after every failure. */
const VERIFY_AGAIN_MS = 10 * 60_000
/** Statuses of 4xx that say nothing about the form of the request. */
const STATUSES_OF_ACCESS: ReadonlySet<number> = new Set([401, 403, 407, 408, 429])

export interface PooledEndpointOptions extends HttpEndpointOptions {
  readonly chainId: bigint
  /** Its place in the order of preference. */
  readonly place: number
}

/** One endpoint of a pool: what it is sent, how it does, and what it can do. */
export class PooledEndpoint {
  readonly place: number
  readonly health: EndpointHealth
  readonly gate: RequestGate
  readonly capabilities: LearnedCapabilities = new LearnedCapabilities()
  readonly memory: Map<string, unknown> = new Map()
  readonly #chainId: bigint
  readonly #endpoint: HttpEndpoint
  readonly #clock: Clock
  readonly #logger: Logger
  #verifiedAtMs: number | null = null
  /** The present outage was told. */
  #told = false

  constructor(options: PooledEndpointOptions) {
    this.place = options.place
    this.#chainId = options.chainId
    this.#clock = options.clock
    this.#logger = options.logger
    this.#endpoint = new HttpEndpoint(options)
    this.health = new EndpointHealth(options.clock)
    this.gate = new RequestGate(options.clock)
  }

  get host(): string {
    return this.#endpoint.host
  }

  status(): EndpointStatus {
    const { failures, lastError, lagBlocks, latencyMs } = this.health
    return {
      host: this.host,
      transport: 'http',
      healthy: failures === 0,
      lastError,
      lagBlocks,
      latencyMs: latencyMs === null ? null : Math.round(latencyMs),
      callsPerSecond: Math.round(this.gate.rate),
      capabilities: this.capabilities.known(),
    }
  }

  /** @throws {TidemarkError} transport, rate limit, malformed answer, or the node's own error. */
  request(call: RpcCall, signal: AbortSignal): Promise<unknown> {
    return this.gate.pass(1, signal, () => this.#timed(() => this.#endpoint.request(call, signal)))
  }

  /**
   * Sends calls in as few requests as the endpoint takes, one by one where it takes no batches.
   *
   * @returns outcomes in the order of the calls; a failure that may pass is thrown instead
   */
  async batch(calls: readonly RpcCall[], signal: AbortSignal): Promise<readonly RpcOutcome[]> {
    const outcomes: RpcOutcome[] = []
    while (outcomes.length < calls.length) {
      const items = this.capabilities.batchItemsMax(this.#clock.monotonicMs())
      if (items === 1) return [...outcomes, ...(await this.#oneByOne(calls.slice(outcomes.length), signal))]
      const part = calls.slice(outcomes.length, outcomes.length + items)
      outcomes.push(...(await this.#sendPart(part, signal)))
    }
    return outcomes
  }

  /**
   * Makes sure that the endpoint serves the chain it is configured for.
   *
   * @throws {WrongChainError}
   */
  async verify(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#verifiedAtMs !== null && nowMs - this.#verifiedAtMs < VERIFY_AGAIN_MS) return
    const answer = await this.request({ method: 'eth_chainId', params: [] }, signal)
    const served = decodeQuantity(answer, 'eth_chainId')
    if (served !== this.#chainId) {
      throw new WrongChainError(
        `endpoint ${this.host}: expected chain id ${this.#chainId}, the endpoint serves ${served}`,
        { hint: 'Correct the RPC URL; the endpoint is not used until it serves the right chain.' },
      )
    }
    if (this.#verifiedAtMs === null) {
      this.#logger.info({ endpoint: this.host, chainId: this.#chainId.toString() }, 'rpc endpoint connected')
    }
    this.#verifiedAtMs = nowMs
  }

  /** Whatever it served until now: its chain is asked for before it is used again. */
  doubtChain(): void {
    this.#verifiedAtMs = null
  }

  succeeded(): void {
    if (this.#told) this.#logger.info({ endpoint: this.host }, 'rpc endpoint works again')
    this.#told = false
    this.health.succeeded()
  }

  /** A failure that may pass, or the wrong chain. One outage is told once, however many tries it takes. */
  failed(error: TransportError | RateLimitedError | WrongChainError | Error, kind: string): void {
    if (!this.#told) {
      this.#logger.warn({ endpoint: this.host, kind, error: error.message }, 'rpc endpoint failed')
      this.#told = true
    }
    this.#verifiedAtMs = null
    if (error instanceof WrongChainError) this.health.quarantine(error.message)
    else this.health.failed(error.message, error instanceof RateLimitedError ? error.retryAfterMs : undefined)
  }

  async #sendPart(calls: readonly RpcCall[], signal: AbortSignal): Promise<readonly RpcOutcome[]> {
    if (calls.length === 1) return this.#oneByOne(calls, signal)
    let outcomes: readonly RpcOutcome[]
    try {
      outcomes = await this.gate.pass(calls.length, signal, async () =>
        passing(await this.#timed(() => this.#endpoint.batch(calls, signal))),
      )
    } catch (error) {
      if (!refusesForm(error)) throw error
      return this.#withoutBatch(calls, { error, signal })
    }
    const [first] = outcomes
    if (first?.ok === false && first.error instanceof BatchRefusedError) {
      return this.#withoutBatch(calls, { error: first.error, signal })
    }
    this.capabilities.batchWorked()
    return outcomes
  }

  /** Only an endpoint that answers the same calls one by one is known to mean the batch. */
  async #withoutBatch(
    calls: readonly RpcCall[],
    { error, signal }: { readonly error: Error; readonly signal: AbortSignal },
  ): Promise<readonly RpcOutcome[]> {
    if (isSize(error) && calls.length > 2) {
      this.capabilities.batchTooLarge(calls.length)
      return this.batch(calls, signal)
    }
    const outcomes = await this.#oneByOne(calls, signal)
    if (outcomes.some(({ ok }) => ok)) {
      this.capabilities.batchRefused(this.#clock.monotonicMs())
      this.#logger.info({ endpoint: this.host, error: error.message }, 'rpc endpoint takes no batches')
    }
    return outcomes
  }

  /** The gate keeps the requests under way few. */
  async #oneByOne(calls: readonly RpcCall[], signal: AbortSignal): Promise<readonly RpcOutcome[]> {
    return Promise.all(
      calls.map((call) =>
        this.gate.pass(1, signal, async () => {
          const [outcome] = passing(await this.#timed(() => this.#endpoint.batch([call], signal)))
          if (outcome === undefined) throw new Error('invariant: one outcome for each call')
          return outcome
        }),
      ),
    )
  }

  async #timed<Result>(send: () => Promise<Result>): Promise<Result> {
    const startedAtMs = this.#clock.monotonicMs()
    try {
      const result = await send()
      this.health.answered(this.#clock.monotonicMs() - startedAtMs)
      return result
    } catch (error) {
      if (error instanceof NodeError) this.health.answered(this.#clock.monotonicMs() - startedAtMs)
      throw error
    }
  }
}

/** A failure of one call that may pass is one of the whole piece of work: its answers belong together. */
function passing(outcomes: readonly RpcOutcome[]): readonly RpcOutcome[] {
  for (const outcome of outcomes) if (!outcome.ok && outcome.error.retryable) throw outcome.error
  return outcomes
}

function refusesForm(error: unknown): error is TransportError | NodeError {
  if (error instanceof NodeError) return true
  if (!(error instanceof TransportError) || error.httpStatus === undefined) return false
  return error.httpStatus >= 400 && error.httpStatus < 500 && !STATUSES_OF_ACCESS.has(error.httpStatus)
}

function isSize(error: Error): boolean {
  return (
    (error instanceof NodeError && error.rpcCode === 413) ||
    /too (large|many|big)|limit|exceed|maximum/i.test(error.message)
  )
}
