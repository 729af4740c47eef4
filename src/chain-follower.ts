import { bindHistorySource } from './bind-history-source.js'
import { ChainStatus } from './chain/chain-status.js'
import { HeadSource } from './chain/head/head-source.js'
import type { LoggedEvent } from './model/event.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import { RpcClient } from './chain/rpc/rpc-client.js'
import { watchChain } from './chain/watch-chain.js'
import type { ChainConfig } from './config/config.js'
import { ChainLedger } from './ledger/chain-ledger.js'
import { StoredBalanceError } from './ledger/history/prove-stored.js'
import type { HistorySource } from './ledger/history/history-source.js'
import { LeaseLostError } from './leases/lease-store.js'
import { CursorMovedError } from './ledger/ledger-store.js'
import type { LedgerStore } from './ledger/ledger-store.js'
import type { BlockObservation, ChainEvent } from './model/chain-event.js'
import { noneStanding } from './model/chain-report.js'
import type { ChainReport } from './model/chain-report.js'
import type { Clock } from './model/clock.js'
import { TidemarkError, messageOf } from './model/errors.js'
import type { Logger } from './model/logger.js'

const RETRY_MS = 250
const RETRY_MS_MAX = 10_000
/** Failures in a row after which a chain counts as stalled, no longer as degraded. */
const STALLED_FAILURES = 3
/** Times in a row that history may be written anew just before a commit; more than that is no chance any more. */
const OVERTAKEN_MAX = 20
/** A comparison with the chain that failed is tried again after this time. */
const SYNC_AGAIN_MS = 10_000

export interface ChainFollowerOptions {
  readonly chain: ChainConfig
  /** Bound to the lease under which the chain is followed. */
  readonly store: LedgerStore
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  /** Called after each commit that may have appended events. */
  readonly onCommitted: (events?: readonly LoggedEvent[]) => void
  /** Counted on, from one follower to the next. */
  readonly counters: ChainCounters
  /** Ends it. */
  readonly signal: AbortSignal
}

/** What this process did for one chain since its start, for metrics. */
export interface ChainCounters {
  blocks: number
  changes: number
  reorgs: number
  failedReadings: number
  /** Stored balances that were not what the chain held, found by comparing with it. */
  defects: number
}

/**
 * Carries what one chain's reader reports into its ledger, and starts the reader again after every failure. One follower
 * knows nothing of the others: a chain in trouble leaves them alone.
 */
export class ChainFollower {
  readonly status: ChainStatus = new ChainStatus()
  readonly #options: ChainFollowerOptions
  readonly #chain: ChainConfig
  readonly #counters: ChainCounters
  readonly #signal: AbortSignal
  readonly #logger: Logger
  readonly #client: RpcClient
  readonly #source: HistorySource
  readonly #heads: HeadSource
  #ledger: ChainLedger | null = null
  readonly #clock: Clock
  #syncAtMs: number
  #positions = 0

  constructor(options: ChainFollowerOptions) {
    const { chain, clock, transport, logger, signal } = options
    this.#options = options
    this.#chain = chain
    this.#counters = options.counters
    this.#signal = signal
    this.#clock = clock
    this.#syncAtMs = clock.monotonicMs()
    this.#logger = logger
    this.#client = new RpcClient({ chainId: chain.chainId, urls: chain.rpcUrls, clock, transport, logger, signal })
    this.#source = bindHistorySource(this.#client, logger)
    this.#heads = new HeadSource({ ...chain, client: this.#client, status: this.status, clock, transport, logger })
  }

  get report(): ChainReport {
    const { state, reason, head } = this.status
    return {
      state,
      reason,
      head: head?.number ?? null,
      positions: this.#positions,
      standing: this.#ledger?.standing ?? noneStanding,
      endpoints: [...this.#client.endpoints(), ...this.#heads.endpoints()],
    }
  }

  get rpcRequests(): ReadonlyMap<string, number> {
    return this.#client.requests
  }

  get rpcErrors(): ReadonlyMap<string, number> {
    return this.#client.errors
  }

  /** The watch list changed: the next block is read with the new positions. */
  outdate(): void {
    this.#ledger?.outdate()
  }

  /**
   * Follows the chain until the signal ends it: then requests under way are broken off, and a commit under way is waited
   * for.
   *
   * @throws {LeaseLostError} when a commit was refused because another process follows the chain by now
   */
  async run(): Promise<void> {
    try {
      await this.#run()
    } finally {
      this.#heads.close()
    }
  }

  async #run(): Promise<void> {
    let failures = 0
    let overtaken = 0
    while (!this.#signal.aborted) {
      try {
        await this.#follow(() => {
          failures = 0
          overtaken = 0
        })
      } catch (error) {
        if (this.#signal.aborted) return
        if (error instanceof LeaseLostError) throw error
        if (error instanceof CursorMovedError && (overtaken += 1) <= OVERTAKEN_MAX) {
          // Somebody put history right meanwhile: the chain is well, and goes on from what is stored now.
          this.#heads.refresh()
          await this.#clock.sleep(RETRY_MS * (0.5 + this.#clock.random()), this.#signal).catch(() => undefined)
          continue
        }
        failures += 1
        if (error instanceof StoredBalanceError) this.#counters.defects += error.report.defects
        this.#report(error, failures)
        this.#heads.refresh()
        const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1))
        await this.#clock.sleep(waitMs, this.#signal).catch(() => undefined)
      }
    }
  }

  async #follow(onProgress: () => void): Promise<void> {
    const { chain, store } = this.#options
    const ledger = await ChainLedger.load({
      chainId: chain.chainId,
      name: chain.name,
      store,
      source: this.#source,
      logger: this.#logger,
      signal: this.#signal,
      onCommitted: this.#options.onCommitted,
    })
    this.#ledger = ledger
    const { name, symbol, decimals } = chain.nativeCurrency
    const events = watchChain({
      client: this.#client,
      heads: this.#heads,
      view: ledger,
      status: this.status,
      clock: this.#clock,
      nativeMetadata: { name, symbol, decimals },
      logger: this.#logger,
    })
    for await (const event of events) {
      this.#counters.changes += await ledger.apply(event)
      this.#count(event)
      this.#options.onCommitted()
      onProgress()
      if (event.kind === 'block') await this.#syncWhenDue(ledger, event.observation)
    }
  }

  /** With the readings of the block that was just committed, so that it costs no request unless something is wrong. */
  async #syncWhenDue(ledger: ChainLedger, observation: BlockObservation): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const { syncIntervalMs } = this.#chain
    if (nowMs - this.#syncAtMs < syncIntervalMs) return
    this.#syncAtMs = nowMs
    try {
      const report = await ledger.sync(observation)
      this.#counters.defects += report.defects
      this.#logger.info(report, 'periodic sync done')
    } catch (error) {
      if (this.#signal.aborted) throw error
      this.#syncAtMs = nowMs - Math.max(0, syncIntervalMs - SYNC_AGAIN_MS)
      this.#logger.warn({ error: messageOf(error) }, 'periodic sync could not be done, trying again soon')
    }
  }

  #count(event: ChainEvent): void {
    switch (event.kind) {
      case 'block':
        this.#counters.blocks += 1
        this.#counters.failedReadings += event.observation.readings.filter(
          (reading) => reading.kind === 'failed',
        ).length
        this.#positions = event.observation.readings.length
        return
      case 'reorg':
        this.#counters.reorgs += 1
        return
      case 'started':
      case 'gap':
      case 'span':
      case 'finality':
        return
    }
  }

  #report(error: unknown, failures: number): void {
    const reason = messageOf(error)
    const code = error instanceof TidemarkError ? error.code : 'unexpected'
    const state =
      failures >= STALLED_FAILURES || !(error instanceof TidemarkError && error.retryable) ? 'stalled' : 'degraded'
    this.status.failed(state, reason)
    const fields = {
      code,
      error: reason,
      failures,
      state,
      ...(code === 'unexpected' && error instanceof Error ? { stack: error.stack } : {}),
    }
    this.#logger.warn(fields, 'chain is not followed for the moment, trying again')
  }
}
