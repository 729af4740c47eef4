import { ChainWorker } from './chain-worker.js'
import type { ChainCounters } from './chain-worker.js'
import type { Config } from './config/config.js'
import type { EventLog } from './events/event-log.js'
import { EventTailer } from './events/event-tailer.js'
import type { BalanceReader } from './ledger/balance-reader.js'
import type { LedgerStanding } from './ledger/chain-ledger.js'
import type { CoverageInterval } from './ledger/ledger-store.js'
import type { FillReport } from './ledger/history/fill-history.js'
import type { VerifyReport } from './ledger/history/verify-history.js'
import { HistoryKeeper } from './history-keeper.js'
import type { BackfillOptions, HistorySelection, VerifyHistoryOptions } from './history-keeper.js'
import { withChainState } from './ledger/with-chain-state.js'
import type { RemovalResult } from './ledger/watch-list-store.js'
import { parseAddress } from './model/address.js'
import type { Address } from './model/address.js'
import { formatAmount } from './model/amount.js'
import type { BalanceRecord, CurrentBalance } from './model/balance-record.js'
import type { ChainState, EndpointStatus } from './model/chain-state.js'
import type { WatchedSolver, WatchedToken } from './model/watch-list.js'
import { ClosedError, TidemarkError, messageOf } from './model/errors.js'
import type { LoggedEvent } from './model/event.js'
import type { Logger } from './model/logger.js'
import { systemClock } from './model/clock.js'
import type { Clock } from './model/clock.js'
import { networkTransport } from './chain/rpc/node-transport.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import { silentLogger } from './model/logger.js'
import { parseToken } from './model/position.js'
import type { Position } from './model/position.js'
import { SnapshotIntake } from './snapshots/snapshot-intake.js'
import type { SavedSnapshot } from './snapshots/snapshot-intake.js'
import type { SnapshotList, SnapshotListRequest } from './snapshots/snapshot-store.js'
import { connectDatabase } from './storage/postgres/connect-database.js'
import type { DatabaseSettings } from './storage/postgres/connect-database.js'
import { migrate } from './storage/postgres/migrate.js'
import type { MigrationReport } from './storage/postgres/migrate.js'
import { openPostgresStorage } from './storage/postgres/postgres-storage.js'
import type { Storage } from './storage/postgres/postgres-storage.js'

/** The part of the configuration that the core needs; what belongs to the server is left out. */
export type BalanceManagerConfig = Pick<Config, 'chains' | 'solvers' | 'databaseUrl' | 'dataDir'>

/** What the manager stands on, so that a simulation can put another world under it. */
export interface Environment {
  readonly clock: Clock
  readonly transport: NodeTransport
  readonly openStorage: (settings: DatabaseSettings, logger: Logger) => Promise<Storage>
}

export interface BalanceManagerOptions {
  readonly config: BalanceManagerConfig
  /** @internal */
  readonly environment?: Environment | undefined
  /** Nothing is logged without one. */
  readonly logger?: Logger | undefined
}

/** An argument of a method is not what it should be. */
export class InvalidArgumentError extends TidemarkError {
  readonly code = 'invalid_argument'
}

/** The chain is not configured. */
export class UnknownChainError extends TidemarkError {
  readonly code = 'unknown_chain'
}

/** The service was used before `start()` or after `close()`. */
export class NotRunningError extends TidemarkError {
  readonly code = 'not_running'
}

const realEnvironment: Environment = {
  clock: systemClock,
  transport: networkTransport,
  openStorage: openPostgresStorage,
}

export interface ChainSummary {
  readonly chainId: bigint
  readonly name: string
  readonly state: ChainState
  readonly reason: string | null
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly safe: bigint | null
  readonly finalized: bigint | null
  /** Age of the newest processed block. */
  readonly lagSeconds: number | null
  readonly endpoints: readonly EndpointStatus[]
}

export interface ChainMetrics extends ChainCounters {
  readonly chainId: bigint
  readonly state: ChainState
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly lagSeconds: number | null
  readonly positions: number
  /** Positions by how their newest blocks are known; `unseen` ones cannot be read at the moment. */
  readonly standing: LedgerStanding
  readonly rpcRequests: Readonly<Record<string, number>>
  readonly rpcErrors: Readonly<Record<string, number>>
}

export interface ManagerMetrics {
  readonly chains: readonly ChainMetrics[]
  readonly snapshots: { readonly saved: number; readonly queued: number }
  readonly events: { readonly seq: bigint }
}

/** A balance as the library answers it. */
export interface CurrentBalanceView extends CurrentBalance {
  /** The exact amount in whole tokens, or in the smallest unit where the decimals are unknown. */
  readonly formatted: string
}

/** The durable event log, as seen by those who react to it. */
export interface ManagerEvents {
  /** The newest event handed to subscribers. */
  readonly seq: bigint
  /** The identity of the log: another one after a restore from backup. */
  readonly logId: string
  /** Hands over each committed event once, in order, from now on. */
  subscribe(handler: (event: LoggedEvent) => void): () => void
  /** Events with `seq` greater than `after`, oldest first. */
  read(after: bigint, limit: number): Promise<readonly LoggedEvent[]>
  /** The oldest `seq` that is still kept. */
  oldestSeq(): Promise<bigint>
}

/** Brings the schema of the configured database up to date, and nothing else. */
export async function migrateDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  logger: Logger = silentLogger,
): Promise<MigrationReport> {
  const connection = await connectDatabase(config, logger)
  try {
    return await migrate(connection.database, logger)
  } finally {
    await connection.close()
  }
}

interface Running {
  readonly storage: Storage
  readonly intake: SnapshotIntake
  readonly tailer: EventTailer
  readonly workers: readonly ChainWorker[]
  readonly history: HistoryKeeper
}

/**
 * The whole of Tidemark but the wire: builds the parts, connects them, and closes them again.
 *
 * @example
 * const manager = new BalanceManager({ config })
 * await manager.start()
 * const balance = await manager.getCurrentBalance(1n, 'native', '0x742d…')
 */
export class BalanceManager {
  readonly #config: BalanceManagerConfig
  readonly #logger: Logger
  readonly #environment: Environment
  readonly #abort = new AbortController()
  #running: Running | null = null
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #saved = 0

  constructor(options: BalanceManagerOptions) {
    this.#config = options.config
    this.#logger = options.logger ?? silentLogger
    this.#environment = options.environment ?? realEnvironment
  }

  /**
   * Opens the database, brings its schema up to date, and begins to follow every configured chain.
   *
   * @throws {TidemarkError} when the database cannot be used. A chain that cannot be reached is no reason to fail.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { signal } = this.#abort
    const { databaseUrl, dataDir, chains, solvers } = this.#config
    const logger = this.#logger
    const { clock, transport, openStorage } = this.#environment
    const storage = await openStorage({ databaseUrl, dataDir, signal }, logger)
    try {
      throwIfClosed(signal)
      await storage.watchList.applyConfiguration({ chains, solvers })
      const tailer = new EventTailer({ log: storage.events, clock, logger: logger.child({ component: 'events' }) })
      const onCommitted = (): void => tailer.wake()
      const intake = new SnapshotIntake({
        store: storage.snapshots,
        logger: logger.child({ component: 'snapshots' }),
        onCommitted,
        clock,
      })
      const workers = chains.map(
        (chain) => new ChainWorker({ chain, store: storage.ledger, clock, transport, logger, onCommitted }),
      )
      const history = new HistoryKeeper({ chains, store: storage.ledger, clock, transport, logger, onCommitted })
      tailer.subscribe((event) => this.#onEvent(event))
      await tailer.start()
      if (signal.aborted) await tailer.close()
      throwIfClosed(signal)
      this.#running = { storage, intake, tailer, workers, history }
      for (const worker of workers) worker.start()
    } catch (error) {
      await storage.close()
      throw error
    }
    logger.info({ chains: chains.length, solvers: solvers.length }, 'balance manager started')
  }

  /** Stops following, commits what is under way, and closes the database. Safe to call more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get events(): ManagerEvents {
    const { tailer, storage } = this.#parts()
    return eventsOf(tailer, storage.events)
  }

  /** Balances and history, answered from the database. */
  get reader(): BalanceReader {
    const { storage, workers } = this.#parts()
    return withChainState(storage.reader, (chainId) => {
      const worker = workers.find(({ chain }) => chain.chainId === chainId)
      return worker === undefined ? 'this chain is not configured any more' : worker.staleReason
    })
  }

  async chains(): Promise<readonly ChainSummary[]> {
    const { storage, workers } = this.#parts()
    const progress = new Map((await storage.reader.chains()).map((chain) => [chain.chainId, chain]))
    return workers.map((worker) => {
      const { chain, status } = worker
      const stored = progress.get(chain.chainId)
      return {
        chainId: chain.chainId,
        name: chain.name,
        state: status.state,
        reason: status.reason,
        head: status.head?.number ?? null,
        processed: stored?.processed?.number ?? null,
        safe: stored?.finality.safe ?? null,
        finalized: stored?.finality.finalized ?? null,
        lagSeconds: lagOf(stored?.processed?.timestamp),
        endpoints: worker.endpoints(),
      }
    })
  }

  solvers(): Promise<readonly WatchedSolver[]> {
    return this.#parts().storage.watchList.solvers()
  }

  /** Watches a wallet on every chain, from the next block on; kept across restarts. */
  async addSolverToMonitor(
    address: string,
    options: { label?: string | null | undefined } = {},
  ): Promise<WatchedSolver> {
    const { storage } = this.#parts()
    const added = await storage.watchList.addSolver({
      address: requireAddress(address, 'address'),
      label: options.label,
    })
    this.#watchListChanged()
    return added
  }

  /** Stops watching a wallet; its history stays. */
  async removeSolverFromMonitor(address: string): Promise<RemovalResult> {
    const { storage } = this.#parts()
    const result = await storage.watchList.removeSolver(requireAddress(address, 'address'))
    this.#watchListChanged()
    return result
  }

  /** The tokens watched on a chain; null when the chain is unknown. */
  tokens(chainId: bigint): Promise<readonly WatchedToken[] | null> {
    return this.#parts().storage.watchList.tokens(chainId)
  }

  /**
   * Watches tokens of a chain for every solver, from the next block on; kept across restarts.
   *
   * @throws {UnknownChainError}
   */
  async addTokensToMonitor(chainId: bigint, tokens: readonly string[]): Promise<readonly WatchedToken[]> {
    const { storage } = this.#parts()
    const addresses = tokens.map((token, index) => requireAddress(token, `tokens.${index}`))
    if ((await storage.watchList.tokens(chainId)) === null) {
      throw new UnknownChainError(`expected a configured chain, got chain id ${chainId}`, {
        hint: `Set CHAIN_${chainId}_RPC_URL to watch this chain.`,
      })
    }
    const added = await storage.watchList.addTokens(chainId, addresses)
    this.#watchListChanged()
    return added
  }

  /** Stops watching a token of a chain; its history stays. */
  async removeTokensFromMonitor(chainId: bigint, token: string): Promise<RemovalResult> {
    const { storage } = this.#parts()
    const result = await storage.watchList.removeToken(chainId, requireAddress(token, 'token'))
    this.#watchListChanged()
    return result
  }

  /** The newest balance of a position, from the database; null when there is none yet. */
  async getCurrentBalance(chainId: bigint, token: string, solver: string): Promise<CurrentBalanceView | null> {
    const balance = await this.reader.currentBalance(requirePosition(chainId, token, solver))
    return balance === null ? null : { ...balance, formatted: formatAmount(balance.balance, balance.decimals) }
  }

  /** Records of a position, newest first. */
  async getBalanceHistory(
    chainId: bigint,
    token: string,
    solver: string,
    limit = 100,
  ): Promise<readonly BalanceRecord[]> {
    const page = await this.reader.history({ position: requirePosition(chainId, token, solver), limit })
    return page?.items ?? []
  }

  /**
   * Which blocks of a position are known, oldest first: `exact` where every change has its record, `sampled` where there
   * may be changes without one. What lies between was not seen. Null when the position was never watched.
   */
  coverage(chainId: bigint, token: string, solver: string): Promise<readonly CoverageInterval[] | null> {
    return this.reader.coverage(requirePosition(chainId, token, solver))
  }

  /**
   * Fills in history that was missed, as far back as the endpoints can serve it. What is stored already is not searched
   * again, so a run that was broken off goes on where it was.
   *
   * @returns one report for each chain
   */
  backfill(options: BackfillOptions): Promise<readonly FillReport[]> {
    return this.#parts().history.backfill(this.#checked(options))
  }

  /**
   * Searches history again, compares it with the records, and puts right what differs, with a note for each difference.
   *
   * @returns one report for each chain
   */
  verify(options: VerifyHistoryOptions = {}): Promise<readonly VerifyReport[]> {
    return this.#parts().history.verify(this.#checked(options))
  }

  /**
   * Validates, commits and announces one report. Resolves only after the commit.
   *
   * @param body `{ts?, pid?, onchain, onsite}` as it came off the wire
   * @throws {InvalidSnapshotError | IdempotencyConflictError | OverloadedError | StorageUnavailableError}
   */
  async saveSnapshot(body: unknown, idempotencyKey?: unknown): Promise<SavedSnapshot> {
    const saved = await this.#parts().intake.save(body, idempotencyKey)
    if (!saved.repeated) this.#saved += 1
    return saved
  }

  /** Snapshots newest first; null when `before` names none. */
  snapshots(request: SnapshotListRequest): Promise<SnapshotList | null> {
    return this.#parts().storage.snapshots.list(request)
  }

  async health(): Promise<{ readonly database: 'up' | 'down'; readonly reason: string | null }> {
    if (this.#running === null) return { database: 'down', reason: 'not started' }
    try {
      await this.#running.storage.ping()
      return { database: 'up', reason: null }
    } catch (error) {
      return { database: 'down', reason: messageOf(error) }
    }
  }

  async metrics(): Promise<ManagerMetrics> {
    const { workers, intake, tailer } = this.#parts()
    const summaries = new Map((await this.chains()).map((summary) => [summary.chainId, summary]))
    return {
      chains: workers.map((worker) => {
        const summary = summaries.get(worker.chain.chainId)
        return {
          ...worker.counters,
          chainId: worker.chain.chainId,
          state: worker.status.state,
          head: summary?.head ?? null,
          processed: summary?.processed ?? null,
          lagSeconds: summary?.lagSeconds ?? null,
          positions: worker.positions,
          standing: worker.standing,
          rpcRequests: Object.fromEntries(worker.rpcRequests),
          rpcErrors: Object.fromEntries(worker.rpcErrors),
        }
      }),
      snapshots: { saved: this.#saved, queued: intake.queued },
      events: { seq: tailer.seq },
    }
  }

  #checked<Selection extends HistorySelection>(selection: Selection): Selection {
    const { chainId, fromBlock, toBlock, fromTime } = selection
    if (fromTime !== undefined && Number.isNaN(fromTime.getTime())) {
      throw new InvalidArgumentError('fromTime: expected a time, got an invalid Date')
    }
    const { chains } = this.#config
    if (chainId !== undefined && !chains.some((chain) => chain.chainId === chainId)) {
      throw new UnknownChainError(`expected a configured chain, got chain id ${chainId}`)
    }
    if (chainId === undefined && chains.length > 1 && (fromBlock !== undefined || toBlock !== undefined)) {
      throw new InvalidArgumentError('chainId: expected a chain id, because block numbers differ from chain to chain')
    }
    return selection
  }

  #parts(): Running {
    if (this.#running === null)
      throw new NotRunningError('the balance manager is not running', { hint: 'Call start() first.' })
    return this.#running
  }

  /** This process does not wait for the event: the very next block is read with the new list. */
  #watchListChanged(): void {
    const { workers, tailer } = this.#parts()
    for (const worker of workers) worker.outdate()
    tailer.wake()
  }

  #onEvent(event: LoggedEvent): void {
    this.#logger.debug({ component: 'events', seq: event.seq.toString(), type: event.type }, 'event')
    if (event.type === 'watch-list.changed') for (const worker of this.#running?.workers ?? []) worker.outdate()
  }

  async #close(): Promise<void> {
    this.#abort.abort()
    // A start under way gives up by itself, and closes what it opened.
    await this.#starting?.catch(() => undefined)
    const running = this.#running
    if (running === null) return
    await Promise.all([running.history.close(), ...running.workers.map((worker) => worker.close())])
    await running.intake.close()
    await running.tailer.close()
    this.#running = null
    await running.storage.close()
    this.#logger.info({}, 'balance manager closed')
  }
}

function throwIfClosed(signal: AbortSignal): void {
  if (signal.aborted) throw new ClosedError('the balance manager was closed while it started')
}

function eventsOf(tailer: EventTailer, log: EventLog): ManagerEvents {
  return {
    get seq() {
      return tailer.seq
    },
    get logId() {
      return tailer.logId
    },
    subscribe: (handler) => tailer.subscribe(handler),
    read: (after, limit) => log.read(after, limit),
    oldestSeq: async () => (await log.head()).oldestSeq,
  }
}

function lagOf(timestamp: Date | undefined): number | null {
  return timestamp === undefined ? null : Math.max(0, Math.round((Date.now() - timestamp.getTime()) / 1000))
}

function requireAddress(text: string, argument: string): Address {
  const address = parseAddress(text)
  if (address === null)
    throw new InvalidArgumentError(
      `${argument}: expected an address of 20 bytes, got ${JSON.stringify(text.slice(0, 64))}`,
    )
  return address
}

function requirePosition(chainId: bigint, tokenText: string, solverText: string): Position {
  const token = parseToken(tokenText)
  if (token === null) {
    throw new InvalidArgumentError(
      `token: expected 'native' or an address of 20 bytes, got ${JSON.stringify(tokenText.slice(0, 64))}`,
    )
  }
  return { chainId, token, solver: requireAddress(solverText, 'solver') }
}
