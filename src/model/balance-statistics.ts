import type { CoverageKind } from './chain-event.js'
import type { Position, Token } from './position.js'
import type { TokenMetadata } from './token-metadata.js'
import type { Address } from './address.js'
import type { Hash } from './position.js'

/** What a position did between two times. Amounts are exact, in the token's smallest unit. */
export interface BalanceStats {
  /** The first record's time when no other was asked for. */
  readonly from: Date
  /** At most the time of the newest processed block. */
  readonly to: Date
  /** Records from `from` to `to`, both included. */
  readonly totalRecords: number
  /** The balance at `to`; null when none was known by then. */
  readonly latestBalance: bigint | null
  /** The balance at `from`, or the first one known after it. */
  readonly oldestBalance: bigint | null
  /** Of `oldestBalance` and all records between the two times. */
  readonly minBalance: bigint | null
  readonly maxBalance: bigint | null
  /**
   * Weighted by the seconds for which each balance held, inside exact coverage only; rounded toward zero. Null when there
   * is not one such second.
   */
  readonly averageBalance: bigint | null
  /** `latestBalance - oldestBalance`. */
  readonly change: bigint | null
  /** Against the balance 24 hours before `to`; null when that one is not known. */
  readonly balanceChange24h: bigint | null
  /** In percent with 4 decimals, rounded toward zero, such as `-12.3400`; null from a balance of zero. */
  readonly balanceChangePercent24h: string | null
  /**
   * Sum of all rises, and of all falls, both as positive amounts. A start is none, nor is what changed while nobody
   * looked: `change` is `inflow - outflow` and that.
   */
  readonly inflow: bigint
  readonly outflow: bigint
  /** Net outflow per hour of exact coverage, rounded toward zero; 0 when the balance did not fall. Null without coverage. */
  readonly burnRatePerHour: bigint | null
  /**
   * When the balance is used up if it goes on falling like this; null when it does not fall, or so slowly that no
   * calendar of four-digit years has the day.
   */
  readonly emptyAt: Date | null
  /** What is known of the time between the two, oldest first. */
  readonly coverage: readonly CoverageSpan[]
}

/** How a balance at some block is known; `unseen`: it is the last one known before, and may have changed since. */
export type Certainty = 'exact' | 'sampled' | 'unseen'

/** What a position held at a block or time. */
export interface PastBalance extends Position, TokenMetadata {
  readonly balance: bigint
  readonly certainty: Certainty
  /** The record that tells so: the newest one at or before. */
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
}

export interface BalancePoint {
  readonly balance: bigint
  readonly blockNumber: bigint
  readonly timestamp: Date
}

/** All records of one bucket. Of equal balances the earliest is told. */
export interface BalanceBucket {
  readonly start: Date
  readonly count: number
  readonly first: BalancePoint
  readonly last: BalancePoint
  readonly min: BalancePoint
  readonly max: BalancePoint
}

/** A position's balance over time as a step line. */
export interface BalanceSeries {
  /** As in the statistics. */
  readonly from: Date
  readonly to: Date
  /** Buckets begin at multiples of this since 1970. */
  readonly bucketMs: number
  /** What held when the range began; null when nothing was known. */
  readonly before: BalancePoint | null
  /** Oldest first; one without a record is absent, and the balance of the one before goes on. */
  readonly buckets: readonly BalanceBucket[]
  /** Oldest first. Where the line has to be interrupted is what none of these covers. */
  readonly coverage: readonly CoverageSpan[]
}

/** Coverage by time, clipped to what was asked for. Spans between whose blocks none was missed touch. */
export interface CoverageSpan {
  readonly from: Date
  readonly to: Date
  readonly kind: CoverageKind
}

/** Balances of one token of a chain summed up over all, or one, of the solvers. */
export interface BalanceTotal extends TokenMetadata {
  readonly chainId: bigint
  readonly token: Token
  /** Null when the sum is over all solvers. */
  readonly solver: Address | null
  readonly balance: bigint
  readonly positions: number
  /** Positions of the sum whose balance is not up to date. */
  readonly stale: number
  /** Positions that are watched and missing in the sum, because none of their balances could be read yet. */
  readonly unknown: number
}
