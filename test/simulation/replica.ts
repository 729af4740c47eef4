import { BalanceManager } from '../../src/balance-manager.js'
import type { BalanceManagerConfig } from '../../src/balance-manager.js'
import { messageOf } from '../../src/model/errors.js'
import type { LoggedEvent } from '../../src/model/event.js'
import type { Logger } from '../../src/model/logger.js'
import type { Heard } from './check-events.js'
import type { GatedDatabase } from './gated-storage.js'
import { Lots } from './lots.js'
import type { Owner, Scheduler } from './scheduler.js'
import { virtualClock } from './virtual-clock.js'
import type { VirtualNetwork } from './virtual-network.js'

const RESTART_MS = 1500

export interface ReplicaWorld {
  readonly seed: number
  readonly config: BalanceManagerConfig
  readonly scheduler: Scheduler
  readonly network: VirtualNetwork
  readonly database: GatedDatabase
  readonly logger: (owner: Owner) => Logger
}

interface Life {
  readonly owner: Owner
  readonly manager: BalanceManager
  readonly heard: { readonly replica: string; since: bigint; readonly events: LoggedEvent[] }
  running: boolean
}

/** One process of the service: it can be dropped on the floor at any step, and comes back. */
export class Replica {
  readonly #name: string
  readonly #world: ReplicaWorld
  readonly #host: Owner
  readonly #lives: Life[] = []
  #life: Life | null = null

  constructor(name: string, world: ReplicaWorld, host: Owner) {
    this.#name = name
    this.#world = world
    this.#host = host
  }

  /** The running service; null while there is none, or none that answers. */
  get manager(): BalanceManager | null {
    const life = this.#life
    return life?.running === true && life.owner.frozen === undefined ? life.manager : null
  }

  /** The owner of the present life's steps; null while there is none. */
  get owner(): Owner | null {
    return this.#life?.owner ?? null
  }

  /** What each life's subscriber was handed. */
  get heard(): readonly Heard[] {
    return this.#lives.filter(({ running }) => running).map(({ heard }) => heard)
  }

  start(): void {
    if (this.#life !== null) return
    const { seed, config, scheduler, network, database, logger } = this.#world
    const owner: Owner = { name: `${this.#name}.${this.#lives.length + 1}`, alive: true }
    const manager = new BalanceManager({
      config,
      logger: logger(owner),
      environment: {
        clock: virtualClock(scheduler, owner, new Lots(seed, `clock ${owner.name}`)),
        transport: network.transport(owner),
        openStorage: () => database.open(owner),
      },
    })
    const life: Life = { owner, manager, heard: { replica: owner.name, since: 0n, events: [] }, running: false }
    this.#life = life
    this.#lives.push(life)
    manager.start().then(
      () => this.#onStarted(life),
      (error: unknown) => this.#onStartFailed(life, error),
    )
  }

  /** Everything under way is gone, without a word to anyone. */
  crash(): void {
    if (this.#life === null) return
    this.#life.owner.alive = false
    this.#world.network.forget(this.#life.owner)
    this.#life = null
  }

  /** It stands still, and goes on after a time as if nothing had been. */
  freeze(durationMs: number): void {
    const owner = this.owner
    if (owner === null || owner.frozen !== undefined) return
    const { scheduler } = this.#world
    const fromMs = scheduler.nowMs
    owner.frozen = { fromMs, untilMs: fromMs + durationMs }
    scheduler.after(durationMs, this.#host, `${owner.name} thaws`, () => (owner.frozen = undefined))
  }

  /** Ends in good order. */
  async close(): Promise<void> {
    await this.#life?.manager.close()
  }

  #onStarted(life: Life): void {
    if (!life.owner.alive) return
    life.running = true
    life.heard.since = life.manager.events.seq
    life.manager.events.subscribe((event) => life.heard.events.push(event))
  }

  /** The process ends; whoever supervises it starts it again. */
  #onStartFailed(life: Life, error: unknown): void {
    if (!life.owner.alive) return
    this.#world.scheduler.note(life.owner, `start failed: ${messageOf(error)}`)
    this.crash()
    this.#world.scheduler.after(RESTART_MS, this.#host, `restart ${this.#name}`, () => this.start())
  }
}
