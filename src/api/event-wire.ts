import { z } from 'zod'

import { toChecksumAddress } from '../model/address.js'
import { balanceCauses } from '../model/balance-cause.js'
import type { BalanceCause } from '../model/balance-cause.js'
import type {
  BalanceChangeEvent,
  BalanceRevertedEvent,
  HistoryExtendedEvent,
  LoggedEvent,
  PositionStartedEvent,
  RevertedItem,
  TokenChangedEvent,
} from '../model/event.js'
import type { Position } from '../model/position.js'
import { formatToken } from '../model/position.js'
import { formatAmount } from '../model/amount.js'
import { reportedAmountSchema } from '../model/snapshot-report.js'
import { wireAddress, wireBlockNumber, wireChainId, wireHash, wireInteger, wireTime, wireToken } from './scalars.js'
import type { WireSnapshot } from './snapshot-wire.js'
import { encodeSnapshot } from './snapshot-wire.js'
import type { WireTokenFields } from './token-fields.js'
import { encodeTokenFields, tokenFieldsShape } from './token-fields.js'

/** Place in the event log: a number while it is exact, decimal text beyond 2^53-1. */
export type WireSeq = number | string

interface WirePosition {
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string
}

/** `balance:snapshot`: a snapshot was saved. */
export interface WireSnapshotEvent extends WireSnapshot {
  readonly seq: WireSeq
}

/** `balance:updated`: a position's balance changed in a block. */
export interface WireBalanceChange extends WirePosition {
  readonly previousBalance: string
  readonly newBalance: string
  readonly changeAmount: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: string
  readonly transactionHash?: string
  readonly transactionHashes: readonly string[]
  readonly cause: BalanceCause
  readonly unexplained: string
  readonly seq: WireSeq
}

/** `position:started`: a position got its first record, or the first of a new coverage interval. */
export interface WirePositionStarted extends WirePosition, WireTokenFields {
  readonly balance: string
  readonly formatted: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: string
  readonly seq: WireSeq
}

/** `balance:reverted`: blocks above the ancestor left the canonical chain. */
export interface WireBalanceReverted {
  readonly chainId: string
  readonly ancestor: { readonly blockNumber: string; readonly blockHash: string }
  readonly items: readonly {
    readonly position: WirePosition
    readonly orphaned: readonly { readonly blockNumber: string; readonly blockHash: string; readonly balance: string }[]
    readonly balance: string | null
    readonly blockNumber: string | null
  }[]
  readonly seq: WireSeq
}

/** `history:extended`: records between two blocks were written anew. */
export interface WireHistoryExtended extends WirePosition {
  readonly fromBlock: string
  readonly toBlock: string
  readonly reason: HistoryExtendedEvent['reason']
  readonly coverage: HistoryExtendedEvent['coverage']
  readonly added: number
  readonly removed: number
  readonly balance: string | null
  readonly seq: WireSeq
}

/** `token:changed`: what is known of a token changed. */
export interface WireTokenChanged extends WireTokenFields {
  readonly chainId: string
  readonly tokenAddress: string
  readonly accruing: boolean
  readonly seq: WireSeq
}

/** `watch-list:changed`: solvers or tokens were added or removed; what is watched now is read from the lists. */
export interface WireWatchListChanged {
  readonly seq: WireSeq
}

/** A pushed event by its name. */
export type WireEvent =
  | { readonly name: 'balance:snapshot'; readonly payload: WireSnapshotEvent }
  | { readonly name: 'balance:updated'; readonly payload: WireBalanceChange }
  | { readonly name: 'position:started'; readonly payload: WirePositionStarted }
  | { readonly name: 'balance:reverted'; readonly payload: WireBalanceReverted }
  | { readonly name: 'history:extended'; readonly payload: WireHistoryExtended }
  | { readonly name: 'token:changed'; readonly payload: WireTokenChanged }
  | { readonly name: 'watch-list:changed'; readonly payload: WireWatchListChanged }

export const wireSeqSchema: z.ZodType<WireSeq> = z
  .union([z.int(), z.string().regex(/^\d+$/)])
  .meta({ description: 'Place in the event log; decimal text beyond 2^53-1' })

const positionShape = { chainId: wireChainId, tokenAddress: wireToken, solverAddress: wireAddress }
const blockShape = { blockNumber: wireBlockNumber, blockHash: wireHash, timestamp: wireTime }
const bookSchema = z.record(z.string(), reportedAmountSchema)

export const snapshotEventSchema: z.ZodType<WireSnapshotEvent> = z
  .strictObject({
    id: z.uuid(),
    ts: wireTime,
    pid: z.int().exactOptional(),
    onchain: bookSchema,
    onsite: bookSchema,
    seq: wireSeqSchema,
  })
  .meta({ id: 'SnapshotEvent' })

export const balanceChangeSchema: z.ZodType<WireBalanceChange> = z
  .strictObject({
    ...positionShape,
    previousBalance: wireInteger,
    newBalance: wireInteger,
    changeAmount: wireInteger,
    ...blockShape,
    transactionHash: wireHash.exactOptional(),
    transactionHashes: z.array(wireHash),
    cause: z.enum(balanceCauses),
    unexplained: wireInteger,
    seq: wireSeqSchema,
  })
  .meta({ id: 'BalanceChangeEvent' })

export const positionStartedSchema: z.ZodType<WirePositionStarted> = z
  .strictObject({
    ...positionShape,
    balance: wireInteger,
    formatted: z.string(),
    ...blockShape,
    ...tokenFieldsShape,
    seq: wireSeqSchema,
  })
  .meta({ id: 'PositionStartedEvent' })

export const balanceRevertedSchema: z.ZodType<WireBalanceReverted> = z
  .strictObject({
    chainId: wireChainId,
    ancestor: z.strictObject({ blockNumber: wireBlockNumber, blockHash: wireHash }),
    items: z.array(
      z.strictObject({
        position: z.strictObject(positionShape),
        orphaned: z.array(z.strictObject({ blockNumber: wireBlockNumber, blockHash: wireHash, balance: wireInteger })),
        balance: wireInteger.nullable(),
        blockNumber: wireBlockNumber.nullable(),
      }),
    ),
    seq: wireSeqSchema,
  })
  .meta({ id: 'BalanceRevertedEvent' })

export const historyExtendedSchema: z.ZodType<WireHistoryExtended> = z
  .strictObject({
    ...positionShape,
    fromBlock: wireBlockNumber,
    toBlock: wireBlockNumber.meta({ description: 'Last block whose records may differ from before, inclusive' }),
    reason: z.enum(['backfill', 'verify', 'sync']).meta({
      description: 'Missing blocks were filled in, or a check against the chain found records missing or wrong',
    }),
    coverage: z.enum(['exact', 'sampled']),
    added: z.int(),
    removed: z.int(),
    balance: wireInteger.nullable().meta({ description: 'The newest balance afterwards; null without any record' }),
    seq: wireSeqSchema,
  })
  .meta({ id: 'HistoryExtendedEvent' })

export const tokenChangedSchema: z.ZodType<WireTokenChanged> = z
  .strictObject({
    chainId: wireChainId,
    tokenAddress: wireToken,
    accruing: z.boolean().meta({ description: 'True when its balances grow by themselves: they are sampled then' }),
    ...tokenFieldsShape,
    seq: wireSeqSchema,
  })
  .meta({ id: 'TokenChangedEvent' })

export const watchListChangedSchema: z.ZodType<WireWatchListChanged> = z
  .strictObject({ seq: wireSeqSchema })
  .meta({ id: 'WatchListChangedEvent' })

/**
 * What is pushed for an event of the log. Every event is pushed as something: a client that misses a `seq` knows that it
 * has missed an event.
 */
export function encodeLoggedEvent(event: LoggedEvent): WireEvent {
  const seq = encodeSeq(event.seq)
  switch (event.type) {
    case 'snapshot.saved':
      return { name: 'balance:snapshot', payload: { ...encodeSnapshot(event.data), seq } }
    case 'balance.updated':
      return { name: 'balance:updated', payload: { ...encodeChange(event.data), seq } }
    case 'position.started':
      return { name: 'position:started', payload: { ...encodeStarted(event.data), seq } }
    case 'balance.reverted':
      return { name: 'balance:reverted', payload: { ...encodeReverted(event.data), seq } }
    case 'history.extended':
      return { name: 'history:extended', payload: { ...encodeExtended(event.data), seq } }
    case 'token.changed':
      return { name: 'token:changed', payload: { ...encodeTokenChange(event.data), seq } }
    case 'watch-list.changed':
      return { name: 'watch-list:changed', payload: { seq } }
  }
}

/** A `seq` as JSON can hold it exactly. */
export function encodeSeq(seq: bigint): WireSeq {
  return seq <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seq) : seq.toString()
}

function encodeChange(change: BalanceChangeEvent): Omit<WireBalanceChange, 'seq'> {
  return {
    ...encodePosition({ chainId: change.chainId, token: change.tokenAddress, solver: change.solverAddress }),
    previousBalance: change.previousBalance.toString(),
    newBalance: change.newBalance.toString(),
    changeAmount: change.changeAmount.toString(),
    blockNumber: change.blockNumber.toString(),
    blockHash: change.blockHash,
    timestamp: change.timestamp.toISOString(),
    ...(change.transactionHash === undefined ? {} : { transactionHash: change.transactionHash }),
    transactionHashes: [...change.transactionHashes],
    cause: change.cause,
    unexplained: change.unexplained.toString(),
  }
}

function encodeStarted(started: PositionStartedEvent): Omit<WirePositionStarted, 'seq'> {
  return {
    ...encodePosition({ chainId: started.chainId, token: started.tokenAddress, solver: started.solverAddress }),
    balance: started.balance.toString(),
    formatted: formatAmount(started.balance, started.decimals),
    blockNumber: started.blockNumber.toString(),
    blockHash: started.blockHash,
    timestamp: started.timestamp.toISOString(),
    ...encodeTokenFields(started),
  }
}

function encodeReverted(reverted: BalanceRevertedEvent): Omit<WireBalanceReverted, 'seq'> {
  return {
    chainId: reverted.chainId.toString(),
    ancestor: { blockNumber: reverted.ancestor.number.toString(), blockHash: reverted.ancestor.hash },
    items: reverted.items.map(encodeRevertedItem),
  }
}

function encodeRevertedItem(item: RevertedItem): WireBalanceReverted['items'][number] {
  return {
    position: encodePosition(item.position),
    orphaned: item.orphaned.map(({ blockNumber, blockHash, balance }) => ({
      blockNumber: blockNumber.toString(),
      blockHash,
      balance: balance.toString(),
    })),
    balance: item.balance === null ? null : item.balance.toString(),
    blockNumber: item.blockNumber === null ? null : item.blockNumber.toString(),
  }
}

function encodeExtended(extended: HistoryExtendedEvent): Omit<WireHistoryExtended, 'seq'> {
  const { chainId, tokenAddress: token, solverAddress: solver, balance } = extended
  return {
    ...encodePosition({ chainId, token, solver }),
    fromBlock: extended.fromBlock.toString(),
    toBlock: extended.toBlock.toString(),
    reason: extended.reason,
    coverage: extended.coverage,
    added: extended.added,
    removed: extended.removed,
    balance: balance === null ? null : balance.toString(),
  }
}

function encodeTokenChange(change: TokenChangedEvent): Omit<WireTokenChanged, 'seq'> {
  return {
    chainId: change.chainId.toString(),
    tokenAddress: formatToken(change.tokenAddress),
    accruing: change.accruing,
    ...encodeTokenFields(change),
  }
}

function encodePosition(position: Position): WirePosition {
  return {
    chainId: position.chainId.toString(),
    tokenAddress: formatToken(position.token),
    solverAddress: toChecksumAddress(position.solver),
  }
}
