import { ConfigurationError, TidemarkError } from '../index.js'

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
])

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
  return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`
}
