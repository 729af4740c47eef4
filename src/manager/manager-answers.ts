import type { CurrentBalance } from '../model/balance-record.js'
import type { ChainState, EndpointStatus } from '../model/chain-state.js'

/** Whether the database can be worked with, and if not, why: in words that may be shown to strangers. */
export type Health =
  | { readonly database: 'up'; readonly reason: null }
  | { readonly database: 'down'; readonly reason: string; readonly error: unknown }

/** Where a chain stands. */
export interface ChainSummary {
  readonly chainId: bigint
  readonly name: string
  readonly state: ChainState
  readonly reason: string | null
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly safe: bigint | null
  readonly finalized: bigint | null
  /** Age of the newest processed block. */
  readonly lagSeconds: number | null
  readonly endpoints: readonly EndpointStatus[]
}

/** A balance as the library answers it. */
export interface CurrentBalanceView extends CurrentBalance {
  /** The exact amount in whole tokens, or in the smallest unit where the decimals are unknown. */
  readonly formatted: string
}
