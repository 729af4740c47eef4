import type { HeldLease, Lease, LeaseStore } from '../../src/leases/lease-store.js'
import type { Scheduler } from './scheduler.js'

interface Row {
  holder: string | null
  epoch: bigint
  note: string | null
  expiresAtMs: number
}

/** Leases by the simulation's time: those in the database go by its own clock, which does not know of it. */
export class VirtualLeases implements LeaseStore {
  readonly #scheduler: Scheduler
  readonly #rows = new Map<string, Row>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  acquire(name: string, holder: string, durationMs: number): Promise<Lease | null> {
    const row = this.#rows.get(name) ?? { holder: null, epoch: 0n, note: null, expiresAtMs: 0 }
    this.#rows.set(name, row)
    if (row.holder !== holder) {
      if (row.holder !== null && row.expiresAtMs > this.#scheduler.nowMs) return Promise.resolve(null)
      row.holder = holder
      row.epoch += 1n
      row.note = null
    }
    row.expiresAtMs = this.#scheduler.nowMs + durationMs
    return Promise.resolve({ name, holder, epoch: row.epoch })
  }

  renew(lease: Lease, durationMs: number, note?: string): Promise<boolean> {
    const row = this.#rowOf(lease)
    if (row === null) return Promise.resolve(false)
    row.expiresAtMs = this.#scheduler.nowMs + durationMs
    row.note = note ?? row.note
    return Promise.resolve(true)
  }

  look(name: string): Promise<HeldLease | null> {
    const row = this.#rows.get(name)
    if (row === undefined || row.holder === null || row.expiresAtMs <= this.#scheduler.nowMs) {
      return Promise.resolve(null)
    }
    return Promise.resolve({ name, holder: row.holder, epoch: row.epoch, note: row.note })
  }

  release(lease: Lease): Promise<void> {
    const row = this.#rowOf(lease)
    if (row !== null) {
      row.holder = null
      row.note = null
    }
    return Promise.resolve()
  }

  #rowOf({ name, holder, epoch }: Lease): Row | null {
    const row = this.#rows.get(name)
    return row?.holder === holder && row.epoch === epoch ? row : null
  }
}
