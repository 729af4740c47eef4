import { z } from 'zod'

import { TidemarkError } from '../model/errors.js'
import type { ErrorCode } from './error-codes.js'
import { errorStatus, isErrorCode } from './error-codes.js'

/** One thing wrong with a request: where it is, and what was expected there. */
export interface WireIssue {
  readonly path: string
  readonly message: string
}

/** Details of an error: a list of what is wrong, or named values. */
export type WireDetails = readonly WireIssue[] | Readonly<Record<string, string | number | boolean | null>>

/** What a caller gets when something fails, over REST and Socket.IO alike. */
export interface WireError {
  readonly success: false
  readonly error: string
  readonly code: ErrorCode
  readonly details?: WireDetails
}

const codes = Object.keys(errorStatus).filter(isErrorCode)

const issueSchema: z.ZodType<WireIssue> = z
  .strictObject({ path: z.string(), message: z.string() })
  .meta({ id: 'Issue', description: 'One thing wrong with a request; `path` names the field or parameter' })

export const wireErrorSchema: z.ZodType<WireError> = z
  .strictObject({
    success: z.literal(false),
    error: z.string().meta({ description: 'What went wrong, for people' }),
    code: z.enum(codes).meta({ description: 'Stable code, for programs' }),
    details: z
      .union([z.array(issueSchema), z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))])
      .exactOptional(),
  })
  .meta({ id: 'Error' })

/** An answer and how it travels. */
export interface ErrorAnswer {
  readonly status: number
  /** Seconds after which the same request may succeed; null when it will not. */
  readonly retryAfterSeconds: number | null
  readonly body: WireError
  /** False when the failure is ours and its text must not be shown: it belongs in the log. */
  readonly expected: boolean
}

/**
 * What a remote caller is told about a failure. Only errors with a code of the table show their message; of everything
 * else nothing is shown.
 */
export function toErrorAnswer(error: unknown): ErrorAnswer {
  if (!(error instanceof TidemarkError)) return internalAnswer()
  const { code } = error
  if (isErrorCode(code)) return describedAnswer(error, code)
  return error.retryable ? unavailableAnswer() : internalAnswer()
}

function describedAnswer(error: TidemarkError, code: ErrorCode): ErrorAnswer {
  const status = errorStatus[code]
  const details = wireDetails(error.details)
  return {
    status,
    retryAfterSeconds: status === 503 || status === 429 ? retryAfterSeconds(error) : null,
    body: { success: false, error: error.message, code, ...(details === null ? {} : { details }) },
    expected: code !== 'internal',
  }
}

function internalAnswer(): ErrorAnswer {
  return {
    status: errorStatus.internal,
    retryAfterSeconds: null,
    body: { success: false, error: 'internal error', code: 'internal' },
    expected: false,
  }
}

function unavailableAnswer(): ErrorAnswer {
  return {
    status: errorStatus.unavailable,
    retryAfterSeconds: 1,
    body: { success: false, error: 'the service cannot answer at the moment', code: 'unavailable' },
    expected: false,
  }
}

function retryAfterSeconds(error: TidemarkError): number {
  const waitMs = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 1000
  return Math.max(1, Math.ceil(waitMs / 1000))
}

/** Issues travel as a list; other details keep only what JSON can hold. */
function wireDetails(details: Readonly<Record<string, unknown>> | undefined): WireDetails | null {
  if (details === undefined) return null
  const { issues } = details
  if (Array.isArray(issues)) return issues.filter(isIssue).map(({ path, message }) => ({ path, message }))
  const entries = Object.entries(details).flatMap(([name, value]) => {
    const wire = wireDetail(value)
    return wire === undefined ? [] : [[name, wire] as const]
  })
  return entries.length === 0 ? null : Object.fromEntries(entries)
}

function wireDetail(value: unknown): string | number | boolean | null | undefined {
  if (typeof value === 'bigint') return value.toString()
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  return undefined
}

function isIssue(value: unknown): value is WireIssue {
  return typeof value === 'object' && value !== null && 'path' in value && 'message' in value
}
