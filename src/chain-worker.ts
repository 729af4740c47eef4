import { ChainFollower } from './chain-follower.js'
import type { ChainCounters } from './chain-follower.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import type { ChainConfig } from './config/config.js'
import { LeaseKeeper } from './leases/lease-keeper.js'
import type { Lease, LeaseStore } from './leases/lease-store.js'
import type { LedgerStore } from './ledger/ledger-store.js'
import {
  chainLeaseName,
  decodeChainReport,
  encodeChainReport,
  noneStanding,
  staleReasonOf,
} from './model/chain-report.js'
import type { ChainReport } from './model/chain-report.js'
import type { ChainState } from './model/chain-state.js'
import type { Clock } from './model/clock.js'
import { messageOf } from './model/errors.js'
import type { LoggedEvent } from './model/event.js'
import type { Logger } from './model/logger.js'

export type { ChainCounters } from './chain-follower.js'

/** Failures in a row to ask who follows the chain after which it counts as stalled. */
const STALLED_FAILURES = 3

export interface ChainWorkerOptions {
  readonly chain: ChainConfig
  readonly store: LedgerStore
  readonly leases: LeaseStore
  /** This process, unlike every other and every earlier one. */
  readonly holder: string
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  /** Called after each commit that may have appended events. */
  readonly onCommitted: (events?: readonly LoggedEvent[]) => void
}

/** Which process follows a chain, as this one sees it. */
export type ChainFollowed = 'here' | 'elsewhere' | 'nowhere'

/**
 * Follows a chain while this process has its lease. While another process does, what is told of the chain is what that
 * one tells with each renewal.
 */
export class ChainWorker {
  readonly chain: ChainConfig
  readonly counters: ChainCounters = { blocks: 0, changes: 0, reorgs: 0, failedReadings: 0, defects: 0 }
  readonly #options: ChainWorkerOptions
  readonly #logger: Logger
  readonly #keeper: LeaseKeeper
  #follower: ChainFollower | null = null
  /** Of followers that have ended. */
  #rpcRequests: ReadonlyMap<string, number> = new Map()
  #rpcErrors: ReadonlyMap<string, number> = new Map()

  constructor(options: ChainWorkerOptions) {
    const { chain, leases, holder, clock } = options
    this.chain = chain
    this.#options = options
    this.#logger = options.logger.child({ component: 'chain', chainId: chain.chainId.toString() })
    this.#keeper = new LeaseKeeper({
      name: chainLeaseName(chain.chainId),
      holder,
      leases,
      clock,
      logger: this.#logger,
      work: (lease, signal) => this.#follow(lease, signal),
      note: () => encodeChainReport(this.report),
    })
  }

  get followed(): ChainFollowed {
    if (this.#follower !== null) return 'here'
    return this.#keeper.standing.kind === 'elsewhere' ? 'elsewhere' : 'nowhere'
  }

  /** How the chain is doing, whichever process follows it. */
  get report(): ChainReport {
    if (this.#follower !== null) return this.#follower.report
    const { standing } = this.#keeper
    switch (standing.kind) {
      case 'elsewhere':
        return (
          decodeChainReport(standing.held.note) ??
          untold('syncing', 'another process has just begun to follow the chain')
        )
      case 'unknown':
        return untold(standing.failures >= STALLED_FAILURES ? 'stalled' : 'degraded', messageOf(standing.error))
      case 'asking':
        return untold('syncing', 'asking which process follows the chain')
      case 'held':
      case 'free':
        return untold('syncing', 'no process follows the chain at this moment')
    }
  }

  /** Why balances of this chain may be out of date; null while it is followed live. */
  get staleReason(): string | null {
    return staleReasonOf(this.report)
  }

  get rpcRequests(): ReadonlyMap<string, number> {
    return sumOf(this.#rpcRequests, this.#follower?.rpcRequests)
  }

  get rpcErrors(): ReadonlyMap<string, number> {
    return sumOf(this.#rpcErrors, this.#follower?.rpcErrors)
  }

  start(): void {
    this.#keeper.start()
  }

  /** The watch list changed: the next block is read with the new positions. */
  outdate(): void {
    this.#follower?.outdate()
  }

  /** Ends the requests under way, waits for a commit under way, and leaves the chain to the next process. */
  close(): Promise<void> {
    return this.#keeper.close()
  }

  async #follow(lease: Lease, signal: AbortSignal): Promise<void> {
    const { chain, store, clock, transport, onCommitted } = this.#options
    const follower = new ChainFollower({
      chain,
      store: store.underLease(lease.epoch),
      clock,
      transport,
      logger: this.#logger,
      onCommitted,
      counters: this.counters,
      signal,
    })
    this.#follower = follower
    try {
      await follower.run()
    } finally {
      this.#rpcRequests = this.rpcRequests
      this.#rpcErrors = this.rpcErrors
      this.#follower = null
    }
  }
}

function untold(state: ChainState, reason: string): ChainReport {
  return { state, reason, head: null, positions: 0, standing: noneStanding, endpoints: [] }
}

function sumOf(
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const sum = new Map(before)
  for (const [name, count] of now) sum.set(name, (sum.get(name) ?? 0) + count)
  return sum
}
