export interface TidemarkErrorOptions {
  /** The failure beneath, kept for the log; never shown to a remote caller. */
  cause?: unknown
  /** One sentence that tells the reader what to do next. */
  hint?: string
  /** Named values that belong to the failure, safe to show. */
  details?: Readonly<Record<string, unknown>>
}

/**
 * Base of every error Tidemark throws on purpose.
 *
 * `code` is stable and part of the public contract; `message` is for people and may change.
 */
export abstract class TidemarkError extends Error {
  abstract readonly code: string
  readonly retryable: boolean = false
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(message: string, options: TidemarkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.hint = options.hint
    this.details = options.details
  }
}

/** A failure that may not happen again when the same thing is tried later. */
export abstract class RetryableError extends TidemarkError {
  override readonly retryable = true
}

/** A setting is missing or wrong. `setting` is the variable or the path in the configuration file. */
export class ConfigurationError extends TidemarkError {
  readonly code = 'configuration'
}

/** An operation was cut short because its owner is shutting down. */
export class ClosedError extends TidemarkError {
  readonly code = 'closed'
}

/** Text of any thrown value, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
