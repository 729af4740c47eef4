import { createHash } from 'node:crypto'

import type { ChainConfig } from '../../src/config/config.js'
import type { Address } from '../../src/model/address.js'
import type { Hash, Token } from '../../src/model/position.js'
import type { HttpOutcome, NodeFrontend } from '../../src/testing/rpc-node.js'
import type { ChainTruth, TruthBlock } from './chain-truth.js'
import { Lots } from './lots.js'
import type { ChainPlan } from './scenario.js'
import type { Owner, Scheduler } from './scheduler.js'
import { EPOCH_MS } from './virtual-clock.js'
import type { Site, VirtualNetwork } from './virtual-network.js'

// THROWAWAY stub until the model chain is here.
interface StubBlock extends TruthBlock {
  readonly balances: ReadonlyMap<string, bigint>
}

export interface SimulatedChainOptions {
  readonly seed: number
  readonly plan: ChainPlan
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly network: VirtualNetwork
}

export class SimulatedChain implements ChainTruth {
  readonly chainId: bigint
  readonly config: ChainConfig
  readonly runtimeTokens: readonly Address[] = ['0x00000000000000000000000000000000000000aa']
  readonly facts: Record<string, number> = { blocks: 0, reorganisations: 0 }
  readonly faults: Record<string, number> = {}
  readonly #o: SimulatedChainOptions
  readonly #lots: Lots
  readonly #blocks = new Map<string, StubBlock>()
  #canonical: StubBlock[] = []
  readonly #listeners = new Set<(block: StubBlock) => void>()
  readonly #sites: Site[]
  #salt = 0

  constructor(o: SimulatedChainOptions) {
    this.#o = o
    const { plan, network } = o
    this.chainId = plan.chainId
    this.#lots = new Lots(o.seed, `stub ${plan.chainId}`)
    this.#sites = plan.endpoints.map(({ host }) => network.add(host, this.#frontend()))
    this.config = {
      chainId: plan.chainId,
      name: `chain ${plan.chainId}`,
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: plan.endpoints.map(({ host }) => `http://${host}`),
      wsUrls: plan.endpoints.filter(({ pushes }) => pushes).map(({ host }) => `ws://${host}`),
      tokens: [],
      blockTimeMs: null,
      pollIntervalMs: null,
      syncIntervalMs: 60_000,
    }
    for (let i = 0; i <= plan.blocksBefore; i += 1) this.#mine()
  }
  get head(): TruthBlock {
    return this.#canonical.at(-1)!
  }
  get calm(): boolean {
    return true
  }
  block(hash: Hash): TruthBlock | undefined {
    return this.#blocks.get(hash)
  }
  balanceAt(hash: Hash, token: Token, wallet: Address): bigint | 'unreadable' {
    if (token !== 'native') return 'unreadable'
    return this.#blocks.get(hash)!.balances.get(wallet) ?? 0n
  }
  letLoose(goesOn: () => boolean): void {
    const { scheduler, self, plan } = this.#o
    scheduler.after(plan.blockTimeMs, self, `block of ${plan.chainId}`, () => {
      if (!goesOn()) return
      if (this.#lots.chance(1 / plan.reorgEvery)) {
        const depth = Math.min(this.#lots.integer(1, 5), this.#canonical.length - 1)
        this.#canonical.splice(-depth)
        this.#salt += 1
        for (let i = 0; i < depth; i += 1) this.#mine()
        this.facts['reorganisations'] = (this.facts['reorganisations'] ?? 0) + 1
      }
      this.#mine()
      this.letLoose(goesOn)
    })
  }
  becalm(): void {
    for (const site of this.#sites) site.down = false
    this.#mine()
  }
  #mine(): void {
    const parent = this.#canonical.at(-1)
    const number = BigInt(this.#canonical.length)
    const hash =
      `0x${createHash('sha256').update(`${parent?.hash} ${this.#salt} ${this.chainId}`).digest('hex')}` as Hash
    const balances = new Map(parent?.balances)
    if (this.#lots.chance(0.5)) {
      const wallet = `0x${(0xa11ce000 + this.#lots.integer(0, 5)).toString(16).padStart(40, '0')}`
      balances.set(wallet, BigInt(this.#lots.integer(0, 1e9)))
    }
    const block: StubBlock = {
      number,
      hash,
      parentHash: parent?.hash ?? `0x${'0'.repeat(64)}`,
      timestampSeconds: Math.floor(EPOCH_MS / 1000) - 1000 + Number(number) * 2,
      transactionHashes: [],
      balances,
    }
    this.facts['blocks'] = (this.facts['blocks'] ?? 0) + 1
    this.#blocks.set(hash, block)
    this.#canonical.push(block)
    for (const listener of this.#listeners) listener(block)
  }
  #frontend(): NodeFrontend {
    return {
      http: (body): Promise<HttpOutcome> => {
        const request = JSON.parse(body) as unknown
        const one = (call: { id: number; method: string; params: unknown[] }): unknown => ({
          jsonrpc: '2.0',
          id: call.id,
          ...(this.#answer(call.method, call.params) as object),
        })
        const answer = Array.isArray(request) ? request.map(one) : one(request as never)
        return Promise.resolve({ kind: 'reply', status: 200, headers: {}, body: JSON.stringify(answer) })
      },
      connect: (peer) => {
        const listener = (block: StubBlock): void =>
          peer.send(
            JSON.stringify({
              jsonrpc: '2.0',
              method: 'eth_subscription',
              params: { subscription: '0x1', result: this.#header(block) },
            }),
          )
        return {
          receive: (text) => {
            const call = JSON.parse(text) as { id: number; method: string; params: unknown[] }
            if (call.method === 'eth_subscribe') {
              this.#listeners.add(listener)
              peer.send(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: '0x1' }))
            } else
              peer.send(
                JSON.stringify({ jsonrpc: '2.0', id: call.id, ...(this.#answer(call.method, call.params) as object) }),
              )
          },
          close: () => void this.#listeners.delete(listener),
        }
      },
    }
  }
  #header(block: StubBlock): object {
    const q = (n: bigint | number): string => `0x${n.toString(16)}`
    return {
      number: q(block.number),
      hash: block.hash,
      parentHash: block.parentHash,
      timestamp: q(block.timestampSeconds),
      miner: `0x${'0'.repeat(40)}`,
      transactions: [],
      logsBloom: `0x${'0'.repeat(512)}`,
      baseFeePerGas: '0x1',
    }
  }
  #find(param: unknown): StubBlock | undefined {
    if (typeof param === 'object' && param !== null && 'blockHash' in param) {
      const block = this.#blocks.get(param.blockHash as string)
      return block !== undefined && this.#canonical[Number(block.number)] === block ? block : undefined
    }
    if (param === 'latest') return this.#canonical.at(-1)
    if (param === 'safe' || param === 'finalized') return this.#canonical.at(-20)
    return typeof param === 'string' && param.length === 66 ? this.#blocks.get(param) : this.#canonical[Number(param)]
  }
  #answer(method: string, params: readonly unknown[]): unknown {
    switch (method) {
      case 'eth_chainId':
        return { result: `0x${this.chainId.toString(16)}` }
      case 'eth_getBlockByNumber':
      case 'eth_getBlockByHash': {
        const block = this.#find(params[0])
        return { result: block === undefined ? null : this.#header(block) }
      }
      case 'eth_getBalance': {
        const block = this.#find(params[1])
        return block === undefined
          ? { error: { code: -32000, message: 'header not found' } }
          : { result: `0x${(block.balances.get(String(params[0]).toLowerCase()) ?? 0n).toString(16)}` }
      }
      case 'eth_getBlockReceipts':
      case 'eth_getLogs':
        return { result: [] }
      case 'eth_getCode':
        return { result: '0x' }
      default:
        return { error: { code: -32601, message: `the method ${method} does not exist/is not available` } }
    }
  }
}
