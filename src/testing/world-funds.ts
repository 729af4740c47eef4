import type { Address } from '../model/address.js'
import { balancesAt, type Holding } from './truth.js'

/**
 * What each solver can surely spend: outflows count when they are sent, inflows when they are in a block. So a random
 * action never fails for lack of funds, in whatever order the block runs it.
 */
export interface Funds {
  of(token: Address | 'native', owner: Address): bigint
  /** Accounts that are not followed are ignored. */
  add(token: Address | 'native', owner: Address, amount: bigint): void
  /** Takes what the chain says now. */
  load(): Promise<void>
}

export function createFunds(rpcUrl: string, holdings: readonly Holding[]): Funds {
  const amounts = new Map<string, bigint>()
  const keyOf = (token: Address | 'native', owner: Address): string => `${token}/${owner}`
  return {
    of: (token, owner) => amounts.get(keyOf(token, owner)) ?? 0n,
    add(token, owner, amount) {
      const before = amounts.get(keyOf(token, owner))
      if (before !== undefined) amounts.set(keyOf(token, owner), before + amount)
    },
    async load() {
      const balances = await balancesAt(rpcUrl, holdings, 'latest')
      for (const [index, { token, solver }] of holdings.entries()) {
        amounts.set(keyOf(token, solver), balances[index] ?? 0n)
      }
    },
  }
}
