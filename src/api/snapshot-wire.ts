import { z } from 'zod'

import { reportedAmountSchema } from '../model/snapshot-report.js'
import type { ReportedBook, Snapshot } from '../model/snapshot.js'
import { wireTime } from './scalars.js'

/** A stored snapshot, as lists and pushes carry it. */
export interface WireSnapshot {
  readonly id: string
  readonly ts: string
  readonly pid?: number
  readonly onchain: ReportedBook
  readonly onsite: ReportedBook
}

/** The answer to a snapshot that was saved over REST. */
export interface SnapshotSavedAnswer {
  readonly success: true
  readonly message: 'Balance snapshot saved successfully'
  readonly data: {
    readonly id: string
    readonly timestamp: string
    readonly onchain: ReportedBook
    readonly onsite: ReportedBook
  }
}

/** The answer to a snapshot that was saved over Socket.IO. */
export interface SnapshotAcknowledgement {
  readonly success: true
  readonly id: string
  readonly timestamp: string
}

/** The list of snapshots. */
export interface SnapshotListAnswer {
  readonly success: true
  readonly data: {
    readonly snapshots: readonly WireSnapshot[]
    readonly pagination: {
      readonly total: number
      readonly limit: number
      readonly offset: number
      readonly hasMore: boolean
    }
  }
}

const bookSchema = z
  .record(z.string(), reportedAmountSchema)
  .meta({ description: 'Asset name to amount, exactly as reported' })

const wireSnapshotSchema: z.ZodType<WireSnapshot> = z
  .strictObject({
    id: z.uuid(),
    ts: wireTime,
    pid: z.int().exactOptional(),
    onchain: bookSchema,
    onsite: bookSchema,
  })
  .meta({ id: 'Snapshot' })

export const snapshotSavedSchema: z.ZodType<SnapshotSavedAnswer> = z
  .strictObject({
    success: z.literal(true),
    message: z.literal('Balance snapshot saved successfully'),
    data: z.strictObject({ id: z.uuid(), timestamp: wireTime, onchain: bookSchema, onsite: bookSchema }),
  })
  .meta({ id: 'SnapshotSaved' })

export const snapshotAcknowledgementSchema: z.ZodType<SnapshotAcknowledgement> = z
  .strictObject({ success: z.literal(true), id: z.uuid(), timestamp: wireTime })
  .meta({ id: 'SnapshotAcknowledgement' })

export const snapshotListSchema: z.ZodType<SnapshotListAnswer> = z
  .strictObject({
    success: z.literal(true),
    data: z.strictObject({
      snapshots: z.array(wireSnapshotSchema),
      pagination: z.strictObject({ total: z.int(), limit: z.int(), offset: z.int(), hasMore: z.boolean() }),
    }),
  })
  .meta({ id: 'SnapshotList' })

/** A fresh object, so that nothing a reporter sent is ever emitted itself. */
export function encodeSnapshot(snapshot: Snapshot): WireSnapshot {
  return {
    id: snapshot.id,
    ts: snapshot.ts.toISOString(),
    ...(snapshot.pid === null ? {} : { pid: snapshot.pid }),
    onchain: { ...snapshot.onchain },
    onsite: { ...snapshot.onsite },
  }
}

export function encodeSnapshotSaved(snapshot: Snapshot): SnapshotSavedAnswer {
  const { id, ts, onchain, onsite } = encodeSnapshot(snapshot)
  return { success: true, message: 'Balance snapshot saved successfully', data: { id, timestamp: ts, onchain, onsite } }
}

export function encodeAcknowledgement(snapshot: Snapshot): SnapshotAcknowledgement {
  return { success: true, id: snapshot.id, timestamp: snapshot.ts.toISOString() }
}
