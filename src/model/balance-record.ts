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
  /** True when those transactions add up to the whole change. */
  readonly explained: boolean
}

/** The newest balance of a position, with how far it is known to hold. */
export interface CurrentBalance extends BalanceRecord {
  readonly verified: BlockPoint
  readonly finality: Finality
  /** Why `verified` no longer moves on, in words; null while it does. */
  readonly staleReason: string | null
}

/** The one transaction that moved the balance, when it was exactly one. */
export function soleTransactionHash(record: Pick<BalanceRecord, 'transactionHashes' | 'explained'>): Hash | undefined {
  return record.explained && record.transactionHashes.length === 1 ? record.transactionHashes[0] : undefined
}
