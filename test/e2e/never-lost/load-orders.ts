import type { SentReport, ViewerHistory } from './history.js'

/** What the process of a load is told to do. */
export type Order =
  | {
      readonly order: 'report'
      readonly urls: readonly string[]
      readonly token: string
      readonly seed: number
      /** Callers that send one report after the other; their ways to the service differ. */
      readonly callers: number
      readonly paceMs: number
    }
  | { readonly order: 'view'; readonly urls: readonly string[]; readonly token: string; readonly viewers: number }
  /** Every viewer leaves and comes back. */
  | { readonly order: 'leave' }
  | { readonly order: 'count' }
  /** Reporters begin nothing new and see to its end what is under way. */
  | { readonly order: 'rest' }
  /** Writes the history to a file and ends. */
  | { readonly order: 'finish'; readonly file: string }

/** Counts of the moment. */
export interface Counts {
  readonly inFlight: number
  readonly acknowledged: number
  readonly unknown: number
  /** The newest event of each viewer. */
  readonly seen: readonly number[]
  readonly connections: number
}

export interface LoadFile {
  readonly reports: readonly SentReport[]
  readonly viewers: readonly ViewerHistory[]
}
