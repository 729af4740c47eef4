import type { RecordReader } from '../ledger/record-reader.js'

/** Where records are kept. */
export interface RecordSources {
  readonly storage: { readonly records: RecordReader }
  /** The copy in MongoDB; null where there is none. */
  readonly mongodb: { readonly records: RecordReader } | null
}

/**
 * Says who answers questions about balances over time: MongoDB where it is configured, also while it cannot. An answer
 * of another engine would hide that it is away until the day on which only MongoDB has what was asked for.
 */
export function answeringRecords({ storage, mongodb }: RecordSources): RecordReader {
  return mongodb?.records ?? storage.records
}
