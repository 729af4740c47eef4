import { z } from 'zod'

import type { ChainState, EndpointCapabilities, EndpointStatus } from '../model/chain-state.js'
import { wireBlockNumber, wireChainId } from './scalars.js'

/** How a chain is doing, as the service knows it. */
export interface ChainSummaryFields {
  readonly chainId: bigint
  readonly name: string
  readonly followed: 'here' | 'elsewhere' | 'nowhere'
  readonly state: ChainState
  readonly reason: string | null
  readonly head: bigint | null
  readonly processed: bigint | null
  readonly safe: bigint | null
  readonly finalized: bigint | null
  readonly lagSeconds: number | null
  readonly endpoints: readonly EndpointStatus[]
}

/** An endpoint, on the wire. */
export interface WireEndpoint extends Omit<EndpointStatus, 'capabilities'> {
  readonly capabilities:
    | (Omit<EndpointCapabilities, 'oldestStateBlock'> & { readonly oldestStateBlock: string | null })
    | null
}

/** How a chain is doing, on the wire. */
export interface WireChain {
  readonly chainId: string
  readonly name: string
  readonly followed: 'here' | 'elsewhere' | 'nowhere'
  readonly state: ChainState
  readonly reason: string | null
  readonly head: string | null
  readonly processed: string | null
  readonly safe: string | null
  readonly finalized: string | null
  readonly lagSeconds: number | null
  readonly endpoints: readonly WireEndpoint[]
}

const capability = z.boolean().nullable()

const capabilitiesSchema = z
  .strictObject({
    stateOverride: capability,
    blockHash: capability.meta({ description: 'Reads at a block hash (EIP-1898)' }),
    batch: capability.meta({ description: 'Takes several calls in one HTTP request' }),
    receipts: capability,
    traces: capability,
    logRangeBlocks: z.number().nullable().meta({ description: 'Blocks in one `eth_getLogs`, as far as tried' }),
    oldestStateBlock: wireBlockNumber.nullable().meta({ description: 'Oldest block whose state is served' }),
  })
  .meta({ description: 'What the endpoint can do; null where it has not been found out' })

const endpointSchema = z.strictObject({
  host: z.string().meta({ description: 'Host name only: paths and keys are never shown' }),
  transport: z.enum(['http', 'websocket']),
  healthy: z.boolean(),
  lastError: z.string().nullable(),
  lagBlocks: z.number().nullable().meta({ description: 'Blocks behind the best endpoint, when last seen' }),
  latencyMs: z.number().nullable().meta({ description: 'Average time to an answer' }),
  callsPerSecond: z.number().nullable().meta({ description: 'Calls that it is sent at most at present' }),
  capabilities: capabilitiesSchema.nullable(),
})

export const wireChainSchema: z.ZodType<WireChain> = z
  .strictObject({
    chainId: wireChainId,
    name: z.string(),
    followed: z
      .enum(['here', 'elsewhere', 'nowhere'])
      .meta({ description: 'By the process that answers, by another one, or by none at this moment' }),
    state: z.enum(['syncing', 'live', 'degraded', 'stalled']),
    reason: z.string().nullable().meta({ description: 'Why the state is not `live`, in words' }),
    head: wireBlockNumber.nullable().meta({ description: 'Newest block an endpoint has shown' }),
    processed: wireBlockNumber.nullable().meta({ description: 'Newest block whose balances are stored' }),
    safe: wireBlockNumber.nullable(),
    finalized: wireBlockNumber.nullable(),
    lagSeconds: z.number().nullable(),
    endpoints: z.array(endpointSchema),
  })
  .meta({ id: 'Chain' })

export function encodeChain(chain: ChainSummaryFields): WireChain {
  return {
    chainId: chain.chainId.toString(),
    name: chain.name,
    followed: chain.followed,
    state: chain.state,
    reason: chain.reason,
    head: blockNumber(chain.head),
    processed: blockNumber(chain.processed),
    safe: blockNumber(chain.safe),
    finalized: blockNumber(chain.finalized),
    lagSeconds: chain.lagSeconds,
    endpoints: chain.endpoints.map(encodeEndpoint),
  }
}

function encodeEndpoint({ capabilities, ...endpoint }: EndpointStatus): WireEndpoint {
  return {
    ...endpoint,
    capabilities:
      capabilities === null ? null : { ...capabilities, oldestStateBlock: blockNumber(capabilities.oldestStateBlock) },
  }
}

function blockNumber(number: bigint | null): string | null {
  return number === null ? null : number.toString()
}
