import type { BackoffOptions } from './backoff.js'
import { backoffMs } from './backoff.js'
import { failureOf, isWireError, TidemarkApiError } from './api-failure.js'
import { readJsonLines } from './json-lines.js'
import type { ServiceAddress } from './service-address.js'
import { Patience } from './patience.js'
import { sleep } from './sleep.js'

/** What a single call may be given. */
export interface CallOptions {
  /** Ends the call, and whatever it waits for. */
  readonly signal?: AbortSignal | undefined
  /** Time for one attempt, the whole answer included. */
  readonly timeoutMs?: number | undefined
}

export interface HttpCallerOptions {
  readonly address: ServiceAddress
  readonly apiKey: () => string | undefined
  readonly fetch: typeof fetch
  readonly timeoutMs: number
  readonly attemptsMax: number
  readonly backoff: BackoffOptions
}

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, QueryValue>> | undefined
  readonly body?: unknown
  readonly idempotencyKey?: string
  /** True when sending it twice does what sending it once does: only such a request is repeated. */
  readonly repeatable: boolean
  readonly answer: 'json' | 'text' | 'none' | 'lines'
}

/** A value in a query string; null and undefined leave it out. */
export type QueryValue = string | number | bigint | Date | null | undefined

/** The client does not wait longer than this between two attempts, whatever the service asks for. */
const WAIT_MAX_MS = 30_000

/** Makes requests: each attempt within its time, repeated while that may help and cannot harm. */
export class HttpCaller {
  readonly #options: HttpCallerOptions

  constructor(options: HttpCallerOptions) {
    this.#options = options
  }

  /** @throws TidemarkApiError when the last attempt fails, or one after which another would not help. */
  async call(request: HttpRequest, options: CallOptions = {}): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(request, options)
      if (outcome.success) return outcome.answer
      if (!request.repeatable) throw outcome.failure
      await this.#pause(outcome.failure, attempt, options)
    }
  }

  /**
   * Values of an answer that has one to a line, read as fast as they are taken. `timeoutMs` is the time for the service
   * to send the next ones. What fails on the way and may pass is asked for again from where it was.
   *
   * @param following what to ask for after a value; null when nothing can follow
   * @throws TidemarkApiError when as many attempts in a row brought nothing
   */
  async *stream<Value>(
    request: HttpRequest,
    following: (value: Value) => HttpRequest | null,
    options: CallOptions = {},
  ): AsyncGenerator<Value, void, undefined> {
    let next: HttpRequest | null = request
    for (let attempt = 1; next !== null; attempt += 1) {
      try {
        for await (const value of this.#values(next, options)) {
          attempt = 0
          next = following(value as Value)
          yield value as Value
        }
        return
      } catch (error) {
        if (!(error instanceof TidemarkApiError)) throw error
        await this.#pause(error, Math.max(1, attempt), options)
      }
    }
  }

  /** Waits before another attempt. @throws the failure when there is to be none. */
  async #pause(failure: TidemarkApiError, attempt: number, { signal }: CallOptions): Promise<void> {
    const { attemptsMax, backoff } = this.#options
    if (!failure.retryable || attempt >= attemptsMax) throw failure
    const waitMs = Math.max(backoffMs(backoff, attempt), failure.retryAfterMs ?? 0)
    if (waitMs > WAIT_MAX_MS) throw failure
    await sleep(waitMs, signal).catch((cause: unknown) => {
      throw abortedFailure(cause)
    })
  }

  async *#values(request: HttpRequest, options: CallOptions): AsyncGenerator<unknown, void, undefined> {
    const patience = new Patience(options.timeoutMs ?? this.#options.timeoutMs, options.signal)
    try {
      const response = await patience.await(this.#send(request, patience.signal))
      if (!response.ok) throw refusal(response, await patience.await(response.text()))
      if (response.body === null || response.headers.get('content-type')?.includes('ndjson') !== true) {
        throw badAnswer('lines of JSON', response.status)
      }
      const reader = response.body.getReader()
      yield* readJsonLines({ read: () => patience.await(reader.read()) }, response.status)
    } catch (error) {
      if (error instanceof TidemarkApiError) throw error
      if (options.signal?.aborted === true) throw abortedFailure(error)
      const { address } = this.#options
      throw patience.isOver ? timeoutFailure(address, error) : unreachableFailure(address, error)
    } finally {
      // Nobody takes the rest: the connection is not kept for it.
      patience.end()
    }
  }

  async #attempt(
    request: HttpRequest,
    options: CallOptions,
  ): Promise<{ success: true; answer: unknown } | { success: false; failure: TidemarkApiError }> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? this.#options.timeoutMs)
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
    try {
      const response = await this.#send(request, signal)
      const text = await response.text()
      if (!response.ok) return { success: false, failure: refusal(response, text) }
      return { success: true, answer: readAnswer(request, response, text) }
    } catch (error) {
      if (error instanceof TidemarkApiError) return { success: false, failure: error }
      if (options.signal?.aborted === true) throw abortedFailure(error)
      const failed = timeout.aborted ? timeoutFailure : unreachableFailure
      return { success: false, failure: failed(this.#options.address, error) }
    }
  }

  #send(request: HttpRequest, signal: AbortSignal): Promise<Response> {
    return this.#options.fetch(this.#url(request), {
      method: request.method,
      headers: this.#headers(request),
      signal,
      // A key is not carried to wherever a redirect points.
      redirect: 'error',
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    })
  }

  #url({ path, query = {} }: HttpRequest): string {
    const { origin, prefix } = this.#options.address
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) parameters.set(name, queryText(value))
    }
    const search = parameters.toString()
    return `${origin}${prefix}${path}${search === '' ? '' : `?${search}`}`
  }

  #headers({ body, idempotencyKey, answer }: HttpRequest): Record<string, string> {
    const apiKey = this.#options.apiKey()
    return {
      ...(answer === 'json' ? { accept: 'application/json' } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    }
  }
}

function queryText(value: Exclude<QueryValue, null | undefined>): string {
  return value instanceof Date ? value.toISOString() : String(value)
}

function readAnswer({ answer }: HttpRequest, response: Response, text: string): unknown {
  if (answer === 'none') return undefined
  if (answer === 'text') return text
  const json = parseJson(text)
  if (typeof json === 'object' && json !== null) return json
  throw badAnswer('a JSON answer', response.status)
}

function badAnswer(expected: string, status: number): TidemarkApiError {
  return new TidemarkApiError(`expected ${expected} of Tidemark, got something else with status ${status}`, {
    code: 'bad_answer',
    status,
    retryable: false,
  })
}

function refusal(response: Response, text: string): TidemarkApiError {
  const { status } = response
  const body = parseJson(text)
  const retryAfterMs = readRetryAfterMs(response.headers.get('retry-after'))
  if (isWireError(body)) return failureOf(body, status, retryAfterMs)
  return new TidemarkApiError(`expected an answer of Tidemark, got status ${status} from something before it`, {
    code: 'bad_answer',
    status,
    retryAfterMs,
    retryable: status >= 500 || status === 429 || status === 408,
  })
}

/** Reads `Retry-After`: seconds, or a date. */
export function readRetryAfterMs(header: string | null, nowMs: number = Date.now()): number | null {
  if (header === null) return null
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  // Dates begin with the day of the week: `Date.parse` would make a date of much else.
  const atMs = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function timeoutFailure({ origin }: ServiceAddress, cause: unknown): TidemarkApiError {
  return new TidemarkApiError(`the service at ${origin} did not answer in time`, {
    code: 'timeout',
    retryable: true,
    cause,
  })
}

function unreachableFailure({ origin }: ServiceAddress, cause: unknown): TidemarkApiError {
  return new TidemarkApiError(`the service at ${origin} cannot be reached`, {
    code: 'unreachable',
    retryable: true,
    cause,
  })
}

function abortedFailure(cause: unknown): TidemarkApiError {
  return new TidemarkApiError('the call was aborted', { code: 'aborted', retryable: false, cause })
}
