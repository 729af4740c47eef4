import { formatAmount, formatToken, soleTransactionHash, toChecksumAddress } from '../index.js'
import type {
  Address,
  BlockPoint,
  CurrentBalance as LedgerBalance,
  Finality,
  BalanceRecord as LedgerRecord,
  BalanceTotal as LedgerTotal,
  Hash,
  PastBalance as LedgerPastBalance,
  Token,
  TokenMetadata,
  WatchedSolver,
  WatchedToken,
} from '../index.js'

/** What a token says of itself; absent where it does not say. */
export interface TokenFields {
  readonly decimals?: number
  readonly tokenSymbol?: string
  readonly tokenName?: string
}

/**
 * A position's balance at a block where it changed, or where it was first seen. Addresses are in EIP-55 spelling, amounts
 * in the token's smallest unit.
 */
export interface BalanceRecord extends TokenFields {
  readonly chainId: bigint
  /** A contract's address, or `native`. */
  readonly tokenAddress: Token
  readonly solverAddress: Address
  readonly balance: bigint
  /** The exact amount in whole tokens, or in the smallest unit where the decimals are unknown. */
  readonly formatted: string
  /** The balance before this block; null when it was not observed. */
  readonly previousBalance: bigint | null
  readonly blockNumber: bigint
  readonly blockHash: Hash
  /** Of the block. */
  readonly timestamp: Date
  /** Present only when exactly one transaction moved the balance. */
  readonly transactionHash?: Hash
  /** Transactions of the block known to have moved the balance, in block order. */
  readonly transactionHashes: readonly Hash[]
  /** Why the balance changed, as far as the chain tells; null for a first record, which is no change. */
  readonly cause: LedgerRecord['cause']
  /** What of the change those transactions do not add up to, signed; 0 when they explain all of it. */
  readonly unexplained: bigint
}

/** The newest balance of a position, with how far it is known to hold. */
export interface CurrentBalance extends BalanceRecord {
  /** The newest block at which this balance is known to hold. */
  readonly verified: BlockPoint
  readonly finality: Finality
  /** True when the balance cannot be read at the moment; `staleReason` says why. */
  readonly stale: boolean
  readonly staleReason: string | null
}

/** What a position held at a block or time. */
export interface PastBalance extends TokenFields {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly solverAddress: Address
  readonly balance: bigint
  /** The exact amount in whole tokens, or in the smallest unit where the decimals are unknown. */
  readonly formatted: string
  /** `unseen`: it is the last balance known before, and may have changed since. */
  readonly certainty: LedgerPastBalance['certainty']
  /** The record that tells so: the newest one at or before. */
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
}

/** Newest balances of one token of a chain, summed up over all, or one, of the wallets. */
export interface BalanceTotal extends TokenFields {
  readonly chainId: bigint
  readonly tokenAddress: Token
  /** Null when the sum is over all wallets. */
  readonly solverAddress: Address | null
  readonly balance: bigint
  readonly formatted: string
  readonly positions: number
  /** Positions of the sum whose balance is not up to date. */
  readonly stale: number
}

/** A token that is watched on a chain. */
export interface MonitoredToken extends TokenFields {
  readonly chainId: bigint
  readonly tokenAddress: Address
  /** Those of the configuration cannot be removed at run time. */
  readonly origin: 'config' | 'runtime'
}

/** A wallet that is watched on every chain. */
export type MonitoredSolver = WatchedSolver

/** @internal */
export function toTokenFields({ decimals, symbol, name }: TokenMetadata): TokenFields {
  return {
    ...(decimals === null ? {} : { decimals }),
    ...(symbol === null ? {} : { tokenSymbol: symbol }),
    ...(name === null ? {} : { tokenName: name }),
  }
}

/** @internal */
export function toBalanceRecord(record: LedgerRecord): BalanceRecord {
  const transactionHash = soleTransactionHash(record)
  return {
    chainId: record.chainId,
    tokenAddress: formatToken(record.token),
    solverAddress: toChecksumAddress(record.solver),
    balance: record.balance,
    formatted: formatAmount(record.balance, record.decimals),
    previousBalance: record.previousBalance,
    blockNumber: record.blockNumber,
    blockHash: record.blockHash,
    timestamp: record.timestamp,
    ...(transactionHash === undefined ? {} : { transactionHash }),
    transactionHashes: record.transactionHashes,
    cause: record.cause,
    unexplained: record.unexplained,
    ...toTokenFields(record),
  }
}

/** @internal */
export function toCurrentBalance(balance: LedgerBalance): CurrentBalance {
  return {
    ...toBalanceRecord(balance),
    verified: balance.verified,
    finality: balance.finality,
    stale: balance.staleReason !== null,
    staleReason: balance.staleReason,
  }
}

/** @internal */
export function toPastBalance(past: LedgerPastBalance): PastBalance {
  const { chainId, balance, certainty, blockNumber, blockHash, timestamp } = past
  return {
    chainId,
    tokenAddress: formatToken(past.token),
    solverAddress: toChecksumAddress(past.solver),
    balance,
    formatted: formatAmount(balance, past.decimals),
    certainty,
    blockNumber,
    blockHash,
    timestamp,
    ...toTokenFields(past),
  }
}

/** @internal */
export function toBalanceTotal(total: LedgerTotal): BalanceTotal {
  const { chainId, solver, balance, positions, stale } = total
  return {
    chainId,
    tokenAddress: formatToken(total.token),
    solverAddress: solver === null ? null : toChecksumAddress(solver),
    balance,
    formatted: formatAmount(balance, total.decimals),
    positions,
    stale,
    ...toTokenFields(total),
  }
}

/** @internal */
export function toMonitoredSolver(solver: WatchedSolver): MonitoredSolver {
  return { ...solver, address: toChecksumAddress(solver.address) }
}

/** @internal */
export function toMonitoredToken(token: WatchedToken): MonitoredToken {
  const { chainId, address, origin } = token
  return { chainId, tokenAddress: toChecksumAddress(address), origin, ...toTokenFields(token) }
}
