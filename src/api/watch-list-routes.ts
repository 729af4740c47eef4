import { z } from 'zod'

import type { Address } from '../model/address.js'
import type { WirePage } from './page.js'
import { pageSchema } from './page.js'
import type { ParameterSchema, Route } from './route.js'
import { anything, noParameters } from './route.js'
import { addressParameter, chainIdParameter } from './scalars.js'
import type { AddSolverBody, AddTokensBody, WireSolver, WireWatchedToken } from './watch-list-wire.js'
import {
  addSolverBodySchema,
  addTokensBodySchema,
  wireSolverSchema,
  wireWatchedTokenSchema,
} from './watch-list-wire.js'

export interface ChainParams {
  readonly chainId: bigint
}

export interface SolverParams {
  readonly address: Address
}

export interface TokenParams {
  readonly chainId: bigint
  readonly token: Address
}

const chainParams: ParameterSchema<ChainParams> = z.strictObject({ chainId: chainIdParameter })
const solverParams: ParameterSchema<SolverParams> = z.strictObject({ address: addressParameter })
const tokenParams: ParameterSchema<TokenParams> = z.strictObject({ chainId: chainIdParameter, token: addressParameter })

export const listSolvers: Route<unknown, unknown, unknown, WirePage<WireSolver>> = {
  method: 'GET',
  path: '/api/solvers',
  operationId: 'listSolvers',
  tag: 'watch list',
  summary: 'Watched solver wallets',
  scope: 'read',
  params: noParameters,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'All watched solvers', schema: pageSchema(wireSolverSchema) },
  errors: [],
}

export const addSolver: Route<unknown, unknown, AddSolverBody, WireSolver> = {
  method: 'POST',
  path: '/api/solvers',
  operationId: 'addSolver',
  tag: 'watch list',
  summary: 'Watch a solver wallet on every chain, or change its label',
  scope: 'write',
  params: noParameters,
  query: noParameters,
  body: addSolverBodySchema,
  documentedBody: addSolverBodySchema,
  answer: {
    status: 200,
    description: 'The solver is watched from the next processed block on',
    schema: wireSolverSchema,
  },
  errors: [],
}

export const removeSolver: Route<SolverParams, unknown, unknown, void> = {
  method: 'DELETE',
  path: '/api/solvers/:address',
  operationId: 'removeSolver',
  tag: 'watch list',
  summary: 'Stop watching a solver wallet; its history stays',
  scope: 'write',
  params: solverParams,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 204, description: 'The solver is not watched any more' },
  errors: ['unknown_solver', 'configured'],
}

export const listTokens: Route<ChainParams, unknown, unknown, WirePage<WireWatchedToken>> = {
  method: 'GET',
  path: '/api/chains/:chainId/tokens',
  operationId: 'listTokens',
  tag: 'watch list',
  summary: 'Watched tokens of a chain, besides its native currency',
  scope: 'read',
  params: chainParams,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'All watched tokens of the chain', schema: pageSchema(wireWatchedTokenSchema) },
  errors: ['unknown_chain'],
}

export const addTokens: Route<ChainParams, unknown, AddTokensBody, WirePage<WireWatchedToken>> = {
  method: 'POST',
  path: '/api/chains/:chainId/tokens',
  operationId: 'addTokens',
  tag: 'watch list',
  summary: 'Watch tokens of a chain for every solver',
  scope: 'write',
  params: chainParams,
  query: noParameters,
  body: addTokensBodySchema,
  documentedBody: addTokensBodySchema,
  answer: { status: 200, description: 'The tokens named in the request', schema: pageSchema(wireWatchedTokenSchema) },
  errors: ['unknown_chain'],
}

export const removeToken: Route<TokenParams, unknown, unknown, void> = {
  method: 'DELETE',
  path: '/api/chains/:chainId/tokens/:token',
  operationId: 'removeToken',
  tag: 'watch list',
  summary: 'Stop watching a token; its history stays',
  scope: 'write',
  params: tokenParams,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 204, description: 'The token is not watched any more' },
  errors: ['unknown_token', 'configured'],
}
