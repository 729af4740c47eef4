import type { Address } from './address.js'
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

/** The set of watched positions changed: every process reads it again. */
export interface WatchListChangedEvent {
  readonly reason: string
}

/** One entry of the durable event log. */
export type TidemarkEvent =
  | { readonly type: 'balance.updated'; readonly data: BalanceChangeEvent }
  | { readonly type: 'position.started'; readonly data: PositionStartedEvent }
  | { readonly type: 'balance.reverted'; readonly data: BalanceRevertedEvent }
  | { readonly type: 'snapshot.saved'; readonly data: Snapshot }
  | { readonly type: 'watch-list.changed'; readonly data: WatchListChangedEvent }

export type EventType = TidemarkEvent['type']

/** An event with its place in the log. `seq` is gap-free and in commit order. */
export type LoggedEvent = TidemarkEvent & { readonly seq: bigint }
