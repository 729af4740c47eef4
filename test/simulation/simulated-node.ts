import { nodeFrontend } from '../../src/testing/model-chain/node-frontend.js'
import type { RpcNode } from '../../src/testing/rpc-node.js'
import type { EndpointPlan } from './scenario.js'
import type { Owner, Scheduler } from './scheduler.js'
import type { Site, VirtualNetwork } from './virtual-network.js'

export interface SimulatedNodeOptions {
  readonly seed: number
  readonly endpoint: EndpointPlan
  readonly node: RpcNode
  readonly scheduler: Scheduler
  readonly self: Owner
  readonly network: VirtualNetwork
}

/** One node of a chain, and what it does wrong. */
export class SimulatedNode {
  readonly faults: ReadonlyMap<string, number> = new Map()
  readonly #network: VirtualNetwork
  readonly #site: Site

  constructor({ endpoint, node, network }: SimulatedNodeOptions) {
    this.#network = network
    this.#site = network.add(endpoint.host, nodeFrontend(node))
  }

  letFaultsLoose(_goesOn: () => boolean): void {}

  setReachable(reachable: boolean): void {
    if (reachable) this.#site.down = false
    else this.#network.takeDown(this.#site)
  }

  becalm(): void {}
}
