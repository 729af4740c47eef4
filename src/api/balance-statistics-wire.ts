import { z } from 'zod'

import { toChecksumAddress } from '../model/address.js'
import { formatAmount } from '../model/amount.js'
import type {
  BalanceBucket,
  BalancePoint,
  BalanceSeries,
  BalanceStats,
  BalanceTotal,
  Certainty,
  CoverageSpan,
  PastBalance,
} from '../model/balance-statistics.js'
import type { CoverageKind } from '../model/chain-event.js'
import { formatToken } from '../model/position.js'
import type { Position } from '../model/position.js'
import { wireAddress, wireBlockNumber, wireChainId, wireHash, wireInteger, wireTime, wireToken } from './scalars.js'
import type { WireTokenFields } from './token-fields.js'
import { encodeTokenFields, tokenFieldsShape } from './token-fields.js'

interface WirePosition {
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string
}

/** What a position held at a block or time. */
export interface WirePastBalance extends WireTokenFields, WirePosition {
  readonly balance: string
  readonly formatted: string
  readonly certainty: Certainty
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: string
}

/** What a position did between two times. */
export interface WireBalanceStats extends WirePosition {
  readonly from: string
  readonly to: string
  readonly totalRecords: number
  readonly latestBalance: string | null
  readonly oldestBalance: string | null
  readonly minBalance: string | null
  readonly maxBalance: string | null
  readonly averageBalance: string | null
  readonly change: string | null
  readonly balanceChange24h: string | null
  readonly balanceChangePercent24h: string | null
  readonly inflow: string
  readonly outflow: string
  readonly burnRatePerHour: string | null
  readonly emptyAt: string | null
  readonly coverage: readonly WireCoverageSpan[]
}

interface WireBalancePoint {
  readonly balance: string
  readonly blockNumber: string
  readonly timestamp: string
}

interface WireBalanceBucket {
  readonly start: string
  readonly count: number
  readonly first: WireBalancePoint
  readonly last: WireBalancePoint
  readonly min: WireBalancePoint
  readonly max: WireBalancePoint
}

interface WireCoverageSpan {
  readonly from: string
  readonly to: string
  readonly kind: CoverageKind
}

/** A position's balance over time as a step line. */
export interface WireBalanceSeries extends WirePosition {
  readonly from: string
  readonly to: string
  readonly bucketMs: number
  readonly before: WireBalancePoint | null
  readonly items: readonly WireBalanceBucket[]
  readonly coverage: readonly WireCoverageSpan[]
}

/** Newest balances of one token of a chain, summed up. */
export interface WireBalanceTotal extends WireTokenFields {
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string | null
  readonly balance: string
  readonly formatted: string
  readonly positions: number
  readonly stale: number
  readonly unknown: number
}

const positionShape = { chainId: wireChainId, tokenAddress: wireToken, solverAddress: wireAddress }
const amount = wireInteger.nullable()
const formatted = z
  .string()
  .meta({ description: 'The balance in whole tokens, exact; the integer while decimals are unknown' })

export const wirePastBalanceSchema: z.ZodType<WirePastBalance> = z
  .strictObject({
    ...positionShape,
    balance: wireInteger,
    formatted,
    certainty: z.enum(['exact', 'sampled', 'unseen']).meta({
      description:
        '`exact`: every change up to then is known; `sampled`: the balance may have moved in between; `unseen`: the last one known before, and it may have changed since',
    }),
    blockNumber: wireBlockNumber.meta({ description: 'The block since which the balance is known' }),
    blockHash: wireHash,
    timestamp: wireTime,
    ...tokenFieldsShape,
  })
  .meta({ id: 'PastBalance' })

const spanSchema: z.ZodType<WireCoverageSpan> = z
  .strictObject({
    from: wireTime,
    to: wireTime,
    kind: z.enum(['exact', 'sampled']).meta({
      description: '`exact`: every change has its record; `sampled`: there may be changes without one',
    }),
  })
  .meta({ id: 'CoverageSpan' })

export const wireBalanceStatsSchema: z.ZodType<WireBalanceStats> = z
  .strictObject({
    ...positionShape,
    from: wireTime,
    to: wireTime.meta({ description: 'At most the time of the newest processed block' }),
    totalRecords: z.int(),
    latestBalance: amount.meta({ description: 'The balance at the end; null when it was not known by then' }),
    oldestBalance: amount.meta({ description: 'The balance at the beginning, or the first one known after it' }),
    minBalance: amount,
    maxBalance: amount,
    averageBalance: amount.meta({
      description:
        'Weighted by the seconds for which each balance held, inside exact coverage, rounded toward zero; null without one such second',
    }),
    change: amount.meta({ description: 'From the oldest to the latest balance' }),
    balanceChange24h: amount.meta({ description: 'Over the 24 hours before the end; null when unknown' }),
    balanceChangePercent24h: z
      .string()
      .regex(/^-?\d+\.\d{4}$/)
      .nullable()
      .meta({ description: 'In percent with 4 decimals, rounded toward zero; null from a balance of zero' }),
    inflow: wireInteger.meta({ description: 'Sum of all rises' }),
    outflow: wireInteger.meta({ description: 'Sum of all falls, as a positive amount' }),
    burnRatePerHour: amount.meta({
      description:
        'Net outflow per hour of exact coverage, rounded toward zero; 0 when it did not fall, null without coverage',
    }),
    emptyAt: wireTime
      .nullable()
      .meta({ description: 'When the balance is used up if it goes on falling like this; null when it does not fall' }),
    coverage: z.array(spanSchema).meta({ description: 'What is known of the time in between, oldest first' }),
  })
  .meta({ id: 'BalanceStats' })

const pointSchema: z.ZodType<WireBalancePoint> = z
  .strictObject({ balance: wireInteger, blockNumber: wireBlockNumber, timestamp: wireTime })
  .meta({ id: 'BalancePoint' })

const bucketSchema: z.ZodType<WireBalanceBucket> = z
  .strictObject({
    start: wireTime,
    count: z.int().meta({ description: 'Records in this bucket' }),
    first: pointSchema,
    last: pointSchema,
    min: pointSchema,
    max: pointSchema,
  })
  .meta({ id: 'BalanceBucket' })

export const wireBalanceSeriesSchema: z.ZodType<WireBalanceSeries> = z
  .strictObject({
    ...positionShape,
    from: wireTime,
    to: wireTime.meta({ description: 'At most the time of the newest processed block' }),
    bucketMs: z.int().meta({ description: 'Length of a bucket; buckets begin at multiples of it since 1970' }),
    before: pointSchema.nullable().meta({ description: 'What held when the range began; null when nothing was known' }),
    items: z.array(bucketSchema).meta({
      description: 'Oldest first; one without a record is absent, and the last balance of the one before goes on',
    }),
    coverage: z
      .array(spanSchema)
      .meta({ description: 'Where the line has to be interrupted is what none of these covers' }),
  })
  .meta({ id: 'BalanceSeries' })

export const wireBalanceTotalSchema: z.ZodType<WireBalanceTotal> = z
  .strictObject({
    chainId: wireChainId,
    tokenAddress: wireToken,
    solverAddress: wireAddress.nullable().meta({ description: 'Null when the sum is over all solvers' }),
    balance: wireInteger,
    formatted,
    positions: z.int().meta({ description: 'Positions that were added up' }),
    stale: z.int().meta({ description: 'How many of them are not up to date' }),
    unknown: z.int().meta({
      description:
        'Positions that are watched and missing in the sum, because none of their balances could be read yet',
    }),
    ...tokenFieldsShape,
  })
  .meta({ id: 'BalanceTotal' })

export function encodePastBalance(past: PastBalance): WirePastBalance {
  return {
    ...encodePosition(past),
    balance: past.balance.toString(),
    formatted: formatAmount(past.balance, past.decimals),
    certainty: past.certainty,
    blockNumber: past.blockNumber.toString(),
    blockHash: past.blockHash,
    timestamp: past.timestamp.toISOString(),
    ...encodeTokenFields(past),
  }
}

export function encodeBalanceStats(position: Position, stats: BalanceStats): WireBalanceStats {
  return {
    ...encodePosition(position),
    from: stats.from.toISOString(),
    to: stats.to.toISOString(),
    totalRecords: stats.totalRecords,
    latestBalance: text(stats.latestBalance),
    oldestBalance: text(stats.oldestBalance),
    minBalance: text(stats.minBalance),
    maxBalance: text(stats.maxBalance),
    averageBalance: text(stats.averageBalance),
    change: text(stats.change),
    balanceChange24h: text(stats.balanceChange24h),
    balanceChangePercent24h: stats.balanceChangePercent24h,
    inflow: stats.inflow.toString(),
    outflow: stats.outflow.toString(),
    burnRatePerHour: text(stats.burnRatePerHour),
    emptyAt: stats.emptyAt === null ? null : stats.emptyAt.toISOString(),
    coverage: stats.coverage.map(encodeSpan),
  }
}

export function encodeBalanceSeries(position: Position, series: BalanceSeries): WireBalanceSeries {
  return {
    ...encodePosition(position),
    from: series.from.toISOString(),
    to: series.to.toISOString(),
    bucketMs: series.bucketMs,
    before: series.before === null ? null : encodePoint(series.before),
    items: series.buckets.map(encodeBucket),
    coverage: series.coverage.map(encodeSpan),
  }
}

export function encodeBalanceTotal(total: BalanceTotal): WireBalanceTotal {
  return {
    chainId: total.chainId.toString(),
    tokenAddress: formatToken(total.token),
    solverAddress: total.solver === null ? null : toChecksumAddress(total.solver),
    balance: total.balance.toString(),
    formatted: formatAmount(total.balance, total.decimals),
    positions: total.positions,
    stale: total.stale,
    unknown: total.unknown,
    ...encodeTokenFields(total),
  }
}

function encodePosition({ chainId, token, solver }: Position): WirePosition {
  return { chainId: chainId.toString(), tokenAddress: formatToken(token), solverAddress: toChecksumAddress(solver) }
}

function encodeBucket({ start, count, first, last, min, max }: BalanceBucket): WireBalanceBucket {
  return {
    start: start.toISOString(),
    count,
    first: encodePoint(first),
    last: encodePoint(last),
    min: encodePoint(min),
    max: encodePoint(max),
  }
}

function encodePoint({ balance, blockNumber, timestamp }: BalancePoint): WireBalancePoint {
  return { balance: balance.toString(), blockNumber: blockNumber.toString(), timestamp: timestamp.toISOString() }
}

function encodeSpan({ from, to, kind }: CoverageSpan): WireCoverageSpan {
  return { from: from.toISOString(), to: to.toISOString(), kind }
}

function text(value: bigint | null): string | null {
  return value === null ? null : value.toString()
}
