import { messageOf } from '../../src/model/errors.js'
import type pg from 'pg'

import type { Lots } from './lots.js'
import type { Replica } from './replica.js'
import type { Owner, Scheduler } from './scheduler.js'
import { must } from './violation.js'
import { EPOCH_MS } from './virtual-clock.js'

const REPORT_MS = 3000
const RETRY_MS = 1500

export interface SnapshotReporterOptions {
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly lots: Lots
  readonly replicas: readonly Replica[]
}

/** A reporter outside of the service: sends each report until it is acknowledged, as its protocol asks it to. */
export class SnapshotReporter {
  readonly #options: SnapshotReporterOptions
  readonly #acknowledged = new Map<string, string>()
  #sent = 0
  #open = 0

  constructor(options: SnapshotReporterOptions) {
    this.#options = options
  }

  /** Reports that were neither acknowledged nor given up. */
  get open(): number {
    return this.#open
  }

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  letLoose(goesOn: () => boolean): void {
    const { scheduler, self, lots } = this.#options
    scheduler.after(lots.delayMs(REPORT_MS), self, 'report', () => {
      if (!goesOn()) return
      this.#sent += 1
      this.#open += 1
      this.#send(this.#sent)
      this.letLoose(goesOn)
    })
  }

  /** @throws {Violation} unless each acknowledged report is stored once, and nothing else is. */
  async check(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ id: string; idempotency_key: string }>(
      'select id, idempotency_key from tidemark."BalanceSnapshot"',
    )
    const stored = new Map(rows.map((row) => [row.idempotency_key, row.id]))
    must(stored.size === rows.length, 'a report is stored once', { expected: stored.size, got: rows.length })
    for (const [key, id] of this.#acknowledged) {
      must(stored.get(key) === id, 'an acknowledged report is stored', { key, expected: id, got: stored.get(key) })
    }
  }

  /** The answer may be lost with the process that was to give it: then the same is sent again, with the same key. */
  #send(number: number): void {
    const { scheduler, self, lots, replicas } = this.#options
    const key = `report-${number}`
    const replica = lots.pick(replicas)
    const { manager } = replica
    const again = (): void =>
      void scheduler.after(lots.delayMs(RETRY_MS), self, `${key} again`, () => this.#send(number))
    if (manager === null) {
      again()
      return
    }
    let answered = false
    const body = {
      ts: new Date(EPOCH_MS + number * 1000).toISOString(),
      onchain: { ETH: String(number) },
      onsite: { ETH: String(number) },
    }
    manager.saveSnapshot(body, key).then(
      ({ snapshot }) => {
        answered = true
        this.#open -= 1
        this.#acknowledged.set(key, snapshot.id)
      },
      (error: unknown) => {
        answered = true
        scheduler.note(self, `${key} refused: ${messageOf(error)}`)
        again()
      },
    )
    const { owner } = replica
    scheduler.after(20_000, self, `${key} patience`, () => {
      if (!answered && owner?.alive === false) this.#send(number)
    })
  }
}
