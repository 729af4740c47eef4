import { z } from 'zod'

import { snapshotReportSchema } from '../model/snapshot-report.js'
import type { WireError } from './error-answer.js'
import { wireErrorSchema } from './error-answer.js'
import type { WireSeq } from './event-wire.js'
import {
  balanceChangeSchema,
  balanceRevertedSchema,
  historyExtendedSchema,
  positionStartedSchema,
  snapshotEventSchema,
  tokenChangedSchema,
  watchListChangedSchema,
  wireSeqSchema,
} from './event-wire.js'
import { wireTime } from './scalars.js'
import type { SnapshotAcknowledgement } from './snapshot-wire.js'
import { snapshotAcknowledgementSchema } from './snapshot-wire.js'

export { SOCKET_PATH } from './socket-path.js'

/** The documented greeting. */
export const CONNECTED_MESSAGE = 'Connected to balance snapshot server'

/** First event of every connection. */
export interface ConnectedPayload {
  readonly message: typeof CONNECTED_MESSAGE
  readonly socketId: string
  readonly timestamp: string
  /** Everything after this place in the log will be sent to this connection. */
  readonly seq: WireSeq
  readonly log: string
}

/** Why a client cannot go on from where it was. */
export type ResyncReason = 'log_changed' | 'ahead_of_log' | 'expired' | 'too_far_behind'

/** The client has missed events that cannot be sent: it reads the lists anew and goes on from `seq`. */
export interface ResyncPayload {
  readonly seq: WireSeq
  readonly log: string
  readonly reason: ResyncReason
}

/** Answer to `ping`. */
export interface PongPayload {
  readonly timestamp: string
}

/** What a `balance:update` is answered with. */
export type UpdateAnswer = SnapshotAcknowledgement | WireError

/** One Socket.IO event, for the documentation and for tests. */
export interface SocketEventDescription {
  readonly from: 'client' | 'server'
  readonly name: string
  readonly summary: string
  /** Name of the payload among the document's schemas; null when there is no payload. */
  readonly schemaName: string | null
  readonly schema: z.ZodType | null
}

const connectedSchema: z.ZodType<ConnectedPayload> = z.strictObject({
  message: z.literal(CONNECTED_MESSAGE),
  socketId: z.string(),
  timestamp: wireTime,
  seq: wireSeqSchema,
  log: z.string(),
})

const resyncSchema: z.ZodType<ResyncPayload> = z.strictObject({
  seq: wireSeqSchema,
  log: z.string(),
  reason: z.enum(['log_changed', 'ahead_of_log', 'expired', 'too_far_behind']),
})

const pongSchema: z.ZodType<PongPayload> = z.strictObject({ timestamp: wireTime })

/** Every Socket.IO event. */
export const socketEvents: readonly SocketEventDescription[] = [
  {
    from: 'client',
    name: 'balance:update',
    summary:
      'Sends a snapshot. May carry `id`, an idempotency key, besides the fields of the report. An acknowledgement callback gets the same object as balance:ack or balance:error.',
    schemaName: 'SnapshotReport',
    schema: snapshotReportSchema,
  },
  {
    from: 'client',
    name: 'ping',
    summary: 'Asks whether the server is alive; an acknowledgement callback gets the same object as pong.',
    schemaName: null,
    schema: null,
  },
  {
    from: 'server',
    name: 'connected',
    summary: 'First event of a connection. `seq` is the place in the log after which everything will be sent.',
    schemaName: 'Connected',
    schema: connectedSchema,
  },
  {
    from: 'server',
    name: 'balance:ack',
    summary: 'The snapshot is stored.',
    schemaName: 'SnapshotAcknowledgement',
    schema: snapshotAcknowledgementSchema,
  },
  {
    from: 'server',
    name: 'balance:error',
    summary: 'The snapshot was not stored, or may not have been: see `code`.',
    schemaName: 'Error',
    schema: wireErrorSchema,
  },
  {
    from: 'server',
    name: 'balance:snapshot',
    summary: 'A snapshot was saved, by whomever.',
    schemaName: 'SnapshotEvent',
    schema: snapshotEventSchema,
  },
  {
    from: 'server',
    name: 'balance:updated',
    summary: 'A position’s balance changed in a block.',
    schemaName: 'BalanceChangeEvent',
    schema: balanceChangeSchema,
  },
  {
    from: 'server',
    name: 'position:started',
    summary: 'A position got its first record, or the first one after it was added again.',
    schemaName: 'PositionStartedEvent',
    schema: positionStartedSchema,
  },
  {
    from: 'server',
    name: 'balance:reverted',
    summary: 'Blocks left the canonical chain, and records with them.',
    schemaName: 'BalanceRevertedEvent',
    schema: balanceRevertedSchema,
  },
  {
    from: 'server',
    name: 'history:extended',
    summary: 'Records between two blocks were written anew: history that was missing, or was found wrong.',
    schemaName: 'HistoryExtendedEvent',
    schema: historyExtendedSchema,
  },
  {
    from: 'server',
    name: 'token:changed',
    summary: 'What is known of a token changed: its metadata, or that its balances grow by themselves.',
    schemaName: 'TokenChangedEvent',
    schema: tokenChangedSchema,
  },
  {
    from: 'server',
    name: 'watch-list:changed',
    summary: 'Solvers or tokens were added or removed: the lists tell what is watched now.',
    schemaName: 'WatchListChangedEvent',
    schema: watchListChangedSchema,
  },
  { from: 'server', name: 'pong', summary: 'Answer to ping.', schemaName: 'Pong', schema: pongSchema },
  {
    from: 'server',
    name: 'resync',
    summary: 'Events were missed that cannot be sent any more: read the lists anew, and go on from `seq`.',
    schemaName: 'Resync',
    schema: resyncSchema,
  },
]
