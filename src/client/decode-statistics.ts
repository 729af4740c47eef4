import type { WireBalanceStats, WirePastBalance } from '../api/balance-statistics-wire.js'
import type { Decoded } from './decode-balance.js'

type StatsIntegers =
  | 'latestBalance'
  | 'oldestBalance'
  | 'minBalance'
  | 'maxBalance'
  | 'averageBalance'
  | 'change'
  | 'balanceChange24h'
  | 'inflow'
  | 'outflow'
  | 'burnRatePerHour'

/** The amounts of statistics, exact, and their times as dates. */
export type DecodedStats = Omit<WireBalanceStats, StatsIntegers | 'chainId' | 'from' | 'to' | 'emptyAt'> & {
  readonly [Name in StatsIntegers]: null extends WireBalanceStats[Name] ? bigint | null : bigint
} & { readonly chainId: bigint; readonly from: Date; readonly to: Date; readonly emptyAt: Date | null }

/** Reads the amounts of what a position held at a block or time. */
export function decodePastBalance(
  past: WirePastBalance,
): Decoded<WirePastBalance, 'chainId' | 'balance' | 'blockNumber'> {
  return {
    ...past,
    chainId: BigInt(past.chainId),
    balance: BigInt(past.balance),
    blockNumber: BigInt(past.blockNumber),
    timestamp: new Date(past.timestamp),
  }
}

/** Reads the amounts of statistics. */
export function decodeStats(stats: WireBalanceStats): DecodedStats {
  return {
    ...stats,
    chainId: BigInt(stats.chainId),
    from: new Date(stats.from),
    to: new Date(stats.to),
    latestBalance: integer(stats.latestBalance),
    oldestBalance: integer(stats.oldestBalance),
    minBalance: integer(stats.minBalance),
    maxBalance: integer(stats.maxBalance),
    averageBalance: integer(stats.averageBalance),
    change: integer(stats.change),
    balanceChange24h: integer(stats.balanceChange24h),
    inflow: BigInt(stats.inflow),
    outflow: BigInt(stats.outflow),
    burnRatePerHour: integer(stats.burnRatePerHour),
    emptyAt: stats.emptyAt === null ? null : new Date(stats.emptyAt),
  }
}

function integer(text: string | null): bigint | null {
  return text === null ? null : BigInt(text)
}
