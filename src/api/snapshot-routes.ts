import { z } from 'zod'

import { assetNameSchema, snapshotReportSchema } from '../model/snapshot-report.js'
import { bookNames } from '../model/snapshot-series.js'
import type { BookName } from '../model/snapshot-series.js'
import { limitParameter } from './page.js'
import type { ParameterSchema, Route } from './route.js'
import { anything, noParameters } from './route.js'
import { integerParameter, timeParameter } from './scalars.js'
import type { SnapshotSeriesAnswer } from './snapshot-series-wire.js'
import { snapshotSeriesSchema } from './snapshot-series-wire.js'
import type { SnapshotListAnswer, SnapshotSavedAnswer } from './snapshot-wire.js'
import { snapshotListSchema, snapshotSavedSchema } from './snapshot-wire.js'

/** Snapshots that may be skipped; `before` pages without skipping. */
const OFFSET_MAX = 2_000_000_000
/** Buckets of a series. */
const POINTS_MAX = 2000
const POINTS_DEFAULT = 500

export interface SnapshotListQuery {
  readonly limit: number
  readonly offset: number
  readonly before?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

export interface SnapshotSeriesQuery {
  readonly book: BookName
  readonly asset: string
  readonly from?: Date | undefined
  readonly to?: Date | undefined
  readonly points: number
}

const offsetParameter = integerParameter({ min: 0, max: OFFSET_MAX })
  .optional()
  .transform((offset) => offset ?? 0)
  .meta({ description: 'Snapshots to skip; 0 when absent' })

const listQuery: ParameterSchema<SnapshotListQuery> = z.strictObject({
  limit: limitParameter,
  offset: offsetParameter,
  before: z
    .uuid({ error: 'expected the id of a snapshot' })
    .optional()
    .meta({ description: 'Only what comes after this snapshot in the list' }),
  from: timeParameter.optional().meta({ description: 'Only snapshots of this time or later' }),
  to: timeParameter.optional().meta({ description: 'Only snapshots of this time or earlier' }),
})

const seriesQuery: ParameterSchema<SnapshotSeriesQuery> = z.strictObject({
  book: z
    .enum(bookNames, { error: `expected ${bookNames.join(' or ')}` })
    .meta({ description: 'Which side of the reports' }),
  asset: assetNameSchema.meta({ description: 'Asset, by the name it is reported under', example: 'rlb' }),
  from: timeParameter
    .optional()
    .meta({ description: 'Only reports for this time or later; 24 hours before the end when absent' }),
  to: timeParameter.optional().meta({ description: 'Only reports for this time or earlier; now when absent' }),
  points: integerParameter({ min: 2, max: POINTS_MAX })
    .optional()
    .transform((points) => points ?? POINTS_DEFAULT)
    .meta({ description: `The most buckets to answer with, 2 to ${POINTS_MAX}; ${POINTS_DEFAULT} when absent` }),
})

export const saveSnapshot: Route<unknown, unknown, unknown, SnapshotSavedAnswer> = {
  method: 'POST',
  path: '/api/balance/snapshot',
  operationId: 'saveSnapshot',
  tag: 'snapshots',
  summary: 'Save a balance snapshot',
  scope: 'write',
  limit: 'snapshots',
  params: noParameters,
  query: noParameters,
  body: anything,
  documentedBody: snapshotReportSchema,
  headers: z.object({
    'idempotency-key': z.string().optional().meta({
      description: 'The same key with the same body gives the first snapshot again; with another body 409',
    }),
  }),
  answer: { status: 200, description: 'The snapshot is stored', schema: snapshotSavedSchema },
  errors: ['invalid_snapshot', 'idempotency_conflict', 'overloaded', 'storage_unavailable'],
}

export const listSnapshots: Route<unknown, SnapshotListQuery, unknown, SnapshotListAnswer> = {
  method: 'GET',
  path: '/api/balance/snapshot',
  operationId: 'listSnapshots',
  tag: 'snapshots',
  summary: 'Latest snapshots, newest first',
  scope: 'read',
  params: noParameters,
  query: listQuery,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'One page of snapshots', schema: snapshotListSchema },
  errors: [],
}

export const getSnapshotSeries: Route<unknown, SnapshotSeriesQuery, unknown, SnapshotSeriesAnswer> = {
  method: 'GET',
  path: '/api/balance/snapshot/series',
  operationId: 'getSnapshotSeries',
  tag: 'snapshots',
  summary: 'What was reported of one asset over time, in buckets that keep first, last, lowest and highest amount',
  scope: 'read',
  params: noParameters,
  query: seriesQuery,
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description: 'Oldest bucket first; one without a report is absent',
    schema: snapshotSeriesSchema,
  },
  errors: [],
}
