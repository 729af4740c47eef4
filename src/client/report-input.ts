import { TidemarkApiError } from './api-failure.js'

/** Asset name to amount: a number, a bigint, or decimal text for exact amounts of any size. */
export type ReportedAmounts = Readonly<Record<string, number | bigint | string>>

/** A report as a program makes it. */
export interface ReportInput {
  /** When the balances were taken; the time of the call when absent. */
  readonly ts?: Date | string | undefined
  /** The reporter's process id. */
  readonly pid?: number | undefined
  readonly onchain: ReportedAmounts
  readonly onsite: ReportedAmounts
}

/** A report that does not change any more, whatever becomes of the object it was made from. */
export interface FixedReport {
  readonly body: Readonly<Record<string, unknown>>
  /** Length of its JSON text. */
  readonly length: number
}

/** A valid report has less than half of it; what is longer the service would answer by cutting the connection. */
const REPORT_LENGTH_MAX = 48_000

/**
 * Copies a report as it is now, with its time.
 *
 * @throws TidemarkApiError `invalid_snapshot` when it cannot be sent as JSON, or is longer than any valid report
 */
export function fixReport(report: ReportInput, now: Date = new Date()): FixedReport {
  const { ts = now, ...rest } = report
  const text = jsonText({ ts, ...rest })
  if (text.length > REPORT_LENGTH_MAX) {
    throw invalid(`expected a report of at most ${REPORT_LENGTH_MAX} characters, got ${text.length}`)
  }
  return { body: JSON.parse(text) as Record<string, unknown>, length: text.length }
}

/** JSON has no word for an amount that is no number: it would be sent as null and refused without saying why. */
function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value, (name, part: unknown) => {
      if (typeof part === 'bigint') return part.toString()
      if (typeof part === 'number' && !Number.isFinite(part)) {
        throw invalid(`expected a finite number or decimal text in ${JSON.stringify(name)}, got ${part}`)
      }
      return part
    })
  } catch (error) {
    if (error instanceof TidemarkApiError) throw error
    throw invalid('expected a report that can be written as JSON', error)
  }
}

function invalid(message: string, cause?: unknown): TidemarkApiError {
  return new TidemarkApiError(message, { code: 'invalid_snapshot', retryable: false, cause })
}
