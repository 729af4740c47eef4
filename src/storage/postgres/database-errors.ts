import pg from 'pg'

import { RetryableError } from '../../model/errors.js'
import type { TidemarkErrorOptions } from '../../model/errors.js'

/** What is the matter with a database that cannot be used at the moment. */
export type DatabaseTrouble =
  | 'unreachable'
  | 'silent'
  | 'restarting'
  | 'refused'
  | 'disk_full'
  | 'read_only'
  | 'exhausted'
  | 'busy'
  | 'contended'

/** The trouble in words that tell a stranger nothing about the machine, its addresses or its users. */
export const troubleText: Readonly<Record<DatabaseTrouble, string>> = {
  unreachable: 'the database cannot be reached',
  silent: 'the database does not answer in time',
  restarting: 'the database is starting or shutting down',
  refused: 'the database lets this service not in',
  disk_full: 'the disk of the database is full',
  read_only: 'the database takes no writes: it is a standby, or set to read only',
  exhausted: 'the database has no connection, memory or other resource left',
  busy: 'all connections to the database are busy',
  contended: 'other transactions are in the way',
}

/** The database did not answer, or answered that it cannot now. */
export class DatabaseUnavailableError extends RetryableError {
  readonly code = 'database_unavailable'
  readonly trouble: DatabaseTrouble
  /** False when the statement surely never reached the server. */
  readonly sent: boolean

  constructor(
    message: string,
    options: TidemarkErrorOptions & { readonly trouble?: DatabaseTrouble; readonly sent?: boolean } = {},
  ) {
    super(message, options)
    this.trouble = options.trouble ?? 'silent'
    this.sent = options.sent ?? true
  }
}

/** The PostgreSQL error code of a failure, such as `23505`; undefined when the server did not answer. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code
  return error instanceof Error && error.cause instanceof pg.DatabaseError ? error.cause.code : undefined
}

/** Answers of the server that may be others when the same is tried again: by code, else by the class in front of it. */
const passingStates: ReadonlyMap<string, DatabaseTrouble> = new Map([
  ['08', 'unreachable'],
  ['25006', 'read_only'],
  // The transaction waited too long for us, or took too long.
  ['25P03', 'silent'],
  ['25P04', 'silent'],
  ['28', 'refused'],
  ['3D', 'refused'],
  ['40', 'contended'],
  ['53', 'exhausted'],
  ['53100', 'disk_full'],
  ['55006', 'contended'],
  ['55P03', 'contended'],
  ['57', 'restarting'],
  ['57014', 'silent'],
  ['58', 'exhausted'],
])

/** What the driver says, in its own words, when there is no answer of the server. */
const driverMessages: ReadonlyMap<string, DatabaseTrouble> = new Map([
  ['timeout expired', 'silent'],
  ['Query read timeout', 'silent'],
  ['Connection terminated due to connection timeout', 'silent'],
  ['timeout exceeded when trying to connect', 'busy'],
  ['Connection terminated', 'unreachable'],
  ['Connection terminated unexpectedly', 'unreachable'],
  ['Client has encountered a connection error and is not queryable', 'unreachable'],
  ['Client was closed and is not queryable', 'unreachable'],
  ['Cannot use a pool after calling end on the pool', 'unreachable'],
  // The server could not even make a process for us, and said so before it came to TLS.
  ['There was an error establishing an SSL connection', 'unreachable'],
])

/** A socket that was closed under a statement or a TLS handshake, as Node says it without asking the system. */
const streamCodes: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_SOCKET_CLOSED',
])

/** True when the server itself answered. */
export function isAnswered(error: unknown): boolean {
  return error instanceof pg.DatabaseError || (error instanceof Error && error.cause instanceof pg.DatabaseError)
}

/** Codes with which the server takes leave: it closes the connection right after them. */
const partingState = /^(08|57P|25P03$|25P04$)/

/** True when the connection on which a statement failed so is of no use any more. */
export function endsConnection(error: unknown): boolean {
  return !isAnswered(error) || partingState.test(sqlState(error) ?? '')
}

/** What the trouble is, for a failure that may pass by itself; null for any other one. */
export function troubleOf(error: unknown): DatabaseTrouble | null {
  if (error instanceof DatabaseUnavailableError) return error.trouble
  if (error instanceof pg.DatabaseError) {
    const state = error.code ?? ''
    return passingStates.get(state) ?? passingStates.get(state.slice(0, 2)) ?? null
  }
  if (!(error instanceof Error)) return null
  const told = driverMessages.get(error.message)
  if (told !== undefined) return told
  if (isSystemError(error)) return error.code === 'ETIMEDOUT' ? 'silent' : 'unreachable'
  return streamCodes.has(codeOf(error)) ? 'unreachable' : null
}

/** Failures that may pass become a {@link DatabaseUnavailableError}; others stay what they are. */
export function asDatabaseError(error: unknown, { sent }: { readonly sent: boolean } = { sent: true }): unknown {
  if (error instanceof DatabaseUnavailableError) return error
  const trouble = troubleOf(error)
  if (trouble === null) return error
  const what = error instanceof pg.DatabaseError ? 'the database refused' : 'the database did not answer'
  return new DatabaseUnavailableError(`${what}: ${textOf(error)}`, { cause: error, trouble, sent })
}

/** Several addresses of one host fail as one error without a text of its own. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((single) => textOf(single)).join(', ')
  }
  return error instanceof Error ? error.message : String(error)
}

/** An error of the operating system, such as ECONNREFUSED or ENOTFOUND. */
function isSystemError(error: Error): error is Error & { readonly code: string } {
  return 'errno' in error || 'syscall' in error || (error instanceof AggregateError && codeOf(error) !== '')
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
