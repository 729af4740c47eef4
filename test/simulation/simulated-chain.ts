import type { ChainConfig } from '../../src/config/config.js'
import type { Address } from '../../src/model/address.js'
import type { Hash, Token } from '../../src/model/position.js'
import { createModelChain } from '../../src/testing/model-chain/create-model-chain.js'
import { drawActivity } from '../../src/testing/model-chain/draw-activity.js'
import type { ModelChain } from '../../src/testing/model-chain/model-chain-types.js'
import { modelTokenKinds } from '../../src/testing/model-chain/model-token.js'
import type { ChainTruth, TruthBlock } from './chain-truth.js'
import { letWeatherLoose, weatherFacts } from './chain-weather.js'
import type { Weather } from './chain-weather.js'
import { Lots } from './lots.js'
import type { ChainPlan } from './scenario.js'
import type { Owner, Scheduler } from './scheduler.js'
import { SimulatedNode } from './simulated-node.js'
import { EPOCH_MS } from './virtual-clock.js'
import type { VirtualNetwork } from './virtual-network.js'

const ETHER = 10n ** 18n

export interface SimulatedChainOptions {
  readonly seed: number
  readonly plan: ChainPlan
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly network: VirtualNetwork
  readonly durationMs: number
  /** Every wallet that is or may be watched. */
  readonly wallets: readonly Address[]
}

/** A chain that goes on by itself, its nodes, and the truth about it. */
export class SimulatedChain implements ChainTruth {
  readonly chainId: bigint
  readonly config: ChainConfig
  /** Tokens that are added and removed while the service runs. */
  readonly runtimeTokens: readonly Address[]
  readonly facts: Record<string, number> = Object.fromEntries([...weatherFacts, 'blocks'].map((fact) => [fact, 0]))
  readonly #options: SimulatedChainOptions
  readonly #chain: ModelChain
  readonly #nodes: readonly SimulatedNode[]
  readonly #activity: Lots
  readonly #truth = new Map<Hash, TruthBlock>()

  constructor(options: SimulatedChainOptions) {
    const { seed, plan, wallets } = options
    this.#options = options
    this.chainId = plan.chainId
    this.#activity = new Lots(seed, `activity of ${plan.chainId}`)
    this.#chain = createModelChain(modelOptions(seed, plan, wallets))
    for (let number = 0; number < plan.blocksBefore; number += 1) this.mine()
    this.#nodes = plan.endpoints.map(
      (endpoint) =>
        new SimulatedNode({ ...options, endpoint, nodesLie: plan.nodesLie, node: this.#chain.node(endpoint.features) }),
    )
    const tokens = this.#chain.tokens.map(({ address }) => address)
    const configured = tokens.slice(0, Math.floor(tokens.length / 2))
    this.runtimeTokens = tokens.slice(configured.length)
    this.config = {
      chainId: plan.chainId,
      name: `chain ${plan.chainId}`,
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: plan.endpoints.map(({ host }) => `http://${host}`),
      wsUrls: plan.endpoints.filter(({ pushes }) => pushes).map(({ host }) => `ws://${host}`),
      tokens: configured,
      blockTimeMs: null,
      pollIntervalMs: null,
      syncIntervalMs: plan.syncIntervalMs,
    }
  }

  get head(): TruthBlock {
    return truthOf(this.#chain.head)
  }

  get height(): number {
    return Number(this.#chain.head.number)
  }

  get headHash(): Hash {
    return this.#chain.head.hash
  }

  /** Its nodes never fail, and keep everything. */
  get isReliable(): boolean {
    return this.#options.plan.endpoints.every(
      ({ faultEveryMs, features }) => faultEveryMs === null && (features.prunedBelowDepth ?? null) === null,
    )
  }

  /** Whether the token kept its balance to itself for a while: where an absence ends then, what was before is not known. */
  wasUnreadable(token: Token, solver: Address): boolean {
    return this.#chain.changesOf(token, solver).some(({ balance }) => balance === 'unreadable')
  }

  /** An absence that long is not read block by block. */
  get mayBeSampled(): boolean {
    return this.#options.plan.outageBlocks > 200
  }

  /** Faults of its nodes that took effect, by kind. */
  get faults(): Record<string, number> {
    const sum: Record<string, number> = {}
    for (const { faults } of this.#nodes) {
      for (const [kind, count] of Object.entries(faults)) sum[kind] = (sum[kind] ?? 0) + count
    }
    return sum
  }

  block(hash: Hash): TruthBlock | undefined {
    const known = this.#truth.get(hash)
    if (known !== undefined) return known
    const block = this.#chain.block(hash)
    if (block === undefined) return undefined
    const truth = truthOf(block)
    this.#truth.set(hash, truth)
    return truth
  }

  balanceAt(hash: Hash, token: Token, wallet: Address): bigint | 'unreadable' {
    return this.#chain.balanceAt(hash, token, wallet)
  }

  letLoose(weather: () => Weather): void {
    const { seed, plan, scheduler, self, durationMs } = this.#options
    for (const node of this.#nodes) node.letFaultsLoose(() => weather() === 'stormy')
    letWeatherLoose({
      chain: this,
      plan,
      lots: new Lots(seed, `weather of ${plan.chainId}`),
      scheduler,
      self,
      durationMs,
      weather,
      count: (fact) => this.#count(fact),
    })
  }

  mine(): void {
    this.#count('blocks')
    if (this.#activity.chance(this.#options.plan.activity)) this.#chain.activity(this.#activity)
    else this.#chain.mineEmpty(1)
  }

  reorganise(depth: number, blocks: number): void {
    this.#count('blocks', blocks)
    this.#chain.reorg(depth, blocks, () => (draft) => drawActivity(draft, this.#activity))
  }

  returnTo(head: Hash): void {
    this.#chain.switchTo(head)
  }

  setReachable(reachable: boolean): void {
    for (const node of this.#nodes) node.setReachable(reachable)
  }

  /** All nodes are well from now on. */
  becalm(): void {
    for (const node of this.#nodes) node.becalm()
    this.setReachable(true)
  }

  #count(fact: string, by = 1): void {
    this.facts[fact] = (this.facts[fact] ?? 0) + by
  }
}

function modelOptions(
  seed: number,
  plan: ChainPlan,
  wallets: readonly Address[],
): Parameters<typeof createModelChain>[0] {
  const lots = new Lots(seed, `ledger of ${plan.chainId}`)
  const blockTimeSeconds = plan.blockTimeMs / 1000
  return {
    chainId: plan.chainId,
    seed: lots.integer(1, 1_000_000_000),
    blockTimeSeconds,
    genesisTimestampSeconds: EPOCH_MS / 1000 - plan.blocksBefore * blockTimeSeconds,
    finality: plan.hasFinality ? { safeDepth: 8, finalizedDepth: 20 } : null,
    wallets: wallets.map((address) => ({
      address,
      kind: lots.pick(['plain', 'plain', 'contract', 'delegated'] as const),
      balance: ETHER * BigInt(lots.integer(0, 1000)),
    })),
    tokens: Array.from({ length: plan.tokenKinds }, () => ({
      kind: lots.pick(modelTokenKinds),
      holders: Object.fromEntries(wallets.map((wallet) => [wallet, BigInt(lots.integer(0, 1_000_000))])),
    })),
  }
}

function truthOf(block: ModelChain['head']): TruthBlock {
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.parentHash,
    timestampSeconds: block.timestampSeconds,
    transactionHashes: block.transactions.map(({ hash }) => hash),
  }
}
