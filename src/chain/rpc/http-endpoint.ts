import { TidemarkError, messageOf } from '../../model/errors.js'
import type { Clock } from '../../model/clock.js'
import type { Logger } from '../../model/logger.js'
import { EndpointSecrets } from './endpoint-secrets.js'
import type { NodeTransport } from './node-transport.js'
import { isObject } from './quantity.js'
import {
  BatchRefusedError,
  MalformedAnswerError,
  NodeError,
  RateLimitedError,
  TransportError,
  classifyNodeError,
} from './rpc-errors.js'

export const REQUEST_TIMEOUT_MS = 10_000
/** An answer larger than this is not read: no block and no batch of ours comes near. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024
/** A longer wish to be left alone than this is not believed. */
const RETRY_AFTER_MS_MAX = 10 * 60_000

export interface RpcCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** What became of one call of a batch. */
export type RpcOutcome =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: TidemarkError }

export interface HttpEndpointOptions {
  readonly url: string
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  /** Called once for each call sent, so that requests can be counted by method. */
  readonly onRequest?: ((method: string) => void) | undefined
}

/** One JSON-RPC endpoint over HTTP: sends calls, and sorts out everything that is not a proper answer. */
export class HttpEndpoint {
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #secrets: EndpointSecrets
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #transport: NodeTransport
  readonly #onRequest: (method: string) => void
  #nextId = 1

  constructor(options: HttpEndpointOptions) {
    const url = new URL(options.url)
    this.#secrets = new EndpointSecrets(options.url)
    this.#headers = { 'content-type': 'application/json', accept: 'application/json' }
    // fetch refuses addresses with credentials: they travel in the header that they stand for.
    if (url.username !== '' || url.password !== '') {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
      this.#headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
      url.username = ''
      url.password = ''
    }
    this.#url = url.href
    this.#clock = options.clock
    this.#transport = options.transport
    this.#logger = options.logger.child({ endpoint: this.#secrets.host })
    this.#onRequest = options.onRequest ?? (() => undefined)
  }

  get host(): string {
    return this.#secrets.host
  }

  /** @throws {TidemarkError} transport, rate limit, malformed answer, or the node's own error. */
  async request(call: RpcCall, signal: AbortSignal): Promise<unknown> {
    const [outcome] = await this.batch([call], signal)
    if (outcome === undefined) throw new MalformedAnswerError(`${call.method}: no answer`)
    if (outcome.ok) return outcome.result
    throw outcome.error
  }

  /**
   * Sends calls in one HTTP request; one call goes without the batch form, which some providers do not take.
   *
   * @returns one outcome for each call, in order, whatever the order of the answers.
   * @throws {TidemarkError} when there was no answer at all.
   */
  async batch(calls: readonly RpcCall[], signal: AbortSignal): Promise<readonly RpcOutcome[]> {
    const firstId = this.#nextId
    this.#nextId += calls.length
    const messages = calls.map((call, index) => {
      this.#onRequest(call.method)
      return { jsonrpc: '2.0', id: firstId + index, method: call.method, params: call.params }
    })
    const startedAt = this.#clock.monotonicMs()
    const methods = calls.length === 1 ? calls[0]?.method : `${calls[0]?.method} and ${calls.length - 1} more`
    this.#logger.debug({ method: methods, calls: calls.length }, 'rpc request')
    try {
      const answer = await this.#post(JSON.stringify(messages.length === 1 ? messages[0] : messages), signal)
      const outcomes = this.#outcomes(calls, firstId, answer)
      const failed = outcomes.filter((outcome) => !outcome.ok).length
      this.#logger.debug(
        { method: methods, failed, durationMs: Math.round(this.#clock.monotonicMs() - startedAt) },
        'rpc result',
      )
      return outcomes
    } catch (error) {
      this.#logger.debug({ method: methods, error: messageOf(error) }, 'rpc request failed')
      throw error
    }
  }

  /** The time limit covers the whole exchange: a body that never ends is as bad as an answer that never comes. */
  async #post(body: string, signal: AbortSignal): Promise<unknown> {
    const exchange = new AbortController()
    const stop = (): void => exchange.abort()
    const callOff = this.#clock.schedule(REQUEST_TIMEOUT_MS, stop)
    signal.addEventListener('abort', stop)
    try {
      signal.throwIfAborted()
      return await this.#exchange(body, exchange.signal)
    } finally {
      callOff()
      signal.removeEventListener('abort', stop)
    }
  }

  async #exchange(body: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.#fetch(body, signal)
    const text = await this.#readText(response)
    if (response.status === 429) {
      const retryAfter = response.headers.get('retry-after')
      throw new RateLimitedError('HTTP 429 from the endpoint', retryAfterMs(retryAfter, this.#clock.timeOfDayMs()))
    }
    // A larger request than the endpoint takes: it never works, a smaller one does.
    if (response.status === 413) throw new NodeError('HTTP 413 from the endpoint: the request is too large', 413)
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      // Cleaned before it is cut, or half a key would be left; without the cause, whose text repeats the answer.
      const shown = this.#secrets.clean(text.slice(0, 10_000)).slice(0, 120)
      const told = shown === '' ? '' : `: ${shown}`
      if (!response.ok) throw new TransportError(`HTTP ${response.status} from the endpoint${told}`, response.status)
      throw new MalformedAnswerError(`expected JSON from the endpoint, got ${JSON.stringify(shown)}`)
    }
    // Some nodes send proper JSON-RPC errors with a status of 4xx or 5xx; anything else with one is no answer.
    if (!response.ok && !isAnswer(answer)) {
      throw new TransportError(`HTTP ${response.status} from the endpoint`, response.status)
    }
    return answer
  }

  async #fetch(body: string, signal: AbortSignal): Promise<Response> {
    try {
      return await this.#transport.fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body,
        redirect: 'error',
        signal,
      })
    } catch (error) {
      throw this.#transportError(error)
    }
  }

  async #readText(response: Response): Promise<string> {
    const chunks: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of response.body ?? []) {
        size += chunk.byteLength
        if (size > RESPONSE_BYTES_MAX) {
          throw new MalformedAnswerError(`expected an answer of at most ${RESPONSE_BYTES_MAX} bytes, got more`)
        }
        chunks.push(chunk)
      }
    } catch (error) {
      if (error instanceof TidemarkError) throw error
      throw this.#transportError(error)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  #transportError(error: unknown): TransportError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const timedOut = error instanceof Error && error.name === 'AbortError'
    const reason = timedOut ? `no answer within ${REQUEST_TIMEOUT_MS} ms` : this.#secrets.clean(messageOf(cause))
    // The cause is left out: it may carry the address with its key.
    return new TransportError(`endpoint ${this.host}: ${reason}`)
  }

  #outcomes(calls: readonly RpcCall[], firstId: number, answer: unknown): RpcOutcome[] {
    const answers = Array.isArray(answer) ? (answer as unknown[]) : [answer]
    const byId = new Map<unknown, Readonly<Record<string, unknown>>>()
    for (const item of answers) if (isObject(item)) byId.set(item['id'], item)
    const alone = answers[0]
    // A batch refused as a whole comes back as one object, or as one error without an id of ours.
    if (calls.length > 1 && answers.length === 1 && isObject(alone) && (alone === answer || alone['id'] === null)) {
      const error = isObject(alone['error']) ? this.#nodeError(alone['error']) : null
      const refused =
        error === null
          ? new BatchRefusedError('expected a list of answers, got one object', 0)
          : error instanceof NodeError
            ? new BatchRefusedError(error.message, error.rpcCode)
            : error
      return calls.map(() => ({ ok: false, error: refused }))
    }
    if (isObject(alone) && isObject(alone['error']) && alone['id'] === null) {
      const error = this.#nodeError(alone['error'])
      return calls.map(() => ({ ok: false, error }))
    }
    return calls.map((call, index) => this.#outcome(call, byId.get(firstId + index)))
  }

  #outcome(call: RpcCall, item: Readonly<Record<string, unknown>> | undefined): RpcOutcome {
    if (item === undefined)
      return { ok: false, error: new MalformedAnswerError(`${call.method}: no answer with the id of the request`) }
    const hasError = item['error'] !== undefined && item['error'] !== null
    const hasResult = item['result'] !== undefined
    // Old nodes send `result: null` beside an error. Any other result beside one is a spoilt answer, and says nothing of
    // what the node can do.
    if (hasError && hasResult && item['result'] !== null) {
      return { ok: false, error: new MalformedAnswerError(`${call.method}: expected a result or an error, got both`) }
    }
    if (hasError && isObject(item['error'])) return { ok: false, error: this.#nodeError(item['error']) }
    if (hasError || !hasResult) {
      return {
        ok: false,
        error: new MalformedAnswerError(`${call.method}: expected a result or an error, got neither`),
      }
    }
    return { ok: true, result: item['result'] }
  }

  #nodeError(error: Readonly<Record<string, unknown>>): TidemarkError {
    const rpcCode = typeof error['code'] === 'number' ? error['code'] : 0
    const message = typeof error['message'] === 'string' ? error['message'] : 'error without a message'
    return classifyNodeError(rpcCode, this.#secrets.clean(message))
  }
}

function isAnswer(answer: unknown): boolean {
  const item: unknown = Array.isArray(answer) ? answer[0] : answer
  return isObject(item) && ('result' in item || 'error' in item)
}

/** A header that says seconds, or a time of day. */
function retryAfterMs(header: string | null, timeOfDayMs: number): number | undefined {
  if (header === null) return undefined
  const seconds = Number(header)
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - timeOfDayMs
  return Number.isFinite(waitMs) && waitMs >= 0 ? Math.min(waitMs, RETRY_AFTER_MS_MAX) : undefined
}
