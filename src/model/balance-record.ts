import type { BalanceCause } from './balance-cause.js'
import type { Finality, BlockPoint } from './block.js'
import type { Hash, Position } from './position.js'
import type { TokenMetadata } from './token-metadata.js'

/** A position's balance at a block where it changed, or where it was first seen. */
export interface BalanceRecord extends Position, TokenMetadata {
  /** In the token's smallest unit. */
  readonly balance: bigint
  /** The balance before this block; null when it was not observed. */
  readonly previousBalance: bigint | null
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
  /** Transactions of the block known to have moved the balance, in block order. */
  readonly transactionHashes: readonly Hash[]
  /** Null for a first record, which is no change. */
  readonly cause: BalanceCause | null
  /** What of the change those transactions do not add up to, signed; 0 when they explain all of it. */
  readonly unexplained: bigint
}

/** The newest balance of a position, with how far it is known to hold. */
export interface CurrentBalance extends BalanceRecord {
  readonly verified: BlockPoint
  readonly finality: Finality
  /** Why `verified` no longer moves on, in words; null while it does. */
  readonly staleReason: string | null
}

/** The one transaction that moved the balance, when it was exactly one. */
export function soleTransactionHash(
  record: Pick<BalanceRecord, 'transactionHashes' | 'cause' | 'unexplained'>,
): Hash | undefined {
  const explained = record.cause !== null && record.unexplained === 0n
  return explained && record.transactionHashes.length === 1 ? record.transactionHashes[0] : undefined
}
