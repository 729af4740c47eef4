import type { Address } from '../../src/model/address.js'
import type { NodeFeatures } from '../../src/testing/model-chain/node-features.js'
import { Lots } from './lots.js'

/** How one node of a chain is, as long as the simulation lasts. */
export interface EndpointPlan {
  readonly host: string
  /** Heads are pushed over a WebSocket of the same host. */
  readonly pushes: boolean
  /** What this node cannot do. */
  readonly features: Partial<NodeFeatures>
  /** Usual time between two faults; null for a node that is always well. */
  readonly faultEveryMs: number | null
}

export interface ChainPlan {
  readonly chainId: bigint
  readonly blockTimeMs: number
  /** Blocks there are before the service starts. */
  readonly blocksBefore: number
  readonly hasFinality: boolean
  readonly endpoints: readonly EndpointPlan[]
  /** Nodes may answer with the state of another block than the one that was asked for. */
  readonly nodesLie: boolean
  readonly syncIntervalMs: number
  readonly tokenKinds: number
  /** Usual number of blocks between two reorganisations. */
  readonly reorgEvery: number
  /** How likely it is that a reorganisation is deeper than the headers that are kept. */
  readonly deepReorgs: number
  /** Blocks that pass while no node can be reached, once in the simulation; 0 for none. */
  readonly outageBlocks: number
  /** How likely it is that a wallet does something in a block. */
  readonly activity: number
}

/** What happens in one simulation, drawn by its seed. */
export interface Scenario {
  readonly durationMs: number
  readonly replicas: number
  readonly chains: readonly ChainPlan[]
  /** Configured wallets. */
  readonly solvers: readonly Address[]
  /** Wallets that are added and removed while the service runs. */
  readonly visitors: readonly Address[]
  readonly crashEveryMs: number | null
  readonly crashAtWrite: number
  readonly databaseAwayEveryMs: number | null
  readonly lostAnswers: number
  readonly watchListEveryMs: number | null
  /** Usual time between two moments at which a replica freezes for some seconds. */
  readonly freezeEveryMs: number | null
}

const wallets: readonly Address[] = Array.from(
  { length: 6 },
  (_, index): Address => `0x${(0xa11ce000 + index).toString(16).padStart(40, '0')}`,
)

export function drawScenario(seed: number): Scenario {
  const lots = new Lots(seed, 'scenario')
  const chains = lots.pick([1, 1, 2, 2, 3])
  const solvers = lots.integer(1, 4)
  return {
    durationMs: lots.integer(40_000, 160_000),
    replicas: lots.chance(0.7) ? 2 : 1,
    chains: Array.from({ length: chains }, (_, index) => drawChain(seed, index)),
    solvers: wallets.slice(0, solvers),
    visitors: wallets.slice(4),
    crashEveryMs: lots.chance(0.7) ? lots.pick([15_000, 40_000]) : null,
    crashAtWrite: lots.pick([0, 0, 0.002, 0.01]),
    databaseAwayEveryMs: lots.chance(0.4) ? 40_000 : null,
    lostAnswers: lots.pick([0, 0, 0.005, 0.02]),
    watchListEveryMs: lots.chance(0.5) ? 25_000 : null,
    freezeEveryMs: lots.chance(0.5) ? lots.pick([12_000, 30_000]) : null,
  }
}

function drawChain(seed: number, index: number): ChainPlan {
  const lots = new Lots(seed, `chain ${index}`)
  const chainId = 1001n + BigInt(index)
  const faultEveryMs = lots.pick([null, 20_000, 8000, 3000])
  const nodesLie = lots.chance(0.3)
  return {
    chainId,
    blockTimeMs: lots.pick([1000, 2000, 3000]),
    blocksBefore: lots.pick([0, 1, 5, 70, 300]),
    hasFinality: lots.chance(0.7),
    endpoints: Array.from({ length: lots.integer(1, 3) }, (_, number) => ({
      host: `chain${index}-node${number}.test`,
      pushes: lots.chance(0.6),
      features: { ...drawFeatures(lots), ...(nodesLie ? { stateOverride: true, callGasCap: 50_000_000 } : {}) },
      faultEveryMs: lots.chance(0.8) ? faultEveryMs : null,
    })),
    nodesLie,
    syncIntervalMs: lots.pick([20_000, 60_000, 600_000]),
    tokenKinds: lots.integer(1, 4),
    reorgEvery: lots.pick([6, 15, 40, 1000]),
    deepReorgs: lots.pick([0, 0, 0.1]),
    outageBlocks: lots.chance(0.5) ? lots.pick([4, 20, 60, 200, 400, 900]) : 0,
    activity: lots.pick([0.1, 0.4, 0.9]),
  }
}

/** Nodes differ in what they can do; most can do most of it. */
function drawFeatures(lots: Lots): Partial<NodeFeatures> {
  return {
    stateOverride: lots.pick([true, true, true, false, 'ignored']),
    traces: lots.pick([true, 'debug', 'trace', false]),
    receipts: lots.chance(0.8),
    callGasCap: lots.pick([50_000_000, 50_000_000, 10_000_000]),
    maxLogRange: lots.pick([Infinity, 10_000, 100]),
    prunedBelowDepth: lots.pick([null, null, null, 128]),
    orphans: lots.chance(0.5),
  }
}
