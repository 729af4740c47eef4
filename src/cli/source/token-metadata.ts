import type { BalanceSource, PositionName } from './balance-source.js'

/** What an amount needs to be shown. */
export interface TokenShown {
  readonly symbol: string | null
  readonly decimals: number | null
}

/** What the token of a position says of itself: in the newest record, which is there for what is no longer watched, too. */
export async function readToken(source: Pick<BalanceSource, 'history'>, position: PositionName): Promise<TokenShown> {
  for await (const { tokenSymbol = null, decimals = null } of source.history(position, { limit: 1 })) {
    return { symbol: tokenSymbol, decimals }
  }
  return { symbol: null, decimals: null }
}
