import type { ChainCounters, ChainFollowed } from '../chain-worker.js'
import type { PositionStanding } from '../model/chain-report.js'
import type { ChainState, EndpointStatus } from '../model/chain-state.js'
import type { RecordCopyMetrics } from '../model/record-copy.js'

export interface ChainSummary {
  readonly chainId: bigint
  readonly name: string
  /** By this process, by another one, or by none at this moment. */
  readonly followed: ChainFollowed
  readonly state: ChainState
  readonly reason: string | null
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly safe: bigint | null
  readonly finalized: bigint | null
  /** Age of the newest processed block. */
  readonly lagSeconds: number | null
  readonly endpoints: readonly EndpointStatus[]
}

export interface ChainMetrics extends ChainCounters {
  readonly chainId: bigint
  readonly followed: ChainFollowed
  readonly state: ChainState
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly lagSeconds: number | null
  readonly positions: number
  /** Positions by how their newest blocks are known; `unseen` ones cannot be read at the moment. */
  readonly standing: PositionStanding
  readonly rpcRequests: Readonly<Record<string, number>>
  readonly rpcErrors: Readonly<Record<string, number>>
}

export interface ManagerMetrics {
  /** At `down` the numbers that only the database knows are null. */
  readonly database: 'up' | 'down'
  readonly chains: readonly ChainMetrics[]
  readonly snapshots: { readonly saved: number; readonly queued: number }
  readonly events: { readonly seq: bigint }
  /** Null when there is no MongoDB. */
  readonly mongodb: RecordCopyMetrics | null
}
