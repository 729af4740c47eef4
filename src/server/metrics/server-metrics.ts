import { Counter, Gauge, Histogram, Registry } from 'prom-client'

import type { BalanceManager, Logger } from '../../index.js'
import { ChainMetrics } from './chain-metrics.js'
import { MongoDbMetrics } from './mongodb-metrics.js'
import { processRegistry } from './process-registry.js'

/** The limits that callers can run into. */
export type LimitName =
  | 'connections'
  | 'connections_per_address'
  | 'connections_per_key'
  | 'snapshots'
  | 'requests'
  | 'failed_keys'
  | 'flood'
  | 'streams'

/** Everything `/metrics` tells. Labels are fixed sets: nothing a caller sends becomes one. */
export class ServerMetrics {
  readonly #manager: Pick<BalanceManager, 'metrics'>
  readonly #logger: Logger
  readonly #registry = new Registry()
  readonly #chains: ChainMetrics
  readonly #mongodb: MongoDbMetrics
  readonly #snapshotsSaved: Counter
  readonly #snapshotsQueued: Gauge
  readonly #seq: Gauge
  readonly #databaseUp: Gauge
  readonly #httpSeconds: Histogram
  readonly #sockets: Gauge
  readonly #refusedUpdates: Counter
  readonly #slowReaders: Counter
  readonly #replayed: Counter
  readonly #limited: Counter

  constructor(manager: Pick<BalanceManager, 'metrics'>, logger: Logger) {
    this.#manager = manager
    this.#logger = logger
    const registers = [this.#registry]
    this.#chains = new ChainMetrics(this.#registry)
    this.#mongodb = new MongoDbMetrics(this.#registry)
    this.#snapshotsSaved = new Counter({ name: 'tidemark_snapshots_saved_total', help: 'Snapshots stored', registers })
    this.#snapshotsQueued = new Gauge({
      name: 'tidemark_snapshots_queued',
      help: 'Snapshots waiting to be stored',
      registers,
    })
    this.#seq = new Gauge({ name: 'tidemark_event_log_seq', help: 'Newest event handed out', registers })
    this.#databaseUp = new Gauge({
      name: 'tidemark_database_up',
      help: '1 when the database answered; at 0 there are no numbers that only the database knows',
      registers,
    })
    this.#httpSeconds = new Histogram({
      name: 'tidemark_http_request_duration_seconds',
      help: 'Time to answer a request',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    })
    this.#sockets = new Gauge({ name: 'tidemark_socket_connections', help: 'Open Socket.IO connections', registers })
    this.#refusedUpdates = new Counter({
      name: 'tidemark_socket_updates_refused_total',
      help: 'balance:update events answered with balance:error',
      labelNames: ['code'],
      registers,
    })
    this.#slowReaders = new Counter({
      name: 'tidemark_socket_slow_readers_total',
      help: 'Connections cut because they did not read',
      registers,
    })
    this.#replayed = new Counter({
      name: 'tidemark_socket_events_replayed_total',
      help: 'Events sent again to clients that came back',
      registers,
    })
    this.#limited = new Counter({
      name: 'tidemark_limited_total',
      help: 'Connections, requests and events refused because of a limit',
      labelNames: ['limit'],
      registers,
    })
  }

  observeRequest(
    labels: { readonly method: string; readonly route: string; readonly status: number },
    seconds: number,
  ): void {
    this.#httpSeconds.observe({ ...labels }, seconds)
  }

  setSockets(count: number): void {
    this.#sockets.set(count)
  }

  countRefusedUpdate(code: string): void {
    this.#refusedUpdates.inc({ code })
  }

  countSlowReader(): void {
    this.#slowReaders.inc()
  }

  countLimited(limit: LimitName): void {
    this.#limited.inc({ limit })
  }

  countReplayed(events: number): void {
    this.#replayed.inc(events)
  }

  /** All numbers in Prometheus text format. */
  async read(): Promise<string> {
    await this.#takeManagerNumbers()
    return `${await this.#registry.metrics()}\n${await processRegistry().metrics()}`
  }

  /** Without the database there are no numbers of it: old ones would pass for new ones. */
  async #takeManagerNumbers(): Promise<void> {
    try {
      const numbers = await this.#manager.metrics()
      this.#chains.set(numbers.chains)
      this.#snapshotsSaved.reset()
      this.#snapshotsSaved.inc(numbers.snapshots.saved)
      this.#snapshotsQueued.set(numbers.snapshots.queued)
      this.#seq.set(Number(numbers.events.seq))
      this.#mongodb.set(numbers.mongodb)
      this.#databaseUp.set(numbers.database === 'up' ? 1 : 0)
    } catch (error) {
      this.#chains.set([])
      this.#mongodb.set(null)
      this.#logger.warn({ error: error instanceof Error ? error.message : String(error) }, 'numbers could not be read')
      this.#databaseUp.set(0)
    }
  }
}
