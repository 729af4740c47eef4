import { z } from 'zod'

import type { Address } from '../model/address.js'
import { toChecksumAddress } from '../model/address.js'
import type { WatchOrigin, WatchedSolver, WatchedToken } from '../model/watch-list.js'
import { LIMIT_MAX } from './page.js'
import { addressParameter, wireAddress, wireChainId } from './scalars.js'
import type { WireTokenFields } from './token-fields.js'
import { encodeTokenFields, tokenFieldsShape } from './token-fields.js'

/** A wallet that is watched on every chain. */
export interface WireSolver {
  readonly address: string
  readonly label: string | null
  readonly origin: WatchOrigin
}

/** A token that is watched on a chain. */
export interface WireWatchedToken extends WireTokenFields {
  readonly chainId: string
  readonly tokenAddress: string
  readonly origin: WatchOrigin
}

/** The request to watch a solver. */
export interface AddSolverBody {
  readonly address: Address
  /** Absent: an existing label stays. */
  readonly label?: string | null | undefined
}

/** The request to watch tokens of a chain. */
export interface AddTokensBody {
  readonly tokens: Address[]
}

const originSchema = z
  .enum(['config', 'runtime'])
  .meta({ description: '`config` entries stand in the configuration and cannot be removed at run time' })

export const wireSolverSchema: z.ZodType<WireSolver> = z
  .strictObject({ address: wireAddress, label: z.string().nullable(), origin: originSchema })
  .meta({ id: 'Solver' })

export const wireWatchedTokenSchema: z.ZodType<WireWatchedToken> = z
  .strictObject({ chainId: wireChainId, tokenAddress: wireAddress, origin: originSchema, ...tokenFieldsShape })
  .meta({ id: 'WatchedToken' })

export const addSolverBodySchema: z.ZodType<AddSolverBody> = z
  .strictObject(
    {
      address: addressParameter,
      label: z
        .string()
        .trim()
        .regex(/^[^\p{Cc}]{1,64}$/u, { error: 'expected a label of 1 to 64 characters without control characters' })
        .nullish(),
    },
    { error: objectExpected },
  )
  .meta({ id: 'AddSolver' })

export const addTokensBodySchema: z.ZodType<AddTokensBody> = z
  .strictObject({ tokens: z.array(addressParameter).min(1).max(LIMIT_MAX) }, { error: objectExpected })
  .meta({ id: 'AddTokens' })

export function encodeSolver(solver: WatchedSolver): WireSolver {
  return { address: toChecksumAddress(solver.address), label: solver.label, origin: solver.origin }
}

export function encodeWatchedToken(token: WatchedToken): WireWatchedToken {
  return {
    chainId: token.chainId.toString(),
    tokenAddress: toChecksumAddress(token.address),
    origin: token.origin,
    ...encodeTokenFields(token),
  }
}

function objectExpected(issue: { readonly code?: string | undefined }): string | undefined {
  return issue.code === 'invalid_type' ? 'expected a JSON object' : undefined
}
