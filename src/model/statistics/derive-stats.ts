import type { BalanceStats, CoverageSpan } from '../balance-statistics.js'

const HOUR_MS = 3_600_000n
/** Beyond this, a date has no four-digit year any more. */
const LAST_DATE_MS = BigInt(Date.UTC(9999, 11, 31, 23, 59, 59, 999))
const PERCENT_DECIMALS = 4
const PERCENT_UNIT = 10n ** BigInt(PERCENT_DECIMALS)

/** What has to be summed up of the records; everything else follows from it. */
export interface StatsSums {
  readonly from: Date
  readonly to: Date
  readonly totalRecords: number
  readonly latestBalance: bigint | null
  readonly oldestBalance: bigint | null
  readonly minBalance: bigint | null
  readonly maxBalance: bigint | null
  /** The balance 24 hours before `to`. */
  readonly dayAgoBalance: bigint | null
  readonly inflow: bigint
  readonly outflow: bigint
  /** Milliseconds inside exact coverage with a known balance, and the sum of that balance over each of them. */
  readonly weightMs: bigint
  readonly weighted: bigint
  /** By how much the balance fell within those, less by how much it rose. */
  readonly netOutflow: bigint
  readonly coverage: readonly CoverageSpan[]
}

/** Every division rounds toward zero. */
export function deriveStats(sums: StatsSums): BalanceStats {
  const { latestBalance, oldestBalance, dayAgoBalance, weightMs, netOutflow } = sums
  const dayChange = difference(latestBalance, dayAgoBalance)
  return {
    from: sums.from,
    to: sums.to,
    totalRecords: sums.totalRecords,
    latestBalance,
    oldestBalance,
    minBalance: sums.minBalance,
    maxBalance: sums.maxBalance,
    averageBalance: weightMs === 0n ? null : sums.weighted / weightMs,
    change: difference(latestBalance, oldestBalance),
    balanceChange24h: dayChange,
    balanceChangePercent24h:
      dayChange === null || dayAgoBalance === null ? null : percentText(dayChange, dayAgoBalance),
    inflow: sums.inflow,
    outflow: sums.outflow,
    burnRatePerHour: weightMs === 0n ? null : netOutflow > 0n ? (netOutflow * HOUR_MS) / weightMs : 0n,
    emptyAt: emptyAt(sums),
    coverage: sums.coverage,
  }
}

function difference(one: bigint | null, two: bigint | null): bigint | null {
  return one === null || two === null ? null : one - two
}

/** A change in percent of a balance; null from zero. */
export function percentText(change: bigint, balance: bigint): string | null {
  if (balance === 0n) return null
  const scaled = (change * 100n * PERCENT_UNIT) / balance
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(PERCENT_DECIMALS + 1, '0')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -PERCENT_DECIMALS)}.${digits.slice(-PERCENT_DECIMALS)}`
}

function emptyAt({ to, latestBalance, weightMs, netOutflow }: StatsSums): Date | null {
  if (latestBalance === null || netOutflow <= 0n) return null
  const atMs = BigInt(to.getTime()) + (latestBalance * weightMs) / netOutflow
  return atMs > LAST_DATE_MS ? null : new Date(Number(atMs))
}
