import type { Address } from '../../model/address.js'
import type { Hash, Hex, Token } from '../../model/position.js'
import type { Random } from '../random.js'
import type { NodeAnswer, NodeCall, RpcNode } from '../rpc-node.js'
import type { ModelAction, ModelWalletSpec } from './model-action.js'
import type { ModelBlock } from './model-block.js'
import type { ModelToken, ModelTokenSpec } from './model-token.js'
import type { NodeFeatures } from './node-features.js'

export interface ModelChainOptions {
  readonly chainId: bigint
  /** The same seed and the same operations give the same chain, hash by hash. */
  readonly seed: number
  /** 12 by default; 0 lets blocks share a timestamp. */
  readonly blockTimeSeconds?: number
  readonly genesisTimestampSeconds?: number
  /** How far the `safe` and `finalized` tags stay behind the head; null for a chain that has no such tags. */
  readonly finality?: { readonly safeDepth: number; readonly finalizedDepth: number } | null
  /** Wallets and tokens of block 0. */
  readonly wallets?: readonly ModelWalletSpec[]
  readonly tokens?: readonly ModelTokenSpec[]
  /** Contracts of block 0 with real code, such as Multicall3; they run in eth_call. */
  readonly contracts?: Readonly<Record<Address, Hex>>
  readonly features?: Partial<NodeFeatures>
}

/** A block that is being made. */
export interface BlockDraft {
  readonly number: bigint
  readonly timestampSeconds: number
  /** An account with code and plenty of native currency, for `internal` payments. */
  readonly treasury: Address
  readonly wallets: readonly Address[]
  readonly tokens: readonly ModelToken[]
  walletKind(wallet: Address): 'plain' | 'contract' | 'delegated'
  /** As of now, within the block. */
  balanceOf(token: Token, wallet: Address): bigint | 'unreadable'
  /** The same, even where nobody can read it. */
  ownedBy(token: Token, wallet: Address): bigint
  /** @throws {ModelChainError} when no chain could do that. */
  perform(action: ModelAction): void
}

/** What happens in a block: a list, or a function that decides while the block is made. */
export type BlockContent = readonly ModelAction[] | ((draft: BlockDraft) => void)

export interface ActivityOptions {
  /** Who takes part; all wallets of the chain by default. */
  readonly wallets?: readonly Address[]
  /** What is moved; all tokens of the chain by default. */
  readonly tokens?: readonly Address[]
  /** At most so many actions in the block, 3 by default; it may be none. */
  readonly actionsMax?: number
}

/** A balance that differs from the one of the block before. */
export interface TruthChange {
  readonly block: ModelBlock
  readonly balance: bigint | 'unreadable'
}

/** A node of a model chain; a chain may have several, each with its own abilities. */
export interface ModelNode extends RpcNode {
  answer(call: NodeCall): NodeAnswer
  /** The node shows the chain as it was so many blocks ago; 0 by default. */
  lagBlocks: number
}

/**
 * A chain of its own, and a node that shows it. It knows every balance in every block of every branch, by a ledger that
 * has nothing in common with the reader under test.
 */
export interface ModelChain extends ModelNode {
  readonly chainId: bigint
  readonly head: ModelBlock
  readonly features: NodeFeatures
  readonly wallets: readonly Address[]
  readonly tokens: readonly ModelToken[]
  readonly treasury: Address
  /** Another node of the same chain. */
  node(features?: Partial<NodeFeatures>): ModelNode
  /** Makes the next block canonical and tells of it. */
  mine(content?: BlockContent): ModelBlock
  /** Empty blocks. */
  mineEmpty(count: number): void
  /** One block with random activity. */
  activity(random: Random, options?: ActivityOptions): ModelBlock
  /** Replaces the last `depth` blocks by `length` new ones, and tells of them. A smaller length makes the chain shorter. */
  reorg(depth: number, length: number, contentOf?: (index: number) => BlockContent): void
  /** Makes a block on any branch without making it canonical. */
  extend(parentHash: Hash, content?: BlockContent): ModelBlock
  /** Makes a block of any branch the head. Going back to an ancestor tells of no head, as nodes do. */
  switchTo(hash: Hash): void
  /** Blocks of every branch, for ever. */
  block(hash: Hash): ModelBlock | undefined
  /** From block 0 to the head. */
  canonical(): readonly ModelBlock[]
  isCanonical(hash: Hash): boolean
  /** @throws {ModelChainError} when there is no such block. */
  balanceAt(blockHash: Hash, token: Token, wallet: Address): bigint | 'unreadable'
  /** On the canonical chain, oldest first; the first one is block 0. */
  changesOf(token: Token, wallet: Address): readonly TruthChange[]
}
