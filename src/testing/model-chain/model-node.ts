import type { Hash } from '../../model/position.js'
import type { NodeAnswer, NodeCall, NodeTopic } from '../rpc-node.js'
import { blockMethods } from './block-methods.js'
import { describeHeader, describeLogs } from './describe-block.js'
import { logMethods } from './log-methods.js'
import type { ModelBlock } from './model-block.js'
import type { ModelNode } from './model-chain-types.js'
import type { ModelRegistry } from './model-registry.js'
import type { NodeFeatures } from './node-features.js'
import { NodeRefusal, refuse } from './node-refusal.js'
import type { NodeMethod, NodeWindow } from './node-window.js'
import { stateMethods } from './state-methods.js'
import { traceMethods } from './trace-methods.js'

/** Blocks that left the canonical chain, newest first, and those that joined it, oldest first. */
export interface HeadChange {
  readonly removed: readonly ModelBlock[]
  readonly added: readonly ModelBlock[]
}

/** What a node needs of its chain. */
export interface NodeView {
  readonly chainId: bigint
  readonly head: ModelBlock
  readonly registry: ModelRegistry
  readonly finality: { readonly safeDepth: number; readonly finalizedDepth: number } | null
  block(hash: Hash): ModelBlock | undefined
  blockAt(number: number): ModelBlock | undefined
  isCanonical(hash: Hash): boolean
  onHead(listener: (change: HeadChange) => void): () => void
}

const methods: ReadonlyMap<string, NodeMethod> = new Map(
  Object.entries({ ...blockMethods, ...stateMethods, ...logMethods, ...traceMethods }),
)

/** JSON-RPC in front of a model chain, with the words of Geth where something is refused. */
export class ModelChainNode implements ModelNode {
  readonly #view: NodeView
  readonly #features: NodeFeatures
  lagBlocks = 0

  constructor(view: NodeView, features: NodeFeatures) {
    this.#view = view
    this.#features = features
  }

  answer(call: NodeCall): NodeAnswer {
    try {
      const method = methods.get(call.method)
      if (method === undefined || !this.#offers(call.method)) {
        refuse(-32601, `the method ${call.method} does not exist/is not available`)
      }
      return { result: method(this.#window(), call.params) }
    } catch (error) {
      if (!(error instanceof NodeRefusal)) throw error
      const { rpcCode: code, message, data } = error
      return { error: data === undefined ? { code, message } : { code, message, data } }
    }
  }

  subscribe(topic: NodeTopic, listener: (result: unknown) => void): () => void {
    return this.#view.onHead(({ removed, added }) => {
      if (topic === 'newHeads') {
        for (const block of this.#shownAmong(added)) listener(describeHeader(block))
        return
      }
      for (const block of removed) for (const log of describeLogs(block, true)) listener(log)
      for (const block of this.#shownAmong(added)) for (const log of describeLogs(block, false)) listener(log)
    })
  }

  /** A node that is behind tells of the block it has just come to. */
  #shownAmong(added: readonly ModelBlock[]): readonly ModelBlock[] {
    if (this.lagBlocks === 0) return added
    const window = this.#window()
    return added.length === 0 ? [] : [window.head]
  }

  #offers(method: string): boolean {
    const { traces, receipts } = this.#features
    if (method === 'eth_getBlockReceipts') return receipts
    if (method.startsWith('debug_')) return traces === true || traces === 'debug'
    if (method.startsWith('trace_')) return traces === true || traces === 'trace'
    return true
  }

  #window(): NodeWindow {
    const { chainId, registry, finality } = this.#view
    const number = Math.max(0, Number(this.#view.head.number) - this.lagBlocks)
    const head = this.#view.blockAt(number) ?? this.#view.head
    const features = this.#features
    const isCanonical = (block: ModelBlock): boolean => this.#view.isCanonical(block.hash)
    return {
      chainId,
      registry,
      finality,
      head,
      features,
      blockAt: (at) => (at > head.number ? undefined : this.#view.blockAt(Number(at))),
      blockOf: (hash) => {
        const block = this.#view.block(hash)
        if (block === undefined || block.number > head.number) return undefined
        return features.orphans || isCanonical(block) ? block : undefined
      },
      isCanonical,
    }
  }
}
