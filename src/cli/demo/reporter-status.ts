/** What the reporter tells the demo after each answer of the service. */
export interface ReporterStatus {
  readonly acknowledged: number
  readonly refused: number
  /** Milliseconds since 1970; null before the first one. */
  readonly lastAcknowledgedAtMs: number | null
  readonly lastError: string | null
}

export const noReports: ReporterStatus = { acknowledged: 0, refused: 0, lastAcknowledgedAtMs: null, lastError: null }
