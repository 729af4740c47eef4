import type { BalanceReader } from '../ledger/balance-reader.js'
import { formatAmount } from '../model/amount.js'
import type { BalanceRecord } from '../model/balance-record.js'
import type { CoverageInterval } from '../model/coverage.js'
import type { CurrentBalanceView } from './manager-answers.js'
import { requirePosition } from './require-argument.js'

/** The questions about balances, which are answered from the database: no method here asks a node. */
export abstract class BalanceQueries {
  /** Newest balances, chains and coverage. */
  abstract get reader(): BalanceReader

  /** The newest balance of a position, from the database; null when there is none yet. */
  async getCurrentBalance(chainId: bigint, token: string, solver: string): Promise<CurrentBalanceView | null> {
    const balance = await this.reader.currentBalance(requirePosition(chainId, token, solver))
    return balance === null ? null : { ...balance, formatted: formatAmount(balance.balance, balance.decimals) }
  }

  /** Records of a position, newest first. */
  async getBalanceHistory(
    chainId: bigint,
    token: string,
    solver: string,
    limit = 100,
  ): Promise<readonly BalanceRecord[]> {
    const page = await this.reader.history({ position: requirePosition(chainId, token, solver), limit })
    return page?.items ?? []
  }

  /**
   * Which blocks of a position are known, oldest first: `exact` where every change has its record, `sampled` where there
   * may be changes without one. What lies between was not seen. Null when the position was never watched.
   */
  coverage(chainId: bigint, token: string, solver: string): Promise<readonly CoverageInterval[] | null> {
    return this.reader.coverage(requirePosition(chainId, token, solver))
  }
}
