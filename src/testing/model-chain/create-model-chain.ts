import type { Address } from '../../model/address.js'
import type { Hash, Token } from '../../model/position.js'
import type { Random } from '../random.js'
import type { NodeAnswer, NodeCall, NodeTopic } from '../rpc-node.js'
import { drawActivity } from './draw-activity.js'
import { makeBlock, makeGenesis } from './make-block.js'
import type { ModelBlock } from './model-block.js'
import { ModelChainError } from './model-chain-error.js'
import type {
  ActivityOptions,
  BlockContent,
  ModelChain,
  ModelChainOptions,
  ModelNode,
  TruthChange,
} from './model-chain-types.js'
import { ModelChainNode } from './model-node.js'
import type { HeadChange, NodeView } from './model-node.js'
import { ModelRegistry } from './model-registry.js'
import type { ModelToken } from './model-token.js'
import { allFeatures } from './node-features.js'
import type { NodeFeatures } from './node-features.js'
import { nativeKey } from './state.js'
import { readableBalance } from './token-balance.js'

const BLOCK_TIME_SECONDS = 12
const FINALITY = { safeDepth: 8, finalizedDepth: 16 }

/** Makes a chain with block 0. Nothing happens on it by itself. */
export function createModelChain(options: ModelChainOptions): ModelChain {
  return new LedgerChain(options)
}

class LedgerChain implements ModelChain, NodeView {
  readonly chainId: bigint
  readonly features: NodeFeatures
  readonly finality: { readonly safeDepth: number; readonly finalizedDepth: number } | null
  readonly registry: ModelRegistry
  readonly #blocks = new Map<Hash, ModelBlock>()
  readonly #children = new Map<Hash, number>()
  readonly #canonical: ModelBlock[]
  readonly #blockTimeSeconds: number
  readonly #listeners = new Set<(change: HeadChange) => void>()
  readonly #node: ModelChainNode

  constructor(options: ModelChainOptions) {
    this.chainId = options.chainId
    this.features = { ...allFeatures, ...options.features }
    this.finality = options.finality === undefined ? FINALITY : options.finality
    this.registry = new ModelRegistry(options.chainId, options.seed)
    this.#blockTimeSeconds = options.blockTimeSeconds ?? BLOCK_TIME_SECONDS
    const genesis = makeGenesis(this.registry, options)
    this.#canonical = [genesis]
    this.#blocks.set(genesis.hash, genesis)
    this.#node = new ModelChainNode(this, this.features)
  }

  get head(): ModelBlock {
    const head = this.#canonical.at(-1)
    if (head === undefined) throw new Error('invariant: a chain has a block')
    return head
  }

  get wallets(): readonly Address[] {
    return this.registry.wallets
  }

  get tokens(): readonly ModelToken[] {
    return this.registry.tokens
  }

  get treasury(): Address {
    return this.registry.treasury
  }

  get lagBlocks(): number {
    return this.#node.lagBlocks
  }

  set lagBlocks(blocks: number) {
    this.#node.lagBlocks = blocks
  }

  answer(call: NodeCall): NodeAnswer {
    return this.#node.answer(call)
  }

  subscribe(topic: NodeTopic, listener: (result: unknown) => void): () => void {
    return this.#node.subscribe(topic, listener)
  }

  node(features: Partial<NodeFeatures> = {}): ModelNode {
    return new ModelChainNode(this, { ...this.features, ...features })
  }

  onHead(listener: (change: HeadChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  mine(content: BlockContent = []): ModelBlock {
    const block = this.extend(this.head.hash, content)
    this.switchTo(block.hash)
    return block
  }

  mineEmpty(count: number): void {
    for (let mined = 0; mined < count; mined += 1) this.mine()
  }

  activity(random: Random, options?: ActivityOptions): ModelBlock {
    return this.mine((draft) => drawActivity(draft, random, options))
  }

  reorg(depth: number, length: number, contentOf: (index: number) => BlockContent = () => []): void {
    const ancestor = this.#canonical[this.#canonical.length - 1 - depth]
    if (ancestor === undefined || depth < 0) {
      throw new ModelChainError(`expected a depth below ${this.#canonical.length}, got ${depth}`)
    }
    let tip = ancestor
    for (let index = 0; index < length; index += 1) tip = this.extend(tip.hash, contentOf(index))
    this.switchTo(tip.hash)
  }

  extend(parentHash: Hash, content: BlockContent = []): ModelBlock {
    const parent = this.#known(parentHash)
    const siblings = this.#children.get(parentHash) ?? 0
    const block = makeBlock(parent, this.registry, {
      content,
      blockTimeSeconds: this.#blockTimeSeconds,
      extraData: siblings === 0 ? '0x' : `0x${siblings.toString(16).padStart(8, '0')}`,
    })
    this.#children.set(parentHash, siblings + 1)
    this.#blocks.set(block.hash, block)
    return block
  }

  switchTo(hash: Hash): void {
    const added: ModelBlock[] = []
    let ancestor = this.#known(hash)
    while (!this.isCanonical(ancestor.hash)) {
      added.push(ancestor)
      if (ancestor.parent === null) throw new Error('invariant: every branch leads to block 0')
      ancestor = ancestor.parent
    }
    const removed = this.#canonical.splice(Number(ancestor.number) + 1).toReversed()
    added.reverse()
    this.#canonical.push(...added)
    for (const listener of this.#listeners) listener({ removed, added })
  }

  block(hash: Hash): ModelBlock | undefined {
    return this.#blocks.get(hash)
  }

  blockAt(number: number): ModelBlock | undefined {
    return this.#canonical[number]
  }

  canonical(): readonly ModelBlock[] {
    return this.#canonical
  }

  isCanonical(hash: Hash): boolean {
    const block = this.#blocks.get(hash)
    return block !== undefined && this.#canonical[Number(block.number)] === block
  }

  balanceAt(blockHash: Hash, token: Token, wallet: Address): bigint | 'unreadable' {
    const { state, timestampSeconds } = this.#known(blockHash)
    if (token === 'native') return state.get(nativeKey(wallet))
    const known = this.registry.token(token)
    return known === undefined ? 'unreadable' : readableBalance(known, state, { holder: wallet, timestampSeconds })
  }

  changesOf(token: Token, wallet: Address): readonly TruthChange[] {
    const changes: TruthChange[] = []
    for (const block of this.#canonical) {
      const balance = this.balanceAt(block.hash, token, wallet)
      if (changes.at(-1)?.balance !== balance) changes.push({ block, balance })
    }
    return changes
  }

  #known(hash: Hash): ModelBlock {
    const block = this.#blocks.get(hash)
    if (block === undefined) throw new ModelChainError(`expected a block of this chain, got ${hash}`)
    return block
  }
}
