import type { WireDetails, WireError, WireIssue } from '../api/error-answer.js'
import type { ErrorCode } from '../api/error-codes.js'
import { TidemarkError } from '../model/errors.js'

/**
 * Codes of failures that the service did not tell but the client found.
 *
 * - `unreachable`: no answer, because there was no connection
 * - `timeout`: no answer in time
 * - `bad_answer`: an answer that is none of Tidemark's; often a proxy between
 * - `aborted`: given up by the caller
 * - `queue_full`, `dropped`: a report that the reporter's bounded queue had no room for
 */
export type ClientFailureCode = 'unreachable' | 'timeout' | 'bad_answer' | 'aborted' | 'queue_full' | 'dropped'

export interface ApiFailureOptions {
  readonly code: ErrorCode | ClientFailureCode
  /** HTTP status; null when the failure did not come as an HTTP answer. */
  readonly status?: number | null
  readonly details?: WireDetails | null | undefined
  readonly retryAfterMs?: number | null
  readonly retryable: boolean
  readonly cause?: unknown
}

/** A request, a connection or a report that failed. `code` is stable, `message` is for people. */
export class TidemarkApiError extends TidemarkError {
  readonly code: ErrorCode | ClientFailureCode
  /** HTTP status; null when the failure did not come as an HTTP answer. */
  readonly status: number | null
  /** What the service says about it: a list of what is wrong with the request, or named values. */
  readonly answer: WireDetails | null
  /** How long the service asks to wait; null when it does not say. */
  readonly retryAfterMs: number | null
  /** True when the same request may succeed later. */
  override readonly retryable: boolean

  constructor(message: string, options: ApiFailureOptions) {
    const { code, status = null, details = null, retryAfterMs = null, retryable, cause } = options
    super(message, { cause, ...(details === null ? {} : { details: namedDetails(details) }) })
    this.code = code
    this.status = status
    this.answer = details
    this.retryAfterMs = retryAfterMs
    this.retryable = retryable
  }
}

/** Codes after which the same request may succeed later. */
const passing: ReadonlySet<string> = new Set<string>([
  'rate_limited',
  'too_many_connections',
  'request_timeout',
  'overloaded',
  'storage_unavailable',
  'unavailable',
  'not_ready',
  'closed',
  'not_running',
  'records_behind',
])

/** True for a failure that passes by itself. */
export function isPassing(code: string): boolean {
  return passing.has(code)
}

/** The error of an answer in the service's own form. */
export function failureOf(body: WireError, status: number | null, retryAfterMs: number | null): TidemarkApiError {
  return new TidemarkApiError(body.error, {
    code: body.code,
    status,
    details: body.details,
    retryAfterMs: retryAfterMs ?? waitOf(body),
    retryable: isPassing(body.code),
  })
}

/** True for an error in the service's own form. */
export function isWireError(value: unknown): value is WireError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'error' in value &&
    typeof value.error === 'string'
  )
}

/** How long an answer without headers asks to wait. */
function waitOf({ details }: WireError): number | null {
  const waitMs: unknown = details === undefined ? undefined : Reflect.get(details, 'retryAfterMs')
  return typeof waitMs === 'number' && waitMs >= 0 ? waitMs : null
}

function namedDetails(details: WireDetails): Readonly<Record<string, unknown>> {
  return isIssueList(details) ? { issues: details } : { ...details }
}

function isIssueList(details: WireDetails): details is readonly WireIssue[] {
  return Array.isArray(details)
}
