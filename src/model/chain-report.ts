import { z } from 'zod'

import type { ChainState, EndpointStatus } from './chain-state.js'

/** Positions by how their newest blocks are known; `unseen` ones cannot be read, or were not read yet. */
export type PositionStanding = Readonly<Record<'exact' | 'sampled' | 'unseen', number>>

export const noneStanding: PositionStanding = { exact: 0, sampled: 0, unseen: 0 }

/** How a chain is doing, as the process knows it that follows it. */
export interface ChainReport {
  readonly state: ChainState
  /** In words; null when the chain is live. */
  readonly reason: string | null
  /** The newest block that an endpoint has shown. */
  readonly head: bigint | null
  readonly positions: number
  readonly standing: PositionStanding
  readonly endpoints: readonly EndpointStatus[]
}

/** The lease of the process that follows a chain; its note is the report. */
export function chainLeaseName(chainId: bigint): string {
  return `chain:${chainId}`
}

/** Why balances of a chain may be out of date; null while it is followed live. */
export function staleReasonOf({ state, reason }: Pick<ChainReport, 'state' | 'reason'>): string | null {
  return state === 'live' ? null : `the chain is ${state}: ${reason ?? 'for a reason not known'}`
}

/** What nodes say may be long, and is told every few seconds. */
const TEXT_LENGTH_MAX = 500

const count = z.number().int().nonnegative()
const blockNumber = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)
  .nullable()
const capability = z.boolean().nullable()

/** Processes of two versions may run beside each other: what is added is passed over. */
const reportSchema = z.object({
  state: z.enum(['syncing', 'live', 'degraded', 'stalled']),
  reason: z.string().nullable(),
  head: blockNumber,
  positions: count,
  standing: z.object({ exact: count, sampled: count, unseen: count }),
  endpoints: z.array(
    z.object({
      host: z.string(),
      transport: z.enum(['http', 'websocket']),
      healthy: z.boolean(),
      lastError: z.string().nullable(),
      lagBlocks: z.number().nullable(),
      latencyMs: z.number().nullable(),
      callsPerSecond: z.number().nullable(),
      capabilities: z
        .object({
          stateOverride: capability,
          blockHash: capability,
          batch: capability,
          receipts: capability,
          traces: capability,
          logRangeBlocks: z.number().nullable(),
          oldestStateBlock: blockNumber,
        })
        .nullable(),
    }),
  ),
})

/** As text, for the processes that stand by. */
export function encodeChainReport(report: ChainReport): string {
  return JSON.stringify(report, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString()
    return typeof value === 'string' && value.length > TEXT_LENGTH_MAX ? `${value.slice(0, TEXT_LENGTH_MAX)}…` : value
  })
}

/** @returns null for what is not a report of a version that is understood */
export function decodeChainReport(text: string | null): ChainReport | null {
  if (text === null) return null
  try {
    return reportSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
