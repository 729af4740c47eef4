import { z } from 'zod'

import type { Address } from '../model/address.js'
import type { Token } from '../model/position.js'
import type { WireBalanceRecord, WireCoverageInterval, WireCurrentBalance } from './balance-wire.js'
import { wireBalanceRecordSchema, wireCoverageIntervalSchema, wireCurrentBalanceSchema } from './balance-wire.js'
import { cursorParameter } from './cursor.js'
import type { WirePage } from './page.js'
import { limitParameter, pageSchema } from './page.js'
import type { ParameterSchema, Route } from './route.js'
import { anything, noParameters } from './route.js'
import { addressParameter, blockNumberParameter, chainIdParameter, timeParameter, tokenParameter } from './scalars.js'

export interface BalanceListQuery {
  readonly chainId?: bigint | undefined
  readonly tokenAddress?: Token | undefined
  readonly solverAddress?: Address | undefined
  readonly limit: number
  readonly cursor?: bigint | undefined
}

export interface PositionParams {
  readonly chainId: bigint
  readonly token: Token
  readonly solver: Address
}

export interface HistoryQuery {
  readonly limit: number
  readonly cursor?: bigint | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
}

const listQuery: ParameterSchema<BalanceListQuery> = z.strictObject({
  chainId: chainIdParameter.optional(),
  tokenAddress: tokenParameter.optional(),
  solverAddress: addressParameter.optional(),
  limit: limitParameter,
  cursor: cursorParameter('balances').optional(),
})

const positionParams: ParameterSchema<PositionParams> = z.strictObject({
  chainId: chainIdParameter,
  token: tokenParameter,
  solver: addressParameter,
})

const historyQuery: ParameterSchema<HistoryQuery> = z.strictObject({
  limit: limitParameter,
  cursor: cursorParameter('history').optional(),
  from: timeParameter.optional().meta({ description: 'Only blocks of this time or later' }),
  to: timeParameter.optional().meta({ description: 'Only blocks of this time or earlier' }),
  fromBlock: blockNumberParameter.optional().meta({ description: 'Only this block and later ones' }),
  toBlock: blockNumberParameter.optional().meta({ description: 'Only this block and earlier ones' }),
})

export const listBalances: Route<unknown, BalanceListQuery, unknown, WirePage<WireCurrentBalance>> = {
  method: 'GET',
  path: '/api/balances',
  operationId: 'listBalances',
  tag: 'balances',
  summary: 'Newest balance of every position',
  scope: 'read',
  params: noParameters,
  query: listQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'One page of balances', schema: pageSchema(wireCurrentBalanceSchema) },
  errors: [],
}

export const getBalance: Route<PositionParams, unknown, unknown, WireCurrentBalance> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver',
  operationId: 'getBalance',
  tag: 'balances',
  summary: 'Newest balance of one position',
  scope: 'read',
  params: positionParams,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'The balance', schema: wireCurrentBalanceSchema },
  errors: ['unknown_position'],
}

export const listHistory: Route<PositionParams, HistoryQuery, unknown, WirePage<WireBalanceRecord>> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver/history',
  operationId: 'listHistory',
  tag: 'balances',
  summary: 'Records of one position, newest first',
  scope: 'read',
  params: positionParams,
  query: historyQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'One page of records', schema: pageSchema(wireBalanceRecordSchema) },
  errors: ['unknown_position'],
}

export const listCoverage: Route<PositionParams, unknown, unknown, WirePage<WireCoverageInterval>> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver/coverage',
  operationId: 'listCoverage',
  tag: 'balances',
  summary: 'Which blocks of one position are known, and how; what is between them was not seen',
  scope: 'read',
  params: positionParams,
  query: noParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'All intervals, oldest first', schema: pageSchema(wireCoverageIntervalSchema) },
  errors: ['unknown_position'],
}
