/** How a copy of the records that is kept outside of PostgreSQL stands. */
export interface RecordCopyHealth {
  /** `copying`: not all records are there yet. `failing`: it is tried again. */
  readonly state: 'starting' | 'copying' | 'following' | 'failing'
  /** What is the matter, in words that may be shown to strangers; null when nothing is. */
  readonly reason: string | null
  /** Events of the log that are not in the copy yet. */
  readonly lagEvents: bigint
  /** Age of the oldest of them; 0 when there is none. */
  readonly lagSeconds: number
}

/** Since the start of this process. */
export interface RecordCopyCounts {
  readonly written: number
  /** Not written, because something newer was there. */
  readonly refused: number
  /** Found to be not as they should, and put right. */
  readonly corrected: number
  readonly failures: number
}

export interface RecordCopyMetrics extends RecordCopyHealth, RecordCopyCounts {}
