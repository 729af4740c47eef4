import { createHash } from 'node:crypto'

/** A report as it is sent; amounts as JSON has them. */
export interface ReportBody {
  readonly ts?: string
  readonly pid?: number
  readonly onchain: Readonly<Record<string, number | string>>
  readonly onsite: Readonly<Record<string, number | string>>
}

/** How one attempt to send a report ended. */
export type Attempt =
  | { readonly kind: 'acknowledged'; readonly id: string; readonly timestamp: string }
  /** It may be stored or not: the connection broke, the time was over, or the service said that it does not know. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The service said that it is not stored. */
  | { readonly kind: 'refused'; readonly code: string }

/** One report and what its reporter was told. Its number is in its body, so that a stored row tells where it is from. */
export interface SentReport {
  readonly number: number
  /** Idempotency key. Without one a report is sent once. */
  readonly key: string | null
  /** The time it was sent with, in UTC; null when it left that to the service. */
  readonly ts: string | null
  /** All but the time, as `contentOf` gives it. */
  readonly content: string
  readonly attempts: readonly Attempt[]
}

/** A row of the table of snapshots. */
export interface StoredRow {
  readonly seq: number
  readonly id: string
  readonly key: string | null
  readonly ts: string
  readonly content: string
}

/** An entry of the event log that concerns a snapshot. */
export interface LoggedSnapshot {
  readonly seq: number
  readonly id: string
}

export interface Stored {
  readonly rows: readonly StoredRow[]
  /** In order of seq. */
  readonly log: readonly LoggedSnapshot[]
  /** The newest seq that was given out. */
  readonly head: number
}

/** One pushed snapshot. */
export interface SeenSnapshot {
  readonly seq: number
  readonly id: string
  readonly digest: string
}

/** One connection of a viewer. */
export interface Watch {
  /** The seq it asked to go on from; null when it asked for none. */
  readonly asked: number | null
  /** The seq of its greeting; null when it was cut before. */
  readonly greeted: number | null
  readonly resync: string | null
  /** Why it ended; null while it is open. */
  readonly ended: string | null
  readonly seen: readonly SeenSnapshot[]
}

/** Everything one viewer saw, connection by connection. */
export interface ViewerHistory {
  readonly name: string
  readonly watches: readonly Watch[]
}

export interface History {
  readonly reports: readonly SentReport[]
  readonly viewers: readonly ViewerHistory[]
  readonly stored: Stored
  /** True when every viewer had time to read to the end of the log. */
  readonly settled: boolean
}

/** What of a report must come back unchanged, but for its time. */
export function contentOf(body: Pick<ReportBody, 'onchain' | 'onsite'> & { readonly pid?: number | null }): string {
  return JSON.stringify([body.pid ?? null, body.onchain, body.onsite])
}

/** Stands for a snapshot's time and content. */
export function digestOf(ts: string, content: string): string {
  return createHash('sha256').update(`${ts} ${content}`).digest('base64url').slice(0, 16)
}
