import { RetryableError, TidemarkError } from '../../model/errors.js'
import type { TidemarkErrorOptions } from '../../model/errors.js'

/** What is the matter with a MongoDB that cannot be used at the moment. */
export type MongoDbTrouble =
  | 'unreachable'
  | 'silent'
  | 'restarting'
  | 'refused'
  | 'disk_full'
  | 'busy'
  | 'unconfirmed'
  | 'closed'

/** The trouble in words that tell a stranger nothing about the machine, its addresses or its users. */
export const mongoDbTroubleText: Readonly<Record<MongoDbTrouble, string>> = {
  unreachable: 'MongoDB cannot be reached',
  silent: 'MongoDB does not answer in time',
  restarting: 'MongoDB is starting, shutting down or changing its primary',
  refused: 'MongoDB lets this service not in',
  disk_full: 'the disk of MongoDB is full',
  busy: 'MongoDB is busy with others',
  unconfirmed: 'MongoDB could not confirm that a write is safe',
  closed: 'the connection to MongoDB is closed',
}

/** MongoDB did not answer, or answered that it cannot now. */
export class MongoDbUnavailableError extends RetryableError {
  readonly code = 'mongodb_unavailable'
  readonly trouble: MongoDbTrouble

  constructor(message: string, options: TidemarkErrorOptions & { readonly trouble: MongoDbTrouble }) {
    super(message, options)
    this.trouble = options.trouble
  }
}

/** What is in MongoDB was written by somebody else, and is left alone. */
export class MongoDbForeignError extends TidemarkError {
  readonly code = 'mongodb_foreign'
}

/** Codes of a server's refusals that may pass. */
const passingCodes: ReadonlyMap<number, MongoDbTrouble> = new Map([
  [6, 'unreachable'],
  [7, 'unreachable'],
  [9001, 'unreachable'],
  [50, 'silent'],
  [89, 'silent'],
  [262, 'silent'],
  [43, 'restarting'],
  [91, 'restarting'],
  [189, 'restarting'],
  [10_058, 'restarting'],
  [10_107, 'restarting'],
  [11_600, 'restarting'],
  [11_602, 'restarting'],
  [13_435, 'restarting'],
  [13_436, 'restarting'],
  [13, 'refused'],
  [18, 'refused'],
  [8000, 'refused'],
  [14_031, 'disk_full'],
  [24, 'busy'],
  [112, 'busy'],
  [202, 'busy'],
  [462, 'busy'],
  [64, 'unconfirmed'],
  [79, 'unconfirmed'],
  [100, 'unconfirmed'],
])

/** What the driver calls its own failures. */
const passingNames: ReadonlyMap<string, MongoDbTrouble> = new Map([
  ['MongoNetworkError', 'unreachable'],
  ['MongoServerSelectionError', 'unreachable'],
  ['MongoPoolClearedError', 'unreachable'],
  ['MongoPoolClearedOnNetworkError', 'unreachable'],
  ['MongoNetworkTimeoutError', 'silent'],
  ['MongoOperationTimeoutError', 'silent'],
  ['MongoWaitQueueTimeoutError', 'busy'],
  ['MongoStalePrimaryError', 'restarting'],
  ['MongoWriteConcernError', 'unconfirmed'],
  ['MongoNotConnectedError', 'closed'],
  ['MongoClientClosedError', 'closed'],
  ['MongoTopologyClosedError', 'closed'],
  ['MongoConnectionPoolClosedError', 'closed'],
  ['PoolClosedError', 'closed'],
  ['MongoExpiredSessionError', 'closed'],
])

/** What the trouble is, for a failure that may pass by itself; null for any other one. */
export function mongoDbTroubleOf(error: unknown): MongoDbTrouble | null {
  if (error instanceof MongoDbUnavailableError) return error.trouble
  if (!(error instanceof Error)) return null
  const byCode = passingCodes.get(serverCode(error) ?? Number.NaN)
  if (byCode !== undefined) return byCode
  if (error.name === 'MongoServerSelectionError') return selectionTrouble(error)
  return passingNames.get(error.name) ?? null
}

/** Failures that may pass become a {@link MongoDbUnavailableError}; others stay what they are. */
export function asMongoDbError(error: unknown): unknown {
  if (error instanceof TidemarkError) return error
  const trouble = mongoDbTroubleOf(error)
  if (trouble === null || !(error instanceof Error)) return error
  return new MongoDbUnavailableError(`${mongoDbTroubleText[trouble]}: ${error.message}`, { cause: error, trouble })
}

/** The number with which the server refused; undefined when it did not answer. */
export function serverCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}

/** No server could be chosen: because none was reached, or because one that was reached did not let us in. */
function selectionTrouble(error: Error): MongoDbTrouble {
  const inner = error.cause instanceof Error ? mongoDbTroubleOf(error.cause) : null
  if (inner !== null) return inner
  return /timed out|timeout/i.test(error.cause instanceof Error ? error.cause.message : '') ? 'silent' : 'unreachable'
}
