import { bindHistorySource } from './bind-history-source.js'
import { ChainStatus } from './chain/chain-status.js'
import { HeadSource } from './chain/head/head-source.js'
import type { LoggedEvent } from './model/event.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import { RpcClient } from './chain/rpc/rpc-client.js'
import { watchChain } from './chain/watch-chain.js'
import type { ChainConfig } from './config/config.js'
import { ChainLedger } from './ledger/chain-ledger.js'
import type { LedgerStanding } from './ledger/chain-ledger.js'
import { StoredBalanceError } from './ledger/history/prove-stored.js'
import type { HistorySource } from './ledger/history/history-source.js'
import { CursorMovedError } from './ledger/ledger-store.js'
import type { LedgerStore } from './ledger/ledger-store.js'
import type { BlockObservation, ChainEvent } from './model/chain-event.js'
import type { EndpointStatus } from './model/chain-state.js'
import type { Clock } from './model/clock.js'
import { TidemarkError, messageOf } from './model/errors.js'
import type { Logger } from './model/logger.js'

const RETRY_MS = 250
const RETRY_MS_MAX = 10_000
/** Failures in a row after which a chain counts as stalled, no longer as degraded. */
const STALLED_FAILURES = 3
/** Times in a row that another replica may commit a block first; more than that is no chance any more. */
const OVERTAKEN_MAX = 20
/** A comparison with the chain that failed is tried again after this time. */
const SYNC_AGAIN_MS = 10_000

export interface ChainWorkerOptions {
  readonly chain: ChainConfig
  readonly store: LedgerStore
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly logger: Logger
  /** Called after each commit that may have appended events. */
  readonly onCommitted: (events?: readonly LoggedEvent[]) => void
}

/** What one chain did since the start, for metrics. */
export interface ChainCounters {
  blocks: number
  changes: number
  reorgs: number
  failedReadings: number
  /** Stored balances that were not what the chain held, found by comparing with it. */
  defects: number
}

/**
 * Carries what one chain's reader reports into its ledger, and starts the reader again after every failure. One worker
 * knows nothing of the others: a chain in trouble leaves them alone.
 */
export class ChainWorker {
  readonly chain: ChainConfig
  readonly status: ChainStatus = new ChainStatus()
  readonly counters: ChainCounters = { blocks: 0, changes: 0, reorgs: 0, failedReadings: 0, defects: 0 }
  readonly #options: ChainWorkerOptions
  readonly #logger: Logger
  readonly #abort = new AbortController()
  readonly #client: RpcClient
  readonly #source: HistorySource
  readonly #heads: HeadSource
  #ledger: ChainLedger | null = null
  readonly #clock: Clock
  #syncAtMs: number
  #positions = 0
  #running: Promise<void> | null = null

  constructor(options: ChainWorkerOptions) {
    const { chain } = options
    this.chain = chain
    this.#clock = options.clock
    this.#syncAtMs = options.clock.monotonicMs()
    this.#options = options
    this.#logger = options.logger.child({ component: 'chain', chainId: chain.chainId.toString() })
    this.#client = new RpcClient({
      chainId: chain.chainId,
      urls: chain.rpcUrls,
      clock: options.clock,
      transport: options.transport,
      logger: this.#logger,
      signal: this.#abort.signal,
    })
    this.#source = bindHistorySource(this.#client, this.#logger)
    this.#heads = new HeadSource({
      ...chain,
      client: this.#client,
      status: this.status,
      clock: options.clock,
      transport: options.transport,
      logger: this.#logger,
    })
  }

  /** Why balances of this chain may be out of date; null while it is followed live. */
  get staleReason(): string | null {
    const { state, reason } = this.status
    return state === 'live' ? null : `the chain is ${state}: ${reason ?? 'for a reason not known'}`
  }

  get positions(): number {
    return this.#positions
  }

  get standing(): LedgerStanding {
    return this.#ledger?.standing ?? { exact: 0, sampled: 0, unseen: 0 }
  }

  get rpcRequests(): ReadonlyMap<string, number> {
    return this.#client.requests
  }

  get rpcErrors(): ReadonlyMap<string, number> {
    return this.#client.errors
  }

  endpoints(): readonly EndpointStatus[] {
    return [...this.#client.endpoints(), ...this.#heads.endpoints()]
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** The watch list changed: the next block is read with the new positions. */
  outdate(): void {
    this.#ledger?.outdate()
  }

  /** Ends the requests under way and waits for a commit under way. */
  async close(): Promise<void> {
    this.#abort.abort()
    this.#heads.close()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    let overtaken = 0
    while (!this.#abort.signal.aborted) {
      try {
        await this.#follow(() => {
          failures = 0
          overtaken = 0
        })
      } catch (error) {
        if (this.#abort.signal.aborted) return
        if (error instanceof CursorMovedError && (overtaken += 1) <= OVERTAKEN_MAX) {
          // Another replica was quicker: the chain is well, and this one goes on from where that one is.
          this.#heads.refresh()
          await this.#clock.sleep(RETRY_MS * (0.5 + this.#clock.random()), this.#abort.signal).catch(() => undefined)
          continue
        }
        failures += 1
        if (error instanceof StoredBalanceError) this.counters.defects += error.report.defects
        this.#report(error, failures)
        this.#heads.refresh()
        const waitMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1))
        await this.#clock.sleep(waitMs, this.#abort.signal).catch(() => undefined)
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
      signal: this.#abort.signal,
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
      this.counters.changes += await ledger.apply(event)
      this.#count(event)
      this.#options.onCommitted()
      onProgress()
      if (event.kind === 'block') await this.#syncWhenDue(ledger, event.observation)
    }
  }

  /** With the readings of the block that was just committed, so that it costs no request unless something is wrong. */
  async #syncWhenDue(ledger: ChainLedger, observation: BlockObservation): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    const { syncIntervalMs } = this.chain
    if (nowMs - this.#syncAtMs < syncIntervalMs) return
    this.#syncAtMs = nowMs
    try {
      const report = await ledger.sync(observation)
      this.counters.defects += report.defects
      this.#logger.info(report, 'periodic sync done')
    } catch (error) {
      if (this.#abort.signal.aborted) throw error
      this.#syncAtMs = nowMs - Math.max(0, syncIntervalMs - SYNC_AGAIN_MS)
      this.#logger.warn({ error: messageOf(error) }, 'periodic sync could not be done, trying again soon')
    }
  }

  #count(event: ChainEvent): void {
    switch (event.kind) {
      case 'block':
        this.counters.blocks += 1
        this.counters.failedReadings += event.observation.readings.filter((reading) => reading.kind === 'failed').length
        this.#positions = event.observation.readings.length
        return
      case 'reorg':
        this.counters.reorgs += 1
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
