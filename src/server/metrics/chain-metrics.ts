import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'

import type { ManagerMetrics } from '../../index.js'

type ChainNumbers = ManagerMetrics['chains'][number]

const states = ['syncing', 'live', 'degraded', 'stalled'] as const satisfies readonly ChainNumbers['state'][]

const kinds = ['exact', 'sampled', 'unseen'] as const satisfies readonly (keyof ChainNumbers['standing'])[]

/** Takes over the manager's numbers; what it counts since its start stays a counter here. */
export class ChainMetrics {
  readonly #registry: Registry
  readonly #head: Gauge
  readonly #processed: Gauge
  readonly #lag: Gauge
  readonly #state: Gauge
  readonly #followed: Gauge
  readonly #positions: Gauge
  readonly #standing: Gauge
  readonly #blocks: Counter
  readonly #changes: Counter
  readonly #reorgs: Counter
  readonly #failedReadings: Counter
  readonly #defects: Counter
  readonly #rpcRequests: Counter
  readonly #rpcErrors: Counter

  constructor(registry: Registry) {
    this.#registry = registry
    this.#head = this.#gauge('tidemark_chain_head_block', 'Newest block an endpoint has shown')
    this.#processed = this.#gauge('tidemark_chain_processed_block', 'Newest block whose balances are stored')
    this.#lag = this.#gauge('tidemark_chain_lag_seconds', 'Age of the newest processed block')
    this.#state = this.#gauge('tidemark_chain_state', '1 for the state the chain is in', ['state'])
    this.#followed = this.#gauge('tidemark_chain_followed', '1 while this process is the one that follows the chain')
    this.#positions = this.#gauge('tidemark_chain_positions', 'Watched positions')
    this.#standing = this.#gauge('tidemark_chain_positions_known', 'Positions by how their newest blocks are known', [
      'kind',
    ])
    this.#blocks = this.#counter('tidemark_chain_blocks_processed_total', 'Blocks processed')
    this.#changes = this.#counter('tidemark_chain_balance_changes_total', 'Balance changes stored')
    this.#reorgs = this.#counter('tidemark_chain_reorgs_total', 'Reorganisations rolled back')
    this.#failedReadings = this.#counter('tidemark_chain_failed_readings_total', 'Balances that could not be read')
    this.#defects = this.#counter(
      'tidemark_ledger_defects_total',
      'Stored balances found to differ from what the chain held, and put right',
    )
    this.#rpcRequests = this.#counter('tidemark_rpc_requests_total', 'Requests to RPC endpoints', ['method'])
    this.#rpcErrors = this.#counter('tidemark_rpc_errors_total', 'Failed requests to RPC endpoints', ['kind'])
  }

  set(chains: readonly ChainNumbers[]): void {
    for (const metric of this.#all()) metric.reset()
    for (const chain of chains) this.#setChain(chain)
  }

  #setChain(chain: ChainNumbers): void {
    const labels = { chain_id: chain.chainId.toString() }
    if (chain.head !== null) this.#head.set(labels, Number(chain.head))
    if (chain.processed !== null) this.#processed.set(labels, Number(chain.processed))
    if (chain.lagSeconds !== null) this.#lag.set(labels, chain.lagSeconds)
    for (const state of states) this.#state.set({ ...labels, state }, state === chain.state ? 1 : 0)
    this.#followed.set(labels, chain.followed === 'here' ? 1 : 0)
    this.#positions.set(labels, chain.positions)
    for (const kind of kinds) this.#standing.set({ ...labels, kind }, chain.standing[kind])
    this.#blocks.inc(labels, chain.blocks)
    this.#changes.inc(labels, chain.changes)
    this.#reorgs.inc(labels, chain.reorgs)
    this.#failedReadings.inc(labels, chain.failedReadings)
    this.#defects.inc(labels, chain.defects)
    for (const [method, count] of Object.entries(chain.rpcRequests)) this.#rpcRequests.inc({ ...labels, method }, count)
    for (const [kind, count] of Object.entries(chain.rpcErrors)) this.#rpcErrors.inc({ ...labels, kind }, count)
  }

  #all(): readonly (Gauge | Counter)[] {
    return [
      this.#head,
      this.#processed,
      this.#lag,
      this.#state,
      this.#followed,
      this.#positions,
      this.#standing,
      this.#blocks,
      this.#changes,
      this.#reorgs,
      this.#failedReadings,
      this.#defects,
      this.#rpcRequests,
      this.#rpcErrors,
    ]
  }

  #gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: ['chain_id', ...labels], registers: [this.#registry] })
  }

  #counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: ['chain_id', ...labels], registers: [this.#registry] })
  }
}
