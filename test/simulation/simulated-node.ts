import { faultKinds } from '../../src/testing/fault-proxy/fault.js'
import type { FaultKind } from '../../src/testing/fault-proxy/fault.js'
import { createFaultyNode } from '../../src/testing/fault-proxy/faulty-node.js'
import type { FaultyNode } from '../../src/testing/fault-proxy/faulty-node.js'
import type { RpcNode } from '../../src/testing/rpc-node.js'
import { drawFault, kindsOf } from './draw-fault.js'
import { Lots } from './lots.js'
import type { EndpointPlan } from './scenario.js'
import type { Owner, Scheduler } from './scheduler.js'
import { virtualClock } from './virtual-clock.js'
import type { Site, VirtualNetwork } from './virtual-network.js'

const FAULT_MS = 6000

export interface SimulatedNodeOptions {
  readonly seed: number
  readonly endpoint: EndpointPlan
  readonly nodesLie: boolean
  readonly node: RpcNode
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly network: VirtualNetwork
}

/** One node of a chain, and what it does wrong. */
export class SimulatedNode {
  readonly #options: SimulatedNodeOptions
  readonly #lots: Lots
  readonly #faulty: FaultyNode
  readonly #site: Site

  constructor(options: SimulatedNodeOptions) {
    const { seed, endpoint, node, scheduler, self, network } = options
    this.#options = options
    this.#lots = new Lots(seed, `faults of ${endpoint.host}`)
    const random = new Lots(seed, `strikes of ${endpoint.host}`)
    const clock = virtualClock(scheduler, self, random)
    this.#faulty = createFaultyNode({ node, random, clock })
    this.#site = network.add(endpoint.host, this.#faulty)
  }

  /** Faults that took effect, by kind; every kind is named. */
  get faults(): Readonly<Record<string, number>> {
    return Object.fromEntries(faultKinds.map((kind: FaultKind) => [kind, this.#faulty.counts.get(kind) ?? 0]))
  }

  /** Faults come and go, several at a time. */
  letFaultsLoose(goesOn: () => boolean): void {
    const { endpoint, nodesLie, scheduler, self } = this.#options
    const { faultEveryMs } = endpoint
    if (faultEveryMs === null) return
    scheduler.after(this.#lots.delayMs(faultEveryMs), self, `fault of ${endpoint.host}`, () => {
      if (!goesOn()) return
      const fault = drawFault(this.#lots, kindsOf(nodesLie))
      scheduler.note(self, `${endpoint.host} ${fault.kind} ${fault.probability}`)
      const injected = this.#faulty.inject(fault)
      scheduler.after(this.#lots.delayMs(FAULT_MS), self, `${fault.kind} of ${endpoint.host} lifted`, () =>
        injected.lift(),
      )
      this.letFaultsLoose(goesOn)
    })
  }

  setReachable(reachable: boolean): void {
    if (reachable) this.#site.down = false
    else this.#options.network.takeDown(this.#site)
  }

  becalm(): void {
    this.#faulty.clear()
    // A connection that fell silent stays silent: whoever notices opens another one.
  }
}
