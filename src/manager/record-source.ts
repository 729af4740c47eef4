import type { RecordReader } from '../ledger/record-reader.js'

/** Where records are kept. */
export interface RecordSources {
  readonly storage: { readonly records: RecordReader }
}

/** Says who answers questions about balances over time. */
export function answeringRecords({ storage }: RecordSources): RecordReader {
  return storage.records
}
