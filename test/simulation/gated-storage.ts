import { DatabaseUnavailableError } from '../../src/storage/postgres/database.js'
import type { LoggedEvent } from '../../src/model/event.js'
import type { EventLogHead } from '../../src/events/event-log.js'
import type { Storage } from '../../src/storage/postgres/postgres-storage.js'
import { LeaseLostError } from '../../src/leases/lease-store.js'
import type { LedgerStore } from '../../src/ledger/ledger-store.js'
import type { Lots } from './lots.js'
import type { Owner, Scheduler } from './scheduler.js'
import { VirtualLeases } from './virtual-leases.js'

const CALL_MS = 2

/** What befalls the database, beside its work. */
export interface DatabaseTrouble {
  /** No call gets through. */
  away: boolean
  /** How likely it is that a call is carried out, but its answer lost. */
  lostAnswers: number
}

export interface DatabaseCounters {
  calls: number
  refused: number
  lostAnswers: number
  /** Calls of a dead replica that were carried out after its death. */
  posthumous: number
  /** Writes that were refused because another replica followed the chain by then. */
  leasesLost: number
}

interface Listener {
  readonly owner: Owner
  readonly onWake: () => void
}

/** The one database, to which each call of each replica is a step of its own. */
export class GatedDatabase {
  readonly trouble: DatabaseTrouble = { away: false, lostAnswers: 0 }
  readonly counters: DatabaseCounters = { calls: 0, refused: 0, lostAnswers: 0, posthumous: 0, leasesLost: 0 }
  /** Told of each write that was carried out, before its sender is. */
  onWritten: (owner: Owner) => void = () => undefined
  readonly #storage: Storage
  readonly #scheduler: Scheduler
  readonly #lots: Lots
  readonly #world: Owner
  readonly #listeners = new Set<Listener>()
  readonly #leases: VirtualLeases
  #changes = 0

  constructor(storage: Storage, scheduler: Scheduler, lots: Lots, world: Owner) {
    this.#storage = storage
    this.#scheduler = scheduler
    this.#lots = lots
    this.#world = world
    this.#leases = new VirtualLeases(scheduler)
  }

  /** A connection of one replica. */
  async open(owner: Owner): Promise<Storage> {
    const storage = this.#storage
    const gate = <T extends object>(port: T, name: string): T => this.#gate(owner, port, name)
    await this.#call(owner, 'open', () => Promise.resolve())
    return {
      ledger: this.#gateLedger(owner, storage.ledger),
      watchList: gate(storage.watchList, 'watchList'),
      reader: gate(storage.reader, 'reader'),
      records: storage.records,
      recordContext: storage.recordContext,
      events: this.#gateEvents(owner, gate(storage.events, 'events')),
      consumers: gate(storage.consumers, 'consumers'),
      snapshots: gate(storage.snapshots, 'snapshots'),
      snapshotReader: gate(storage.snapshotReader, 'snapshotReader'),
      snapshotUpkeep: gate(storage.snapshotUpkeep, 'snapshotUpkeep'),
      apiKeys: gate(storage.apiKeys, 'apiKeys'),
      leases: gate(this.#leases, 'leases'),
      recordSource: gate(storage.recordSource, 'recordSource'),
      ping: () => this.#call(owner, 'ping', () => storage.ping()),
      close: () => Promise.resolve(),
    }
  }

  /** Every method of a port becomes a step. */
  #gate<T extends object>(owner: Owner, port: T, name: string): T {
    return new Proxy(port, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target)
        if (typeof member !== 'function') return member
        const label = `${name}.${String(property)}`
        return (...args: unknown[]): unknown =>
          this.#call(owner, label, () => Reflect.apply(member, target, args) as Promise<unknown>)
      },
    })
  }

  /** Binding a ledger to a lease is no call. */
  #gateLedger(owner: Owner, ledger: LedgerStore): LedgerStore {
    const gated = this.#gate(owner, ledger, 'ledger')
    return new Proxy(gated, {
      get: (target, property) =>
        property === 'underLease'
          ? (epoch: bigint) => this.#gateLedger(owner, ledger.underLease(epoch))
          : (Reflect.get(target, property, target) as unknown),
    })
  }

  /** Wake-ups are steps too, and some never come: they are only hints. */
  #gateEvents(owner: Owner, events: Storage['events']): Storage['events'] {
    let last: { readonly after: bigint; readonly changes: number; readonly page: readonly LoggedEvent[] } | null = null
    let known: { readonly head: Promise<EventLogHead>; readonly changes: number } | null = null
    return {
      head: () => {
        if (known?.changes !== this.#changes || this.trouble.away)
          known = { head: events.head(), changes: this.#changes }
        return known.head
      },
      rename: (log, seq) => events.rename(log, seq),
      read: async (after, limit) => {
        // Nothing was written since the last page: the next one is the same, and is not asked for.
        if (last?.after === after && last.changes === this.#changes && !this.trouble.away) return last.page
        const changes = this.#changes
        const page = await events.read(after, limit)
        last = { after, changes, page }
        return page
      },
      listen: (onWake) => {
        const listener = { owner, onWake }
        this.#listeners.add(listener)
        return () => {
          this.#listeners.delete(listener)
          return Promise.resolve()
        }
      },
    }
  }

  #call<Result>(owner: Owner, label: string, work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      // The step is the world's: a statement that was sent is carried out even when its sender dies meanwhile.
      const lostWithOwner = this.#lots.chance(0.5)
      this.#scheduler.after(this.#lots.delayMs(CALL_MS), this.#world, `${owner.name} ${label}`, async () => {
        if (!owner.alive && lostWithOwner) return
        const { frozen } = owner
        const deliver = (answer: () => void): void =>
          frozen === undefined ? answer() : void this.#scheduler.after(0, owner, `answer to ${label}`, answer)
        this.counters.calls += 1
        if (this.trouble.away) {
          this.counters.refused += 1
          const error = new DatabaseUnavailableError('the database did not answer: simulated outage')
          if (owner.alive) deliver(() => reject(error))
          return
        }
        const answer = await outcomeOf(work)
        if (!answer.ok && answer.error instanceof LeaseLostError) this.counters.leasesLost += 1
        const written = writes(label)
        if (written) this.#changed()
        if (written && owner.alive) this.onWritten(owner)
        this.#scheduler.note(this.#world, `${label} ${answer.ok ? 'done' : `failed: ${String(answer.error)}`}`)
        if (!owner.alive) {
          this.counters.posthumous += 1
        } else if (this.#lots.chance(this.trouble.lostAnswers)) {
          this.counters.lostAnswers += 1
          const error = new DatabaseUnavailableError('the database did not answer: simulated loss of the answer')
          deliver(() => reject(error))
        } else deliver(() => (answer.ok ? resolve(answer.value) : reject(answer.error)))
      })
    })
  }

  #changed(): void {
    this.#changes += 1
    for (const { owner, onWake } of this.#listeners) {
      if (!owner.alive || this.#lots.chance(0.2)) continue
      this.#scheduler.after(this.#lots.delayMs(CALL_MS), owner, 'wake-up', onWake)
    }
  }
}

type Answer<Result> = { readonly ok: true; readonly value: Result } | { readonly ok: false; readonly error: unknown }

async function outcomeOf<Result>(work: () => Promise<Result>): Promise<Answer<Result>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    return { ok: false, error }
  }
}

const reading =
  /^(open|ping|reader\.|events\.|ledger\.(load|records|coverage|known|corrections)|snapshotReader\.|snapshotUpkeep\.|leases\.|watchList\.(solvers|tokens)$)/

function writes(label: string): boolean {
  return !reading.test(label)
}
