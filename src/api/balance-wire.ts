import { z } from 'zod'

import { toChecksumAddress } from '../model/address.js'
import { formatAmount } from '../model/amount.js'
import { balanceCauses } from '../model/balance-cause.js'
import type { BalanceCause } from '../model/balance-cause.js'
import type { BalanceRecord, CurrentBalance } from '../model/balance-record.js'
import { soleTransactionHash } from '../model/balance-record.js'
import type { BlockPoint, Finality } from '../model/block.js'
import type { CoverageKind } from '../model/chain-event.js'
import { formatToken } from '../model/position.js'
import { wireAddress, wireBlockNumber, wireChainId, wireHash, wireInteger, wireTime, wireToken } from './scalars.js'
import type { WireTokenFields } from './token-fields.js'
import { encodeTokenFields, tokenFieldsShape } from './token-fields.js'

/** A block and its time. */
export interface WireBlockPoint {
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: string
}

/** A position's balance at a block where it changed, or where it was first seen. */
export interface WireBalanceRecord extends WireTokenFields, WireBlockPoint {
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string
  readonly balance: string
  readonly formatted: string
  readonly previousBalance: string | null
  readonly transactionHash?: string
  readonly transactionHashes: readonly string[]
  readonly cause: BalanceCause | null
  readonly unexplained: string
}

/** Blocks of a position that are known in the same way. */
export interface WireCoverageInterval {
  readonly fromBlock: string
  readonly toBlock: string | null
  readonly kind: CoverageKind
}

/** The newest balance of a position, with how far it is known to hold. */
export interface WireCurrentBalance extends WireBalanceRecord {
  readonly verified: WireBlockPoint
  readonly finality: Finality
  readonly stale: boolean
  readonly staleReason: string | null
}

const blockPoint = { blockNumber: wireBlockNumber, blockHash: wireHash, timestamp: wireTime }

const recordSchema = z.strictObject({
  chainId: wireChainId,
  tokenAddress: wireToken,
  solverAddress: wireAddress,
  balance: wireInteger,
  formatted: z
    .string()
    .meta({ description: 'The balance in whole tokens, exact; the integer while decimals are unknown' }),
  previousBalance: wireInteger
    .nullable()
    .meta({ description: 'The balance before this block; null when not observed' }),
  ...blockPoint,
  transactionHash: wireHash
    .exactOptional()
    .meta({ description: 'Present only when exactly one transaction moved the balance' }),
  transactionHashes: z
    .array(wireHash)
    .meta({ description: 'Transactions of the block known to have moved the balance, in block order' }),
  cause: z
    .enum(balanceCauses)
    .nullable()
    .meta({ description: 'Why the balance changed, as far as the chain tells; null for a first record' }),
  unexplained: wireInteger.meta({
    description: 'What of the change those transactions do not add up to; 0 when they explain all of it',
  }),
  ...tokenFieldsShape,
})

export const wireBalanceRecordSchema: z.ZodType<WireBalanceRecord> = recordSchema.meta({ id: 'BalanceRecord' })

export const wireCurrentBalanceSchema: z.ZodType<WireCurrentBalance> = recordSchema
  .extend({
    verified: z.strictObject(blockPoint).meta({ description: 'Newest block at which this balance is known to hold' }),
    finality: z.enum(['latest', 'safe', 'finalized']),
    stale: z.boolean().meta({ description: 'True when the balance cannot be read at the moment' }),
    staleReason: z.string().nullable(),
  })
  .meta({ id: 'CurrentBalance' })

export const wireCoverageIntervalSchema: z.ZodType<WireCoverageInterval> = z
  .strictObject({
    fromBlock: wireBlockNumber,
    toBlock: wireBlockNumber.nullable().meta({ description: 'Inclusive; null: up to the newest processed block' }),
    kind: z.enum(['exact', 'sampled']).meta({
      description: '`exact`: every change has its record; `sampled`: there may be changes without one',
    }),
  })
  .meta({ id: 'CoverageInterval' })

export function encodeCoverageInterval(interval: {
  readonly from: bigint
  readonly to: bigint | null
  readonly kind: CoverageKind
}): WireCoverageInterval {
  return {
    fromBlock: interval.from.toString(),
    toBlock: interval.to === null ? null : interval.to.toString(),
    kind: interval.kind,
  }
}

export function encodeBalanceRecord(record: BalanceRecord): WireBalanceRecord {
  const transactionHash = soleTransactionHash(record)
  return {
    chainId: record.chainId.toString(),
    tokenAddress: formatToken(record.token),
    solverAddress: toChecksumAddress(record.solver),
    balance: record.balance.toString(),
    formatted: formatAmount(record.balance, record.decimals),
    previousBalance: record.previousBalance === null ? null : record.previousBalance.toString(),
    blockNumber: record.blockNumber.toString(),
    blockHash: record.blockHash,
    timestamp: record.timestamp.toISOString(),
    ...(transactionHash === undefined ? {} : { transactionHash }),
    transactionHashes: [...record.transactionHashes],
    cause: record.cause,
    unexplained: record.unexplained.toString(),
    ...encodeTokenFields(record),
  }
}

export function encodeCurrentBalance(balance: CurrentBalance): WireCurrentBalance {
  return {
    ...encodeBalanceRecord(balance),
    verified: encodeBlockPoint(balance.verified),
    finality: balance.finality,
    stale: balance.staleReason !== null,
    staleReason: balance.staleReason,
  }
}

function encodeBlockPoint(point: BlockPoint): WireBlockPoint {
  return { blockNumber: point.number.toString(), blockHash: point.hash, timestamp: point.timestamp.toISOString() }
}
