import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import type { ModelBlock } from './model-block.js'
import type { ModelRegistry } from './model-registry.js'
import type { NodeFeatures } from './node-features.js'
import { refuse } from './node-refusal.js'

/** The chain as one node sees it at this instant. */
export interface NodeWindow {
  readonly chainId: bigint
  readonly registry: ModelRegistry
  readonly features: NodeFeatures
  readonly finality: { readonly safeDepth: number; readonly finalizedDepth: number } | null
  readonly head: ModelBlock
  blockAt(number: bigint): ModelBlock | undefined
  blockOf(hash: Hash): ModelBlock | undefined
  isCanonical(block: ModelBlock): boolean
}

export type NodeMethod = (window: NodeWindow, params: readonly unknown[]) => unknown

const hashPattern = /^0x[0-9a-fA-F]{64}$/
const quantityPattern = /^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})$/

export function readHash(value: unknown): Hash {
  if (typeof value !== 'string' || !hashPattern.test(value)) {
    refuse(-32602, 'invalid argument 0: json: cannot unmarshal into Go value of type common.Hash')
  }
  return value.toLowerCase() as Hash
}

export function readAddress(value: unknown): Address {
  const address = typeof value === 'string' ? parseAddress(value) : null
  if (address === null) {
    refuse(-32602, 'invalid argument 0: json: cannot unmarshal into Go value of type common.Address')
  }
  return address
}

/** The block of a tag or a number; undefined when the node has none. */
export function blockOfTag(window: NodeWindow, value: unknown): ModelBlock | undefined {
  const depth = window.finality
  switch (value) {
    case undefined:
    case 'latest':
    case 'pending':
      return window.head
    case 'earliest':
      return window.blockAt(0n)
    case 'safe':
      return depth === null ? noSuchTag('safe') : below(window, depth.safeDepth)
    case 'finalized':
      return depth === null ? noSuchTag('finalized') : below(window, depth.finalizedDepth)
    default:
      if (typeof value !== 'string' || !quantityPattern.test(value)) {
        refuse(-32602, 'invalid argument 0: hex string without 0x prefix')
      }
      return window.blockAt(BigInt(value))
  }
}

function noSuchTag(tag: string): never {
  return refuse(-32000, `${tag} block not found`)
}

function below(window: NodeWindow, depth: number): ModelBlock | undefined {
  const number = window.head.number - BigInt(depth)
  return window.blockAt(number < 0n ? 0n : number)
}

/** The block whose state is asked for (EIP-1898). */
export function blockOfState(window: NodeWindow, value: unknown): ModelBlock {
  const block = typeof value === 'object' && value !== null ? blockOfObject(window, value) : blockOfText(window, value)
  const { prunedBelowDepth } = window.features
  if (prunedBelowDepth !== null && block.number + BigInt(prunedBelowDepth) < window.head.number) {
    refuse(-32000, `missing trie node ${block.stateRoot.slice(2)} (path ) state ${block.stateRoot} is not available`)
  }
  return block
}

function blockOfText(window: NodeWindow, value: unknown): ModelBlock {
  if (typeof value === 'string' && hashPattern.test(value)) return blockOfObject(window, { blockHash: value })
  return blockOfTag(window, value) ?? refuse(-32000, 'header not found')
}

function blockOfObject(window: NodeWindow, value: object): ModelBlock {
  if (!window.features.blockHashParam) {
    refuse(-32602, 'invalid argument 1: json: cannot unmarshal object into Go value of type string')
  }
  if (!('blockHash' in value)) {
    return (
      blockOfTag(window, 'blockNumber' in value ? value.blockNumber : undefined) ?? refuse(-32000, 'header not found')
    )
  }
  const block = window.blockOf(readHash(value.blockHash)) ?? refuse(-32000, 'header for hash not found')
  if ('requireCanonical' in value && value.requireCanonical === true && !window.isCanonical(block)) {
    refuse(-32000, 'hash is not currently canonical')
  }
  return block
}

/** A block's body, receipts and logs are kept for a while only. */
export function keepsHistoryOf(window: NodeWindow, block: ModelBlock): boolean {
  const { historyDepth } = window.features
  return historyDepth === null || block.number + BigInt(historyDepth) >= window.head.number
}
