import { blockTime } from '../model/block.js'
import type { BlockRef } from '../model/block.js'
import type { Attribution } from '../model/chain-event.js'
import type { TidemarkEvent } from '../model/event.js'
import type { TokenMetadata } from '../model/token-metadata.js'
import type { RecordRow, StoredPosition } from './ledger-store.js'

export interface NewRecord {
  readonly position: StoredPosition
  readonly block: BlockRef & { readonly timestampSeconds: number }
  readonly balance: bigint
  /** Null for a first record. */
  readonly previousBalance: bigint | null
  /** Null where nothing is known of the block's transactions. */
  readonly attribution: Attribution | null
  readonly metadata: TokenMetadata
}

/** A record to write. A first record is no change: it has neither cause nor transactions. */
export function draftRecord(record: NewRecord): RecordRow {
  const { position, balance, previousBalance, attribution, metadata } = record
  const common = { positionId: position.id, balance, previousBalance, metadata }
  if (previousBalance === null) return { ...common, transactionHashes: [], cause: null, unexplained: 0n }
  return {
    ...common,
    transactionHashes: attribution?.transactionHashes ?? [],
    cause: attribution?.cause ?? 'unknown',
    unexplained: attribution?.unexplained ?? balance - previousBalance,
  }
}

/** What a record announces: that its position started, or that its balance changed. */
export function announceRecord(
  { position, block }: Pick<NewRecord, 'position' | 'block'>,
  row: RecordRow,
): TidemarkEvent {
  const { balance, previousBalance, transactionHashes, cause, unexplained, metadata } = row
  const common = {
    chainId: position.chainId,
    tokenAddress: position.token,
    solverAddress: position.solver,
    blockNumber: block.number,
    blockHash: block.hash,
    timestamp: blockTime(block),
  }
  if (previousBalance === null || cause === null) {
    return { type: 'position.started', data: { ...common, ...metadata, balance } }
  }
  const sole = unexplained === 0n && transactionHashes.length === 1 ? transactionHashes[0] : undefined
  return {
    type: 'balance.updated',
    data: {
      ...common,
      previousBalance,
      newBalance: balance,
      changeAmount: balance - previousBalance,
      ...(sole === undefined ? {} : { transactionHash: sole }),
      transactionHashes,
      cause,
      unexplained,
    },
  }
}
