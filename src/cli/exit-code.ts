import { TidemarkApiError } from '../client/index.js'
import { ConfigurationError, TidemarkError } from '../index.js'
import { plainText } from './terminal/plain-text.js'

/** What the process's exit code tells a script. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  checkFailed: 3,
  partial: 4,
  unreachable: 5,
  locked: 7,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const usageCodes = new Set([
  'configuration',
  'schema_mismatch',
  'address_in_use',
  'embedded_postgres_unavailable',
  'demo_unavailable',
  'wrong_chain',
  'wrong_genesis',
  'api_key_name_taken',
  'too_many_api_keys',
  // Of a service that was asked.
  'invalid_option',
  'invalid_request',
  'invalid_argument',
  'unauthorized',
  'forbidden',
  'not_found',
  'configured',
  'unknown_chain',
  'unknown_position',
  'unknown_solver',
  'unknown_token',
  'database_moved',
  'target_not_empty',
  'backup_unsupported',
])

const lockedCodes = new Set(['data_directory_locked', 'database_in_use'])
/** Data was compared, and is not what it should be. */
const failedCheckCodes = new Set(['transfer_mismatch', 'backup_damaged'])

const unreachableCodes = new Set([
  'database_unavailable',
  'rpc_all_endpoints_failed',
  'rpc_block_unavailable',
  'rpc_state_unavailable',
  'rpc_rate_limited',
  'rpc_transport',
  'no_source',
  // Of a service that was asked.
  'unreachable',
  'timeout',
  'bad_answer',
  'request_timeout',
  'rate_limited',
  'too_many_connections',
  'overloaded',
  'storage_unavailable',
  'unavailable',
  'not_ready',
  'not_running',
  'closed',
])

/** What to do about a refusal, which comes without advice. */
const advice: Readonly<Record<string, string>> = {
  unauthorized: 'Give a key of the service: TIDEMARK_API_KEY, or --key. tidemark keys add makes one.',
  forbidden:
    'The key has not the scope for this: tidemark keys add <name> --scope write makes one that may change things.',
  unreachable: 'Is it running, and is this its address? --alone reads the database instead.',
}

/** Columns of an error text that a service sent. */
const MESSAGE_COLUMNS = 500

/** The exit code that fits a failure. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof TidemarkError)) return exitCodes.unexpected
  if (error instanceof ConfigurationError || usageCodes.has(error.code)) return exitCodes.usage
  if (lockedCodes.has(error.code)) return exitCodes.locked
  if (failedCheckCodes.has(error.code)) return exitCodes.checkFailed
  if (unreachableCodes.has(error.code)) return exitCodes.unreachable
  return exitCodes.unexpected
}

/** A failure as it is told on the terminal: what happened, then what to do. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof TidemarkError)) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  const message = error instanceof TidemarkApiError ? plainText(error.message, MESSAGE_COLUMNS) : error.message
  const hint = error.hint ?? advice[error.code]
  return hint === undefined ? message : `${message}\n${hint}`
}
