import { hostname } from 'node:os'

import type { ApiKeyStore } from './access/api-key-store.js'
import { ChainWorker } from './chain-worker.js'
import type { Config } from './config/config.js'
import { EventTailer } from './events/event-tailer.js'
import type { BalanceReader } from './ledger/balance-reader.js'
import type { RecordReader } from './ledger/record-reader.js'
import type { FillReport } from './ledger/history/fill-history.js'
import type { VerifyReport } from './ledger/history/verify-history.js'
import { HistoryKeeper } from './history-keeper.js'
import type { BackfillOptions, VerifyHistoryOptions } from './history-keeper.js'
import { BalanceQueries } from './manager/balance-queries.js'
import { ConsumerGroups } from './manager/consumer-groups.js'
import {
  InvalidArgumentError,
  NotReadyError,
  NotRunningError,
  UnknownChainError,
  reasonOf,
} from './manager/manager-errors.js'
import { metricsOf, summaryOf } from './manager/describe-chains.js'
import { eventsOf } from './manager/manager-events.js'
import type { ManagerEvents } from './manager/manager-events.js'
import type { ChainSummary, ManagerMetrics } from './manager/manager-metrics.js'
import { answeringRecords } from './manager/record-source.js'
import {
  requireAddress,
  requireAddresses,
  requireChainId,
  requireLabel,
  requireSelection,
} from './manager/require-argument.js'
import { withChainState } from './ledger/with-chain-state.js'
import type { RemovalResult } from './ledger/watch-list-store.js'
import type { WatchedSolver, WatchedToken } from './model/watch-list.js'
import { ClosedError } from './model/errors.js'
import type { LoggedEvent } from './model/event.js'
import type { Logger } from './model/logger.js'
import type { SnapshotSeries } from './model/snapshot-series.js'
import type { Health } from './manager/manager-answers.js'
import { systemClock } from './model/clock.js'
import type { Clock } from './model/clock.js'
import { networkTransport } from './chain/rpc/node-transport.js'
import type { NodeTransport } from './chain/rpc/node-transport.js'
import { silentLogger } from './model/logger.js'
import { openMongoDbCopy } from './open-mongodb.js'
import type { MongoDbCopy } from './open-mongodb.js'
import { SnapshotIntake } from './snapshots/snapshot-intake.js'
import type { SavedSnapshot } from './snapshots/snapshot-intake.js'
import type { SnapshotList, SnapshotListRequest, SnapshotSeriesRequest } from './snapshots/snapshot-reader.js'
import { UpkeepWorker } from './snapshots/upkeep-worker.js'
import { DATABASE_WAIT_MS, untilDatabaseAnswers } from './storage/postgres/await-database.js'
import type { DatabaseSettings } from './storage/postgres/connect-database.js'
import { DatabaseUnavailableError } from './storage/postgres/database-errors.js'
import { openPostgresStorage } from './storage/postgres/postgres-storage.js'
import type { Storage } from './storage/postgres/postgres-storage.js'

/** The part of the configuration that the core needs; what belongs to the server is left out. */
export type BalanceManagerConfig = Pick<Config, 'chains' | 'solvers' | 'databaseUrl' | 'dataDir'> &
  Partial<Pick<Config, 'snapshotRetentionDays' | 'eventRetentionDays' | 'mongodbUrl' | 'mongodbBatchSize'>>

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

export interface StartOptions {
  /**
   * How long to wait for a database that does not answer: 8 seconds unless told, `Infinity` for ever. Whatever needs the
   * database fails with {@link NotReadyError} meanwhile.
   */
  readonly databaseWaitMs?: number | undefined
}

const HOST_LENGTH_MAX = 100
/** Work under way has this long to reach the database when the manager closes. */
const CLOSE_TIMEOUT_MS = 10_000

const realEnvironment: Environment = {
  clock: systemClock,
  transport: networkTransport,
  openStorage: openPostgresStorage,
}

interface Running {
  readonly storage: Storage
  readonly intake: SnapshotIntake
  readonly upkeep: UpkeepWorker
  readonly tailer: EventTailer
  readonly groups: ConsumerGroups
  /** Null when none is configured. */
  readonly mongodb: MongoDbCopy | null
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
export class BalanceManager extends BalanceQueries {
  readonly #config: BalanceManagerConfig
  readonly #logger: Logger
  readonly #environment: Environment
  readonly #abort = new AbortController()
  #running: Running | null = null
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null
  /** Settles when the start has ended, however it did. */
  readonly #startSettled: Promise<void>
  #settleStart: () => void = () => undefined
  #failed = false
  readonly #events: ManagerEvents
  /** What kept the last attempt to start from the database. */
  #trouble: DatabaseUnavailableError | null = null
  #saved = 0

  constructor(options: BalanceManagerOptions) {
    super()
    this.#config = options.config
    this.#logger = options.logger ?? silentLogger
    this.#environment = options.environment ?? realEnvironment
    this.#startSettled = new Promise((resolve) => (this.#settleStart = resolve))
    this.#events = eventsOf(() => this.#parts(), this.#startSettled)
  }

  /**
   * Opens the database, brings its schema up to date, and begins to follow every configured chain.
   *
   * @throws {TidemarkError} when the database cannot be used. A chain that cannot be reached is no reason to fail.
   */
  start(options: StartOptions = {}): Promise<void> {
    this.#starting ??= this.#start(options)
    return this.#starting
  }

  async #start({ databaseWaitMs = DATABASE_WAIT_MS }: StartOptions): Promise<void> {
    const { chains, solvers } = this.#config
    try {
      this.#running = await untilDatabaseAnswers(() => this.#open(), {
        waitMs: databaseWaitMs,
        logger: this.#logger,
        clock: this.#environment.clock,
        signal: this.#abort.signal,
        onTrouble: (error) => (this.#trouble = error),
      })
    } catch (error) {
      this.#failed = true
      throw error
    } finally {
      this.#settleStart()
    }
    this.#running.upkeep.start()
    this.#running.groups.start()
    this.#running.mongodb?.start()
    for (const worker of this.#running.workers) worker.start()
    this.#logger.info({ chains: chains.length, solvers: solvers.length }, 'balance manager started')
  }

  /** Opens the database and puts the parts on it; nothing of it stays when it fails. */
  async #open(): Promise<Running> {
    const { signal } = this.#abort
    throwIfClosed(signal)
    const { databaseUrl, dataDir, chains, solvers } = this.#config
    const logger = this.#logger
    const { clock, transport, openStorage } = this.#environment
    const storage = await openStorage({ databaseUrl, dataDir, signal }, logger)
    const stop = (): void => void storage.close()
    signal.addEventListener('abort', stop)
    try {
      throwIfClosed(signal)
      await storage.watchList.applyConfiguration({ chains, solvers })
      const tailer = new EventTailer({ log: storage.events, clock, logger: logger.child({ component: 'events' }) })
      const onCommitted = (events: readonly LoggedEvent[] = []): void => tailer.offer(events)
      const intake = new SnapshotIntake({
        store: storage.snapshots,
        logger: logger.child({ component: 'snapshots' }),
        onCommitted,
        clock,
      })
      const upkeep = new UpkeepWorker({
        upkeep: storage.snapshotUpkeep,
        clock,
        logger: logger.child({ component: 'upkeep' }),
        snapshotRetentionDays: this.#config.snapshotRetentionDays ?? 0,
        eventRetentionDays: this.#config.eventRetentionDays ?? 0,
      })
      const groups = new ConsumerGroups({
        consumers: storage.consumers,
        leases: storage.leases,
        log: storage.events,
        tailer,
        clock,
        logger: logger.child({ component: 'events' }),
      })
      const mongodb = await openMongoDbCopy({ config: this.#config, storage, tailer, clock, logger })
      tailer.subscribe((event) => this.#onEvent(event))
      tailer.onBreak(() => this.#onBreak())
      await tailer.start()
      if (signal.aborted) await tailer.close()
      throwIfClosed(signal)
      const holder = holderName(clock)
      const { ledger: store, leases } = storage
      const workers = chains.map(
        (chain) => new ChainWorker({ chain, store, leases, holder, clock, transport, logger, onCommitted }),
      )
      const history = new HistoryKeeper({ chains, store: storage.ledger, clock, transport, logger, onCommitted })
      return { storage, intake, upkeep, tailer, groups, mongodb, workers, history }
    } catch (error) {
      await storage.close()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  /** Stops following, commits what is under way, and closes the database. Safe to call more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Everything but `ready` fails until the start is done. */
  get events(): ManagerEvents {
    return this.#events
  }

  /** API keys that are kept in the database, beside those of the configuration. */
  get apiKeys(): ApiKeyStore {
    return this.#parts().storage.apiKeys
  }

  /** Newest balances, chains and coverage, answered from the database. */
  get reader(): BalanceReader {
    const { storage, workers } = this.#parts()
    return withChainState(storage.reader, (chainId) => {
      const worker = workers.find(({ chain }) => chain.chainId === chainId)
      return worker === undefined ? 'this chain is not configured any more' : worker.staleReason
    })
  }

  /** Balances over time, answered from what is stored. */
  get records(): RecordReader {
    return answeringRecords(this.#parts())
  }

  async chains(): Promise<readonly ChainSummary[]> {
    const { storage, workers } = this.#parts()
    const progress = new Map((await storage.reader.chains()).map((chain) => [chain.chainId, chain]))
    return workers.map((worker) => summaryOf(worker, progress.get(worker.chain.chainId)))
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
      label: requireLabel(options.label),
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
    return this.#parts().storage.watchList.tokens(requireChainId(chainId))
  }

  /**
   * Watches tokens of a chain for every solver, from the next block on; kept across restarts.
   *
   * @throws {UnknownChainError}
   */
  async addTokensToMonitor(chainId: bigint, tokens: readonly string[]): Promise<readonly WatchedToken[]> {
    const { storage } = this.#parts()
    const addresses = requireAddresses(tokens, 'tokens')
    if ((await storage.watchList.tokens(requireChainId(chainId))) === null) {
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
    const result = await storage.watchList.removeToken(requireChainId(chainId), requireAddress(token, 'token'))
    this.#watchListChanged()
    return result
  }

  /**
   * Fills in history that was missed, as far back as the endpoints can serve it. What is stored already is not searched
   * again, so a run that was broken off goes on where it was.
   *
   * @returns one report for each chain
   */
  backfill(options: BackfillOptions): Promise<readonly FillReport[]> {
    return this.#parts().history.backfill(requireSelection(options, this.#config.chains))
  }

  /**
   * Searches history again, compares it with the records, and puts right what differs, with a note for each difference.
   *
   * @returns one report for each chain
   */
  verify(options: VerifyHistoryOptions = {}): Promise<readonly VerifyReport[]> {
    return this.#parts().history.verify(requireSelection(options, this.#config.chains))
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
    return this.#parts().storage.snapshotReader.list(request)
  }

  /**
   * What was reported of one asset over time: at most `points` buckets, each with its first, last, lowest and highest
   * amount. Always as if worked out from the reports themselves.
   *
   * @throws {InvalidArgumentError}
   */
  snapshotSeries(request: SnapshotSeriesRequest): Promise<SnapshotSeries> {
    const { from, to, points } = request
    if (!(from <= to)) throw new InvalidArgumentError('from: expected a time that is not after "to"')
    if (!Number.isInteger(points) || points < 2) {
      throw new InvalidArgumentError(`points: expected an integer of at least 2, got ${points}`)
    }
    return this.#parts().storage.snapshotReader.series(request)
  }

  /** Known within seconds, whatever the database does. */
  async health(): Promise<Health> {
    try {
      const { storage, mongodb } = this.#parts()
      await storage.ping()
      const copy = mongodb === null ? {} : { mongodb: await mongodb.health() }
      return { database: 'up', reason: null, ...copy }
    } catch (error) {
      return { database: 'down', reason: reasonOf(error), error }
    }
  }

  async metrics(): Promise<ManagerMetrics> {
    const { workers, intake, tailer, mongodb } = this.#parts()
    const stored = await this.chains().catch((error: unknown) => {
      if (error instanceof DatabaseUnavailableError) return null
      throw error
    })
    const summaries = new Map(stored?.map((summary) => [summary.chainId, summary]))
    return {
      database: stored === null ? 'down' : 'up',
      chains: workers.map((worker) => metricsOf(worker, summaries.get(worker.chain.chainId))),
      snapshots: { saved: this.#saved, queued: intake.queued },
      events: { seq: tailer.seq },
      mongodb: stored === null ? null : ((await mongodb?.metrics()) ?? null),
    }
  }

  #parts(): Running {
    if (this.#running !== null) return this.#running
    if (this.#starting === null || this.#failed || this.#closing !== null)
      throw new NotRunningError('the balance manager is not running', { hint: 'Call start() first.' })
    const reason = this.#trouble === null ? '' : `: ${reasonOf(this.#trouble)}`
    throw new NotReadyError(`the service is starting${reason}`, {
      ...(this.#trouble === null ? {} : { cause: this.#trouble }),
      hint: 'Try again in a moment.',
    })
  }

  /** This process does not wait for the event: the very next block is read with the new list. */
  #watchListChanged(): void {
    this.#outdateWorkers()
    this.#parts().tailer.wake()
  }

  #onEvent(event: LoggedEvent): void {
    this.#logger.debug({ component: 'events', seq: event.seq.toString(), type: event.type }, 'event')
    if (event.type === 'snapshot.saved') this.#running?.upkeep.wake()
    if (event.type === 'watch-list.changed') this.#outdateWorkers()
  }

  /** What was passed over may have been about anything. */
  #onBreak(): void {
    this.#running?.upkeep.wake()
    this.#outdateWorkers()
  }

  #outdateWorkers(): void {
    for (const worker of this.#running?.workers ?? []) worker.outdate()
  }

  async #close(): Promise<void> {
    this.#abort.abort()
    // A start under way gives up by itself, and closes what it opened.
    await this.#starting?.catch(() => undefined)
    const running = this.#running
    if (running === null) return
    // What still waits for a database that does not answer is cut off: it was not acknowledged.
    const callOff = this.#environment.clock.schedule(CLOSE_TIMEOUT_MS, () => void running.storage.close())
    await running.groups.close()
    await Promise.all([running.history.close(), ...running.workers.map((worker) => worker.close())])
    await running.intake.close()
    await running.upkeep.close()
    await running.mongodb?.close()
    await running.tailer.close()
    callOff()
    this.#running = null
    await running.storage.close()
    this.#logger.info({}, 'balance manager closed')
  }
}

/** This process as holder of leases: no other one has its name, and no earlier one had. */
function holderName(clock: Clock): string {
  const lot = Math.floor(clock.random() * 2 ** 48)
  return `${hostname().slice(0, HOST_LENGTH_MAX)}:${process.pid}:${lot.toString(16)}`
}

function throwIfClosed(signal: AbortSignal): void {
  if (signal.aborted) throw new ClosedError('the balance manager was closed while it started')
}
