import type { BalanceReader } from '../ledger/balance-reader.js'
import type { RecordReader } from '../ledger/record-reader.js'

/** Where records are kept. */
export interface RecordSources {
  readonly storage: { readonly reader: BalanceReader; readonly records?: RecordReader }
}

/** Says who answers questions about balances over time. */
export function answeringRecords({ storage }: RecordSources): RecordReader {
  if (storage.records === undefined) throw new Error('invariant: the storage answers questions about time')
  return storage.records
}
