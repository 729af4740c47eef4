import { RetryableError, TidemarkError } from '../model/errors.js'
import { DatabaseUnavailableError, troubleText } from '../storage/postgres/database-errors.js'

/** An argument of a method is not what it should be. */
export class InvalidArgumentError extends TidemarkError {
  readonly code = 'invalid_argument'
}

/** The chain is not configured. */
export class UnknownChainError extends TidemarkError {
  readonly code = 'unknown_chain'
}

/** The service was used before `start()` or after `close()`. */
export class NotRunningError extends TidemarkError {
  readonly code = 'not_running'
}

/** The service was used while `start()` waits for the database. */
export class NotReadyError extends RetryableError {
  readonly code = 'not_ready'
}

/** In words that may be shown to strangers: no address, no user, no path. */
export function reasonOf(error: unknown): string {
  if (error instanceof DatabaseUnavailableError) return troubleText[error.trouble]
  if (error instanceof NotReadyError || error instanceof NotRunningError) return error.message
  return 'the database does not answer as it should'
}
