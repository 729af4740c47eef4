import { z } from 'zod'

import type { Address } from '../model/address.js'
import type { Token } from '../model/position.js'
import type { WirePastBalance } from './balance-statistics-wire.js'
import { wirePastBalanceSchema } from './balance-statistics-wire.js'
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
  /** Balances as of this time instead of the newest ones. */
  readonly at?: Date | undefined
  readonly limit: number
  readonly cursor?: bigint | undefined
}

export interface PositionParams {
  readonly chainId: bigint
  readonly token: Token
  readonly solver: Address
}

/** At most one of them. */
export interface InstantQuery {
  readonly block?: bigint | undefined
  readonly at?: Date | undefined
}

export interface RecordRangeQuery {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly fromBlock?: bigint | undefined
  readonly toBlock?: bigint | undefined
}

export interface HistoryQuery extends RecordRangeQuery {
  readonly limit: number
  readonly cursor?: bigint | undefined
}

/** The bounds of a history, inclusive. */
export const rangeShape: {
  from: z.ZodOptional<z.ZodType<Date, string>>
  to: z.ZodOptional<z.ZodType<Date, string>>
  fromBlock: z.ZodOptional<z.ZodType<bigint, string>>
  toBlock: z.ZodOptional<z.ZodType<bigint, string>>
} = {
  from: timeParameter.optional().meta({ description: 'Only blocks of this time or later' }),
  to: timeParameter.optional().meta({ description: 'Only blocks of this time or earlier' }),
  fromBlock: blockNumberParameter.optional().meta({ description: 'Only this block and later ones' }),
  toBlock: blockNumberParameter.optional().meta({ description: 'Only this block and earlier ones' }),
}

const listQuery: ParameterSchema<BalanceListQuery> = z.strictObject({
  chainId: chainIdParameter.optional(),
  tokenAddress: tokenParameter.optional(),
  solverAddress: addressParameter.optional(),
  at: timeParameter.optional().meta({ description: 'Balances as of this time; the newest ones when absent' }),
  limit: limitParameter,
  cursor: cursorParameter('balances').optional(),
})

export const positionParams: ParameterSchema<PositionParams> = z.strictObject({
  chainId: chainIdParameter,
  token: tokenParameter,
  solver: addressParameter,
})

const instantQuery: ParameterSchema<InstantQuery> = z
  .strictObject({
    block: blockNumberParameter.optional().meta({ description: 'As of this block; the newest balance when absent' }),
    at: timeParameter.optional().meta({ description: 'As of the newest block at or before this time' }),
  })
  .refine(({ block, at }) => block === undefined || at === undefined, {
    path: ['at'],
    error: 'expected either "block" or "at", got both',
  })

const historyQuery: ParameterSchema<HistoryQuery> = z.strictObject({
  limit: limitParameter,
  cursor: cursorParameter('history').optional(),
  ...rangeShape,
})

const balanceSchema: z.ZodType<WireCurrentBalance | WirePastBalance> = z.union([
  wireCurrentBalanceSchema,
  wirePastBalanceSchema,
])

export const listBalances: Route<
  unknown,
  BalanceListQuery,
  unknown,
  WirePage<WireCurrentBalance> | WirePage<WirePastBalance>
> = {
  method: 'GET',
  path: '/api/balances',
  operationId: 'listBalances',
  tag: 'balances',
  summary: 'Newest balance of every position, or with "at" what each held at that time',
  scope: 'read',
  params: noParameters,
  query: listQuery,
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description: 'One page of balances; with "at" of positions of which something was known by then',
    schema: z.union([pageSchema(wireCurrentBalanceSchema), pageSchema(wirePastBalanceSchema)]),
  },
  errors: ['records_behind'],
}

export const getBalance: Route<PositionParams, InstantQuery, unknown, WireCurrentBalance | WirePastBalance> = {
  method: 'GET',
  path: '/api/balances/:chainId/:token/:solver',
  operationId: 'getBalance',
  tag: 'balances',
  summary: 'Newest balance of one position, or with "block" or "at" what it held then',
  scope: 'read',
  params: positionParams,
  query: instantQuery,
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description: 'The balance; with "block" or "at" the one that is known of then, and how well',
    schema: balanceSchema,
  },
  errors: ['unknown_position', 'unknown_balance', 'records_behind'],
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
  errors: ['unknown_position', 'records_behind'],
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
