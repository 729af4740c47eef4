import type { Attempt } from './history.js'
import type { Draft } from './draw-report.js'

/** A report gets no answer for this long: the caller gives up and does not know. Above every time limit of the service. */
export const ANSWER_TIMEOUT_MS = 30_000

/** Nothing was sent: there was no connection. */
export interface Unsent {
  readonly kind: 'unsent'
}

export type Sending = Attempt | Unsent

/** One way to send reports. */
export interface Sender {
  /** Never rejects. */
  send(draft: Draft): Promise<Sending>
  close(): void
}

/** Codes by which the service says that nothing is stored. With another one it may be, unless the details say so. */
const definite = new Set([
  'invalid_snapshot',
  'invalid_json',
  'unauthorized',
  'forbidden',
  'idempotency_conflict',
  'overloaded',
  'rate_limited',
  'closed',
  'not_ready',
])

interface Refusal {
  readonly success: false
  readonly code: string
  readonly details?: { readonly stored?: unknown }
}

/** Reads the answer to a report, `null` for one that is not an answer. */
export function readAnswer(answer: unknown): Attempt | null {
  if (typeof answer !== 'object' || answer === null || !('success' in answer)) return null
  if (answer.success === true) {
    const { id, timestamp } = ('data' in answer ? answer.data : answer) as { id?: unknown; timestamp?: unknown }
    return typeof id === 'string' && typeof timestamp === 'string' ? { kind: 'acknowledged', id, timestamp } : null
  }
  const { code, details } = answer as Refusal
  return definite.has(code) || details?.stored === 'no' ? { kind: 'refused', code } : { kind: 'unknown', reason: code }
}
