import { z } from 'zod'

import { snapshotReportSchema } from '../model/snapshot-report.js'
import { limitParameter } from './page.js'
import type { ParameterSchema, Route } from './route.js'
import { anything, noParameters } from './route.js'
import { integerParameter, timeParameter } from './scalars.js'
import type { SnapshotListAnswer, SnapshotSavedAnswer } from './snapshot-wire.js'
import { snapshotListSchema, snapshotSavedSchema } from './snapshot-wire.js'

/** Snapshots that may be skipped; `before` pages without skipping. */
const OFFSET_MAX = 2_000_000_000

export interface SnapshotListQuery {
  readonly limit: number
  readonly offset: number
  readonly before?: string | undefined
  readonly from?: Date | undefined
  readonly to?: Date | undefined
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
