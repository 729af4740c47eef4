import type { CurrentBalance } from '../model/balance-record.js'
import type { RecordCopyHealth } from '../model/record-copy.js'

/** Whether the database can be worked with, and if not, why: in words that may be shown to strangers. */
export type Health =
  | {
      readonly database: 'up'
      readonly reason: null
      /** Absent when there is no MongoDB. */
      readonly mongodb?: RecordCopyHealth
    }
  | { readonly database: 'down'; readonly reason: string; readonly error: unknown }

/** A balance as the library answers it. */
export interface CurrentBalanceView extends CurrentBalance {
  /** The exact amount in whole tokens, or in the smallest unit where the decimals are unknown. */
  readonly formatted: string
}
