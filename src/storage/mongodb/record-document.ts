import { toChecksumAddress } from '../../model/address.js'
import { balanceCauses } from '../../model/balance-cause.js'
import type { BalanceCause } from '../../model/balance-cause.js'
import { soleTransactionHash } from '../../model/balance-record.js'
import type { BalanceRecord } from '../../model/balance-record.js'
import { formatToken, parseToken } from '../../model/position.js'
import type { Hash, Position } from '../../model/position.js'
import { parseAddress } from '../../model/address.js'

/** What Mongoose calls the collection of a model `BalanceRecord`. */
export const RECORD_COLLECTION = 'balancerecords'

/** Digits of a block number in a key, so that keys sort as blocks do. */
const KEY_DIGITS = 19

/**
 * A balance record as MongoDB keeps it. The first eleven fields are the documented ones, by name and type; those that are
 * not known are absent. The rest is ours. Whole numbers of our own are BSON longs: read with `useBigInt64`.
 */
export interface RecordDocument {
  /** {@link documentId}: one for each position and block. */
  readonly _id: string
  readonly chainId: string
  /** `native`, or the contract in EIP-55. */
  readonly tokenAddress: string
  /** EIP-55. */
  readonly solverAddress: string
  /** In the token's smallest unit. */
  readonly balance: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly timestamp: Date
  /** Present only when exactly one transaction moved the balance. */
  readonly transactionHash?: string
  readonly decimals?: number
  readonly tokenSymbol?: string
  readonly tokenName?: string

  /** `blockNumber` in an order that a sort keeps. */
  readonly block: bigint
  /** Absent when the balance before was not observed. */
  readonly previousBalance?: string
  /** In block order. */
  readonly transactionHashes: readonly string[]
  /** Absent for a first record. */
  readonly cause?: string
  /** Signed. */
  readonly unexplained: string
  /** {@link versionOf}: never replaced by a lower one. */
  readonly version: bigint
}

/**
 * Stands where a record was that history does not have any more, so that a writer who comes late does not bring it back.
 * It has none of a record's fields but `chainId`, whose value no chain has: no query by chain, token, solver, block or
 * time finds it, and it takes no place in the unique index that a record could want.
 */
export interface RemovedDocument {
  readonly _id: string
  /** `reverted:` and the `_id`. */
  readonly chainId: string
  readonly version: bigint
}

export type StoredDocument = RecordDocument | RemovedDocument

/** The block of a position that a document is about. */
export interface RecordKey {
  readonly position: Position
  readonly blockNumber: bigint
}

/** Prefix of the `chainId` of a document that is no record. */
const REMOVED_PREFIX = 'reverted:'

/** What somebody else wrote may lack the field. */
export function isRemoved({ chainId }: { readonly chainId?: unknown }): boolean {
  return typeof chainId !== 'string' || chainId.startsWith(REMOVED_PREFIX)
}

/** `chainId:token:solver:block`, in lower case, the block with leading zeros. */
export function documentId({ position, blockNumber }: RecordKey): string {
  const { chainId, token, solver } = position
  return `${chainId}:${token}:${solver}:${blockNumber.toString().padStart(KEY_DIGITS, '0')}`
}

/** PostgreSQL can be asked for no greater chain id or block number. */
const NUMBER_MAX = 2n ** 63n - 1n

/** Reads a {@link documentId}; null for a text that is none. */
export function parseDocumentId(id: string): RecordKey | null {
  const match = /^(\d{1,19}):(native|0x[0-9a-f]{40}):(0x[0-9a-f]{40}):(\d{19})$/.exec(id)
  const token = parseToken(match?.[2] ?? '')
  const solver = parseAddress(match?.[3] ?? '')
  if (match === null || token === null || solver === null) return null
  const [chainId, blockNumber] = [BigInt(match[1] ?? ''), BigInt(match[4] ?? '')]
  if (chainId > NUMBER_MAX || blockNumber > NUMBER_MAX) return null
  return { position: { chainId, token, solver }, blockNumber }
}

/** The `seq` of a version has so many bits: at 10,000 events a second they last for 55 years. */
const SEQ_BITS = 44n
const GENERATION_MAX = 2n ** 19n - 1n

/**
 * The order in which documents replace each other: the `seq` up to which the log was known when PostgreSQL was read, after
 * the generation, which goes up when another log is followed.
 */
export function versionOf(generation: bigint, seq: bigint): bigint {
  if (generation < 0n || generation > GENERATION_MAX || seq < 0n || seq >> SEQ_BITS !== 0n) {
    throw new Error(`invariant: generation and seq fit into a version, got ${generation} and ${seq}`)
  }
  return (generation << SEQ_BITS) | seq
}

export function generationOf(version: bigint): bigint {
  return version >> SEQ_BITS
}

export function toDocument(record: BalanceRecord, version: bigint): RecordDocument {
  const transactionHash = soleTransactionHash(record)
  return {
    _id: documentId({ position: record, blockNumber: record.blockNumber }),
    chainId: record.chainId.toString(),
    tokenAddress: formatToken(record.token),
    solverAddress: toChecksumAddress(record.solver),
    balance: record.balance.toString(),
    blockNumber: record.blockNumber.toString(),
    blockHash: record.blockHash,
    timestamp: record.timestamp,
    ...(transactionHash === undefined ? {} : { transactionHash }),
    ...(record.decimals === null ? {} : { decimals: record.decimals }),
    ...(record.symbol === null ? {} : { tokenSymbol: record.symbol }),
    ...(record.name === null ? {} : { tokenName: record.name }),
    block: record.blockNumber,
    ...(record.previousBalance === null ? {} : { previousBalance: record.previousBalance.toString() }),
    transactionHashes: [...record.transactionHashes],
    ...(record.cause === null ? {} : { cause: record.cause }),
    unexplained: record.unexplained.toString(),
    version,
  }
}

export function toRemoved(id: string, version: bigint): RemovedDocument {
  return { _id: id, chainId: `${REMOVED_PREFIX}${id}`, version }
}

/** @throws {TypeError | SyntaxError} when somebody else wrote into the document. */
export function fromDocument(document: RecordDocument): BalanceRecord {
  const key = parseDocumentId(document._id)
  if (key === null) throw new TypeError(`expected the key of a balance record, got "${document._id}"`)
  return {
    ...key.position,
    balance: BigInt(document.balance),
    previousBalance: document.previousBalance === undefined ? null : BigInt(document.previousBalance),
    blockNumber: key.blockNumber,
    blockHash: toHash(document.blockHash),
    timestamp: document.timestamp,
    transactionHashes: document.transactionHashes.map(toHash),
    cause: toCause(document.cause),
    unexplained: BigInt(document.unexplained),
    decimals: document.decimals ?? null,
    symbol: document.tokenSymbol ?? null,
    name: document.tokenName ?? null,
  }
}

function isHash(text: string): text is Hash {
  return /^0x[0-9a-f]{64}$/.test(text)
}

function toHash(text: string): Hash {
  if (!isHash(text)) throw new TypeError(`expected a hash, got "${text}"`)
  return text
}

function toCause(text: string | undefined): BalanceCause | null {
  if (text === undefined) return null
  const cause = balanceCauses.find((known) => known === text)
  if (cause === undefined) throw new TypeError(`expected the cause of a change, got "${text}"`)
  return cause
}
