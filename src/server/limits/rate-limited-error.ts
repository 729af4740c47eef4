import { RetryableError } from '../../index.js'

/** The caller sends more than it may: the same request is welcome after `retryAfterMs`. */
export class RateLimitedError extends RetryableError {
  readonly code = 'rate_limited'
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super(message, { hint: 'Send it again after retryAfterMs.', details: { retryAfterMs } })
    this.retryAfterMs = retryAfterMs
  }
}
