import { TidemarkApiError } from './api-failure.js'
import type { ApiFailureOptions } from './api-failure.js'

/** What is known of a report that was not acknowledged: `unknown` when it may have been stored all the same. */
export type ReportOutcome = 'not_stored' | 'unknown'

/** A report that will not be acknowledged. Reporting it again with the same id is safe, whatever became of it. */
export class ReportError extends TidemarkApiError {
  /** The idempotency key it was sent with. */
  readonly reportId: string
  readonly outcome: ReportOutcome

  constructor(
    message: string,
    options: ApiFailureOptions & { readonly reportId: string; readonly outcome: ReportOutcome },
  ) {
    super(message, options)
    this.reportId = options.reportId
    this.outcome = options.outcome
  }
}
