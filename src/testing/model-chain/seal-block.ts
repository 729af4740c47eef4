import { createHash } from 'node:crypto'

import { keccak256, toRlp } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { Hash, Hex } from '../../model/position.js'
import { NO_ACCOUNT, hexOf, quantity } from './abi-words.js'
import type { ModelBlock, ModelLog, ModelTransaction, ModelWithdrawal } from './model-block.js'
import type { StateDraft } from './state.js'

export const GAS_LIMIT = 30_000_000n
/** Keccak-256 of the RLP of an empty list: the ommers of every block since the merge. */
export const NO_OMMERS: Hash = '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347'
/** The root of an empty trie. */
export const EMPTY_ROOT: Hash = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const BLOOM_BYTES = 256
const NO_LOGS: Hex = `0x${'00'.repeat(BLOOM_BYTES)}`
/** Addresses and topics come again and again; more distinct ones than this are hashed anew. */
const BLOOM_CACHE_MAX = 10_000
const bloomBits = new Map<Hex, readonly number[]>()

export interface BlockParts {
  readonly parent: ModelBlock | null
  readonly timestampSeconds: number
  readonly producer: Address
  readonly baseFee: bigint
  readonly extraData: Hex
  readonly transactions: readonly ModelTransaction[]
  readonly withdrawals: readonly ModelWithdrawal[]
  readonly draft: StateDraft
}

/** Makes a block of its parts. Its hash is that of the header as Ethereum encodes it, so that it can be recomputed. */
export function sealBlock(parts: BlockParts): ModelBlock {
  const { parent, transactions, withdrawals, draft } = parts
  const logs = transactions.flatMap((transaction) => transaction.logs)
  const unhashed = {
    number: parent === null ? 0n : parent.number + 1n,
    parentHash: parent?.hash ?? (`0x${'00'.repeat(32)}` as const),
    parent,
    timestampSeconds: parts.timestampSeconds,
    producer: parts.producer,
    baseFee: parts.baseFee,
    gasUsed: transactions.reduce((sum, { gasUsed }) => sum + gasUsed, 0n),
    logsBloom: bloomOf(logs),
    stateRoot: stateRootOf(parent, draft),
    transactionsRoot: rootOf(transactions.map(({ hash }) => hash)),
    receiptsRoot: rootOf(
      transactions.flatMap(({ hash, gasUsed, logs: own }) => [hash, quantity(gasUsed), textOf(own)]),
    ),
    withdrawalsRoot: rootOf(withdrawals.flatMap(({ to, amountGwei }) => [to, quantity(amountGwei)])),
    extraData: parts.extraData,
    transactions,
    withdrawals,
    state: draft.seal(),
  }
  return { ...unhashed, hash: hashOf(unhashed) }
}

function hashOf(block: Omit<ModelBlock, 'hash'>): Hash {
  return keccak256(
    toRlp([
      block.parentHash,
      NO_OMMERS,
      block.producer,
      block.stateRoot,
      block.transactionsRoot,
      block.receiptsRoot,
      block.logsBloom,
      '0x',
      integer(block.number),
      integer(GAS_LIMIT),
      integer(block.gasUsed),
      integer(BigInt(block.timestampSeconds)),
      block.extraData,
      `0x${'00'.repeat(32)}`,
      `0x${'00'.repeat(8)}`,
      integer(block.baseFee),
      block.withdrawalsRoot,
    ]),
  )
}

/** RLP writes integers without leading zeros, and zero as nothing. */
function integer(value: bigint): Hex {
  if (value === 0n) return '0x'
  const digits = value.toString(16)
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`
}

/** No Merkle tree, but like one: the same for the same state that came about the same way, and for nothing else. */
function stateRootOf(parent: ModelBlock | null, draft: StateDraft): Hash {
  const changes = [...draft.changes()].map(([key, value]) => `${key} ${value}`)
  if (changes.length === 0 && parent !== null) return parent.stateRoot
  return hashText([parent?.stateRoot ?? NO_ACCOUNT, ...changes.toSorted()])
}

function rootOf(parts: readonly string[]): Hash {
  return parts.length === 0 ? EMPTY_ROOT : hashText(parts)
}

function textOf(logs: readonly ModelLog[]): string {
  return logs.map(({ address, topics, data }) => [address, ...topics, data].join(' ')).join()
}

/** For what nobody recomputes: several times faster than Keccak. */
export function hashText(parts: readonly string[]): Hash {
  return `0x${createHash('sha256').update(parts.join('\n')).digest('hex')}`
}

function bloomOf(logs: readonly ModelLog[]): Hex {
  if (logs.length === 0) return NO_LOGS
  const bloom = new Uint8Array(BLOOM_BYTES)
  for (const { address, topics } of logs) {
    for (const item of [address, ...topics]) {
      for (const bit of bloomBitsOf(item)) {
        const at = BLOOM_BYTES - 1 - (bit >> 3)
        bloom[at] = (bloom[at] ?? 0) | (1 << (bit & 7))
      }
    }
  }
  return hexOf(bloom)
}

/** The three bits of the yellow paper: eleven bits of each of the first three pairs of the hash's bytes. */
function bloomBitsOf(item: Hex): readonly number[] {
  const known = bloomBits.get(item)
  if (known !== undefined) return known
  const hash = Buffer.from(keccak256(item).slice(2), 'hex')
  const bits = [0, 2, 4].map((at) => hash.readUInt16BE(at) & 2047)
  if (bloomBits.size < BLOOM_CACHE_MAX) bloomBits.set(item, bits)
  return bits
}
