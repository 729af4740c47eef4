import type { Address } from '../model/address.js'
import type { BalanceRecord, CurrentBalance } from '../model/balance-record.js'
import type { BalanceTotal } from '../model/balance-statistics.js'
import type { BlockPoint, FinalityCursors } from '../model/block.js'
import type { Position, Token } from '../model/position.js'
import type { CoverageInterval } from '../model/coverage.js'

export interface BalanceFilter {
  readonly chainId?: bigint | undefined
  readonly token?: Token | undefined
  readonly solver?: Address | undefined
}

export interface BalancePageRequest extends BalanceFilter {
  readonly limit: number
  /** The `nextCursor` of the page before. */
  readonly after?: bigint | undefined
}

export interface TotalsRequest extends BalancePageRequest {
  /** One sum for each token of each chain, or for each solver and token. */
  readonly by: 'token' | 'solver-token'
}

export interface HistoryRequest {
  readonly position: Position
  readonly limit: number
  /** Only blocks below this one: the `nextCursor` of the page before. */
  readonly beforeBlock?: bigint | undefined
  /** Inclusive bounds. */
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Where the next page begins; null when this was the last one. */
  readonly nextCursor: bigint | null
}

/** Where a chain stands in the store. */
export interface ChainProgress {
  readonly chainId: bigint
  readonly name: string
  readonly processed: BlockPoint | null
  readonly finality: FinalityCursors
}

/** The read side of the ledger: everything here is answered from the database, without an RPC request. */
export interface BalanceReader {
  chains(): Promise<readonly ChainProgress[]>
  /** The newest balance of every position that has one. */
  currentBalances(request: BalancePageRequest): Promise<Page<CurrentBalance>>
  currentBalance(position: Position): Promise<CurrentBalance | null>
  /** Exact sums of the newest balances, those of positions that are no longer watched included. */
  totals(request: TotalsRequest): Promise<Page<BalanceTotal>>
  /** Records of a position, newest first; null when the position was never watched. */
  history(request: HistoryRequest): Promise<Page<BalanceRecord> | null>
  /** Which blocks of a position are known, oldest first; null when the position was never watched. */
  coverage(position: Position): Promise<readonly CoverageInterval[] | null>
}
