import { z } from 'zod'

import type { Address } from '../model/address.js'
import type { Token } from '../model/position.js'
import type { PositionParams, RecordRangeQuery } from './balance-routes.js'
import { positionParams, rangeShape } from './balance-routes.js'
import type { WireBalanceSeries, WireBalanceStats, WireBalanceTotal } from './balance-statistics-wire.js'
import { wireBalanceSeriesSchema, wireBalanceStatsSchema, wireBalanceTotalSchema } from './balance-statistics-wire.js'
import type { WireBalanceRecord } from './balance-wire.js'
import { wireBalanceRecordSchema } from './balance-wire.js'
import { cursorParameter } from './cursor.js'
import type { WirePage } from './page.js'
import { limitParameter, pageSchema } from './page.js'
import type { ParameterSchema, Route } from './route.js'
import { anything, noParameters } from './route.js'
import { addressParameter, chainIdParameter, integerParameter, timeParameter, tokenParameter } from './scalars.js'

/** Buckets of a series. */
const POINTS_MAX = 2000
const POINTS_DEFAULT = 500

export interface StatsQuery {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

export interface BalanceSeriesQuery extends StatsQuery {
  readonly points: number
}

export interface TotalsQuery {
  readonly chainId?: bigint | undefined
  readonly tokenAddress?: Token | undefined
  readonly solverAddress?: Address | undefined
  readonly by: 'token' | 'solver-token'
  readonly limit: number
  readonly cursor?: bigint | undefined
}

const statsShape = {
  from: timeParameter.optional().meta({ description: 'Where it begins; at the first record when absent' }),
  to: timeParameter.optional().meta({ description: 'Where it ends; at the newest processed block when absent' }),
}
const inOrder = ({ from, to }: StatsQuery): boolean => from === undefined || to === undefined || from <= to
const notInOrder = { path: ['from'], error: 'expected a time that is not after "to"' }

const statsQuery: ParameterSchema<StatsQuery> = z.strictObject(statsShape).refine(inOrder, notInOrder)

const seriesQuery: ParameterSchema<BalanceSeriesQuery> = z
  .strictObject({
    ...statsShape,
    points: integerParameter({ min: 2, max: POINTS_MAX })
      .optional()
      .transform((points) => points ?? POINTS_DEFAULT)
      .meta({ description: `The most buckets to answer with, 2 to ${POINTS_MAX}; ${POINTS_DEFAULT} when absent` }),
  })
  .refine(inOrder, notInOrder)

const totalsQuery: ParameterSchema<TotalsQuery> = z.strictObject({
  chainId: chainIdParameter.optional(),
  tokenAddress: tokenParameter.optional(),
  solverAddress: addressParameter.optional(),
  by: z
    .enum(['token', 'solver-token'], { error: 'expected token or solver-token' })
    .optional()
    .transform((by) => by ?? 'token')
    .meta({ description: '`token`: over all solvers, which is meant when absent; `solver-token`: for each solver' }),
  limit: limitParameter,
  cursor: cursorParameter('totals').optional(),
})

export const getBalanceStats: Route<PositionParams, StatsQuery, unknown, WireBalanceStats> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver/stats',
  operationId: 'getBalanceStats',
  tag: 'balances',
  summary: 'What one position did between two times: bounds, weighted average, flows, burn rate',
  scope: 'read',
  params: positionParams,
  query: statsQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'Exact statistics of what is known', schema: wireBalanceStatsSchema },
  errors: ['unknown_position', 'records_behind'],
}

export const getBalanceSeries: Route<PositionParams, BalanceSeriesQuery, unknown, WireBalanceSeries> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver/series',
  operationId: 'getBalanceSeries',
  tag: 'balances',
  summary: 'Balance of one position over time, in buckets that keep first, last, lowest and highest balance',
  scope: 'read',
  params: positionParams,
  query: seriesQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'A step line, oldest bucket first', schema: wireBalanceSeriesSchema },
  errors: ['unknown_position', 'records_behind'],
}

export const streamHistory: Route<PositionParams, RecordRangeQuery, unknown, WireBalanceRecord> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver/history.ndjson',
  operationId: 'streamHistory',
  tag: 'balances',
  summary: 'All records of one position, newest first, one to a line',
  scope: 'read',
  params: positionParams,
  query: z.strictObject(rangeShape),
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description:
      'One record to a line. When it fails on the way, the last line is an error and the connection is cut before the regular end',
    contentType: 'application/x-ndjson; charset=utf-8',
    schema: wireBalanceRecordSchema,
  },
  errors: ['unknown_position', 'records_behind'],
}

export const listTotals: Route<unknown, TotalsQuery, unknown, WirePage<WireBalanceTotal>> = {
  method: 'GET',
  path: '/api/balances/totals',
  operationId: 'listTotals',
  tag: 'balances',
  summary: 'Newest balances of each token summed up, over all solvers or for each',
  scope: 'read',
  params: noParameters,
  query: totalsQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'One page of sums', schema: pageSchema(wireBalanceTotalSchema) },
  errors: [],
}
