import type { Address } from './address.js'
import type { BalanceCause } from './balance-cause.js'
import type { BlockRef } from './block.js'
import type { Hash, Position, Token } from './position.js'
import type { Snapshot } from './snapshot.js'
import type { TokenMetadata } from './token-metadata.js'

/** A position's balance changed in a block. Amounts are in the token's smallest unit. */
export interface BalanceChangeEvent {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly solverAddress: Address
  readonly previousBalance: bigint
  readonly newBalance: bigint
  readonly changeAmount: bigint
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
  /** Present only when exactly one transaction moved the balance. */
  readonly transactionHash?: Hash | undefined
  readonly transactionHashes: readonly Hash[]
  readonly cause: BalanceCause
  /** What of the change the transactions do not add up to, signed. */
  readonly unexplained: bigint
}

/** A position got its first record, or the first one of a new coverage interval; the balance may be 0. */
export interface PositionStartedEvent extends TokenMetadata {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly solverAddress: Address
  readonly balance: bigint
  readonly blockNumber: bigint
  readonly blockHash: Hash
  readonly timestamp: Date
}

/** What a reorganisation took back from one position. */
export interface RevertedItem {
  readonly position: Position
  /** Records that no longer stand, newest first. */
  readonly orphaned: readonly { blockNumber: bigint; blockHash: Hash; balance: bigint }[]
  /** The balance that stands again; null when the position has no record left. */
  readonly balance: bigint | null
  /** The block of the record that stands again. */
  readonly blockNumber: bigint | null
}

/** Blocks above `ancestor` left the canonical chain. */
export interface BalanceRevertedEvent {
  readonly chainId: bigint
  readonly ancestor: BlockRef
  readonly items: readonly RevertedItem[]
}

/** History that was not known, or was wrong, now is: records between two blocks were written anew. */
export interface HistoryExtendedEvent {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly solverAddress: Address
  /** The blocks whose records may differ from before, inclusive. */
  readonly fromBlock: bigint
  readonly toBlock: bigint
  /** Why: missing blocks were filled in, or a check against the chain found records that were missing or wrong. */
  readonly reason: 'backfill' | 'verify' | 'sync'
  readonly coverage: 'exact' | 'sampled'
  readonly added: number
  readonly removed: number
  /** The position's newest balance afterwards, in the token's smallest unit; null when it has no record. */
  readonly balance: bigint | null
}

/** What is known of a token changed: its metadata, or that its balances grow by themselves. */
export interface TokenChangedEvent extends TokenMetadata {
  readonly chainId: bigint
  readonly tokenAddress: Token
  readonly accruing: boolean
}

/** The set of watched positions changed: every process reads it again. */
export interface WatchListChangedEvent {
  readonly reason: string
}

/** One entry of the durable event log. */
export type TidemarkEvent =
  | { readonly type: 'balance.updated'; readonly data: BalanceChangeEvent }
  | { readonly type: 'position.started'; readonly data: PositionStartedEvent }
  | { readonly type: 'balance.reverted'; readonly data: BalanceRevertedEvent }
  | { readonly type: 'history.extended'; readonly data: HistoryExtendedEvent }
  | { readonly type: 'token.changed'; readonly data: TokenChangedEvent }
  | { readonly type: 'snapshot.saved'; readonly data: Snapshot }
  | { readonly type: 'watch-list.changed'; readonly data: WatchListChangedEvent }

export type EventType = TidemarkEvent['type']

/** An event with its place in the log. `seq` is gap-free and in commit order. */
export type LoggedEvent = TidemarkEvent & { readonly seq: bigint }
