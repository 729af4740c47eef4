import { Server as HttpServer } from 'node:http'
import { Server as HttpsServer } from 'node:https'

import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleDestroy,
  OnModuleInit,
} from '@nestjs/common'
import type { HttpAdapterHost } from '@nestjs/core'
import type { EventEmitter2, EventEmitterReadinessWatcher } from '@nestjs/event-emitter'

import { BalanceManager, ConfigurationError } from '../index.js'
import type {
  BalanceSeries,
  BalanceStats,
  BalancesAtOptions,
  ChainSummary,
  Health,
  HistoryBounds,
  Page,
  RemovalResult,
  SeriesOptions,
  TimeRange,
  TotalsOptions,
} from '../index.js'
import {
  toBalanceRecord,
  toBalanceTotal,
  toCurrentBalance,
  toMonitoredSolver,
  toMonitoredToken,
  toPastBalance,
} from './balance-answers.js'
import type {
  BalanceRecord,
  BalanceTotal,
  CurrentBalance,
  MonitoredSolver,
  MonitoredToken,
  PastBalance,
} from './balance-answers.js'
import { requireAddresses } from '../manager/require-argument.js'
import { EventForwarder } from './event-forwarder.js'
import type { ModuleSettings } from './module-options.js'

/** Serving, however it is done. */
interface OpenServer {
  close(): Promise<void>
}

/** What the service needs of the host. @internal */
export interface ServiceHost {
  readonly emitter: EventEmitter2 | undefined
  readonly listeners: EventEmitterReadinessWatcher | undefined
  readonly http: HttpAdapterHost
}

/**
 * Follows the configured chains, answers for balances and their history, and emits what happens. Starts and stops with
 * the application: `app.enableShutdownHooks()` lets it do so on signals too.
 *
 * Addresses are taken in any letter case and given in EIP-55 spelling; amounts are in the token's smallest unit.
 *
 * @example
 * const balance = await balanceManager.getCurrentBalance(1n, 'native', '0x742d…')
 */
export class BalanceManagerService
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  /** The library beneath, for what this class does not have. It is started and closed for you. */
  readonly manager: BalanceManager
  readonly #settings: ModuleSettings
  readonly #host: ServiceHost
  readonly #forwarder: EventForwarder | null
  #starting: Promise<void> | null = null
  /** Null until the application is up; of null where no server is wanted. */
  #serving: Promise<OpenServer | null> | null = null
  #closing = false

  /** @internal Made by `BalanceManagerModule`. */
  constructor(settings: ModuleSettings, host: ServiceHost) {
    const { config, logger } = settings
    this.#settings = settings
    this.#host = host
    this.manager = new BalanceManager({ config, logger })
    const { emitter, listeners } = host
    this.#forwarder = emitter === undefined ? null : new EventForwarder({ settings, emitter, listeners })
  }

  /** @internal */
  onModuleInit(): Promise<void> {
    return this.#start()
  }

  /** @internal */
  async onApplicationBootstrap(): Promise<void> {
    if (this.#closing) return
    this.#serving = this.#serve()
    await this.#serving
    if (this.#forwarder !== null) this.#forwarder.start(this.manager.events)
    else if (this.#settings.delivery !== 'none') {
      this.#settings.logger.warn({}, 'events are not emitted: import EventEmitterModule.forRoot() to get them')
    }
  }

  /** Handlers may need what other modules are about to take down. @internal */
  async onModuleDestroy(): Promise<void> {
    this.#closing = true
    await this.#forwarder?.close()
  }

  /** The host's HTTP server waits for its connections to end after this. @internal */
  async beforeApplicationShutdown(): Promise<void> {
    // It may be about to serve: a failure of that was told to whoever started the application.
    const server = await this.#serving?.catch(() => null)
    await server?.close()
  }

  /** @internal */
  async onApplicationShutdown(): Promise<void> {
    await this.manager.close()
  }

  /**
   * The newest balance of a position, from the database; null when there is none yet.
   *
   * @param tokenAddress a contract's address, or `native`
   * @throws {InvalidArgumentError | NotReadyError | NotRunningError | DatabaseUnavailableError}
   */
  async getCurrentBalance(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
  ): Promise<CurrentBalance | null> {
    await this.#start()
    const balance = await this.manager.getCurrentBalance(chainId, tokenAddress, solverAddress)
    return balance === null ? null : toCurrentBalance(balance)
  }

  /**
   * Records of a position, newest first; none when it was never watched.
   *
   * @param limit 100 unless told
   */
  async getBalanceHistory(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
    limit?: number,
  ): Promise<BalanceRecord[]> {
    await this.#start()
    const records = await this.manager.getBalanceHistory(chainId, tokenAddress, solverAddress, limit)
    return records.map(toBalanceRecord)
  }

  /** Records of a position, newest first, however many there are: a few hundred at a time are in memory. */
  async *streamBalanceHistory(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
    range: HistoryBounds = {},
  ): AsyncGenerator<BalanceRecord> {
    await this.#start()
    const records = this.manager.streamBalanceHistory(chainId, tokenAddress, solverAddress, range)
    for await (const record of records) yield toBalanceRecord(record)
  }

  /**
   * What a position did between two times, exact; null when it was never watched.
   *
   * @param range inclusive; from the first record to the newest processed block unless told
   */
  async getBalanceStats(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
    range: TimeRange = {},
  ): Promise<BalanceStats | null> {
    await this.#start()
    return this.manager.getBalanceStats(chainId, tokenAddress, solverAddress, range)
  }

  /** A position's balance over time, in at most so many buckets; null when it was never watched. */
  async getBalanceSeries(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
    options: SeriesOptions,
  ): Promise<BalanceSeries | null> {
    await this.#start()
    return this.manager.getBalanceSeries(chainId, tokenAddress, solverAddress, options)
  }

  /** What a position held at a block, or at a time; null when nothing is known of it by then. */
  async getBalanceAt(
    chainId: bigint,
    tokenAddress: string,
    solverAddress: string,
    instant: { readonly block: bigint } | { readonly time: Date },
  ): Promise<PastBalance | null> {
    await this.#start()
    const past = await this.manager.getBalanceAt(chainId, tokenAddress, solverAddress, instant)
    return past === null ? null : toPastBalance(past)
  }

  /** What every position held at one time, page by page. */
  async getBalancesAt(options: BalancesAtOptions): Promise<Page<PastBalance>> {
    await this.#start()
    const { items, nextCursor } = await this.manager.getBalancesAt(options)
    return { items: items.map(toPastBalance), nextCursor }
  }

  /** Newest balances summed up by token and chain, page by page. */
  async getBalanceTotals(options: TotalsOptions): Promise<Page<BalanceTotal>> {
    await this.#start()
    const { items, nextCursor } = await this.manager.getBalanceTotals(options)
    return { items: items.map(toBalanceTotal), nextCursor }
  }

  /** Watches a wallet on every chain, from the next block on; kept across restarts. */
  async addSolverToMonitor(address: string, options: { label?: string | null } = {}): Promise<MonitoredSolver> {
    await this.#start()
    return toMonitoredSolver(await this.manager.addSolverToMonitor(address, options))
  }

  /**
   * Stops watching a wallet; its history stays.
   *
   * @returns `configured` when it stands in the configuration, which alone can take it away
   */
  async removeSolverFromMonitor(address: string): Promise<RemovalResult> {
    await this.#start()
    return this.manager.removeSolverFromMonitor(address)
  }

  /** The wallets that are watched. */
  async getMonitoredSolvers(): Promise<MonitoredSolver[]> {
    await this.#start()
    return (await this.manager.solvers()).map(toMonitoredSolver)
  }

  /**
   * Watches tokens of a chain for every wallet, from the next block on; kept across restarts.
   *
   * @throws {UnknownChainError | InvalidArgumentError}
   */
  async addTokensToMonitor(chainId: bigint, tokens: readonly string[]): Promise<MonitoredToken[]> {
    await this.#start()
    return (await this.manager.addTokensToMonitor(chainId, tokens)).map(toMonitoredToken)
  }

  /**
   * Stops watching tokens of a chain; their history stays.
   *
   * @returns what came of each, in the order of the argument
   * @throws {InvalidArgumentError} before any of them is removed
   */
  async removeTokensFromMonitor(chainId: bigint, tokens: readonly string[]): Promise<RemovalResult[]> {
    await this.#start()
    const results: RemovalResult[] = []
    for (const token of requireAddresses(tokens, 'tokens'))
      results.push(await this.manager.removeTokensFromMonitor(chainId, token))
    return results
  }

  /** The tokens that are watched on a chain; null when the chain is unknown. */
  async getMonitoredTokens(chainId: bigint): Promise<MonitoredToken[] | null> {
    await this.#start()
    return (await this.manager.tokens(chainId))?.map(toMonitoredToken) ?? null
  }

  /** How each chain is doing. */
  async getChains(): Promise<readonly ChainSummary[]> {
    await this.#start()
    return this.manager.chains()
  }

  /** Whether the database can be worked with; never throws. */
  getHealth(): Promise<Health> {
    return this.manager.health()
  }

  /** Also when another module's hook, or a first call, comes before ours. */
  #start(): Promise<void> {
    this.#starting ??= this.manager.start({ databaseWaitMs: this.#settings.databaseWaitMs })
    return this.#starting
  }

  // The server's parts are loaded only where they are wanted.
  async #serve(): Promise<OpenServer | null> {
    const { server, config, logger } = this.#settings
    const { manager } = this
    if (server === undefined) return null
    if ('mount' in server) {
      const { mountServer } = await import('../server/mount-server.js')
      return mountServer({ http: this.#hostServer(), manager, config, logger })
    }
    const { createServer } = await import('../server/create-server.js')
    const address = { port: server.port, host: server.host ?? config.host }
    return createServer({ manager, config: { ...config, ...address }, logger })
  }

  #hostServer(): HttpServer | HttpsServer {
    // A context without HTTP has no adapter, whatever the type says.
    const adapter: HttpAdapterHost['httpAdapter'] | undefined = this.#host.http.httpAdapter
    const server: unknown = adapter?.getHttpServer()
    if (server instanceof HttpServer || server instanceof HttpsServer) return server
    throw new ConfigurationError('server: expected an application with an HTTP server to mount in, got none', {
      hint: 'Use server: { port } in an application without HTTP.',
    })
  }
}
