import type { CurrentBalance } from '../model/balance-record.js'
import type { BalanceReader } from './balance-reader.js'

/**
 * A reader whose balances are also stale when their chain is not followed: what the database holds is right for its
 * block, but nobody looks whether it still is.
 *
 * @param staleReasonOf why a chain's balances may be out of date; null when they are not
 */
export function withChainState(
  reader: BalanceReader,
  staleReasonOf: (chainId: bigint) => string | null,
): BalanceReader {
  const mark = (balance: CurrentBalance): CurrentBalance => ({
    ...balance,
    staleReason: balance.staleReason ?? staleReasonOf(balance.chainId),
  })
  return {
    chains: () => reader.chains(),
    history: (request) => reader.history(request),
    coverage: (position) => reader.coverage(position),
    totals: async (request) => {
      const page = await reader.totals(request)
      const items = page.items.map((total) =>
        staleReasonOf(total.chainId) === null ? total : { ...total, stale: total.positions },
      )
      return { ...page, items }
    },
    currentBalance: async (position) => {
      const balance = await reader.currentBalance(position)
      return balance === null ? null : mark(balance)
    },
    currentBalances: async (request) => {
      const page = await reader.currentBalances(request)
      return { ...page, items: page.items.map(mark) }
    },
  }
}
