import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'

import type { ManagerMetrics } from '../../index.js'

/** How the copy in MongoDB stands; without one there are no numbers of it. */
export class MongoDbMetrics {
  readonly #registry: Registry
  readonly #up: Gauge
  readonly #copying: Gauge
  readonly #lagEvents: Gauge
  readonly #lagSeconds: Gauge
  readonly #written: Counter
  readonly #refused: Counter
  readonly #corrected: Counter
  readonly #failures: Counter

  constructor(registry: Registry) {
    this.#registry = registry
    this.#up = this.#gauge('tidemark_mongodb_up', '1 when MongoDB answered and took what was written last')
    this.#copying = this.#gauge('tidemark_mongodb_copying', '1 while MongoDB does not have all records yet')
    this.#lagEvents = this.#gauge('tidemark_mongodb_lag_events', 'Events whose records are not in MongoDB yet')
    this.#lagSeconds = this.#gauge('tidemark_mongodb_lag_seconds', 'Age of the oldest event that is not in MongoDB yet')
    this.#written = this.#counter('tidemark_mongodb_documents_written_total', 'Documents written to MongoDB')
    this.#refused = this.#counter(
      'tidemark_mongodb_documents_refused_total',
      'Documents not written to MongoDB because something newer was there',
    )
    this.#corrected = this.#counter(
      'tidemark_mongodb_documents_corrected_total',
      'Documents in MongoDB that were not as they should be, and were put right',
    )
    this.#failures = this.#counter(
      'tidemark_mongodb_failures_total',
      'Steps of copying that failed and were tried again',
    )
  }

  set(copy: ManagerMetrics['mongodb']): void {
    for (const metric of this.#all()) metric.reset()
    if (copy === null) {
      // A gauge without labels is told as 0 after a reset, which would pass for a copy that is up to date.
      for (const metric of this.#all()) metric.remove()
      return
    }
    this.#up.set(copy.state === 'following' || copy.state === 'copying' ? 1 : 0)
    this.#copying.set(copy.state === 'copying' ? 1 : 0)
    this.#lagEvents.set(Number(copy.lagEvents))
    this.#lagSeconds.set(copy.lagSeconds)
    this.#written.inc(copy.written)
    this.#refused.inc(copy.refused)
    this.#corrected.inc(copy.corrected)
    this.#failures.inc(copy.failures)
  }

  #all(): readonly (Gauge | Counter)[] {
    return [
      this.#up,
      this.#copying,
      this.#lagEvents,
      this.#lagSeconds,
      this.#written,
      this.#refused,
      this.#corrected,
      this.#failures,
    ]
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.#registry] })
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.#registry] })
  }
}
