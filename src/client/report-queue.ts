import type { SnapshotAcknowledgement } from '../api/snapshot-wire.js'
import type { ReportError } from './report-error.js'
import type { FixedReport } from './report-input.js'

/** A report that is not answered yet. */
export interface QueuedReport extends FixedReport {
  readonly id: string
  readonly acknowledge: (acknowledgement: SnapshotAcknowledgement) => void
  readonly refuse: (error: ReportError) => void
  /** Called when it has been answered, either way. */
  readonly waiters: (() => void)[]
  /** Times that it has been sent. After the first it may be stored although nobody said so. */
  attempts: number
  /** Times that the service failed over it for a reason of its own. */
  failures: number
}

export interface QueueLimits {
  readonly reportsMax: number
  /** Characters of JSON. */
  readonly lengthMax: number
}

/**
 * Reports that are not answered yet, in the order in which they were made.
 *
 * Invariant: `#length` is the sum of their lengths, and only what is in here is on its way.
 */
export class ReportQueue {
  readonly #limits: QueueLimits
  readonly #reports = new Map<string, QueuedReport>()
  readonly #inFlight = new Set<string>()
  #length = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#reports.size
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  has(id: string): boolean {
    return this.#reports.has(id)
  }

  hasRoomFor(length: number): boolean {
    return this.size < this.#limits.reportsMax && this.#length + length <= this.#limits.lengthMax
  }

  add(report: QueuedReport): void {
    this.#reports.set(report.id, report)
    this.#length += report.length
  }

  /** The oldest report that is not on its way. At most as many are passed over as are in flight. */
  nextWaiting(): QueuedReport | null {
    for (const report of this.#reports.values()) if (!this.#inFlight.has(report.id)) return report
    return null
  }

  /** Notes that a report is on its way. */
  depart(report: QueuedReport): void {
    report.attempts += 1
    this.#inFlight.add(report.id)
  }

  /** True while the answer to this attempt is waited for. */
  isOnItsWay(report: QueuedReport, attempt: number): boolean {
    return report.attempts === attempt && this.#inFlight.has(report.id) && this.#reports.get(report.id) === report
  }

  /** Notes that a report is to be sent again; it keeps its place. */
  comeBack(report: QueuedReport): void {
    this.#inFlight.delete(report.id)
  }

  /** Notes that nothing is on its way any more. */
  allComeBack(): void {
    this.#inFlight.clear()
  }

  /** Takes a report out. @returns false when it is not here any more. */
  remove(report: QueuedReport): boolean {
    this.#inFlight.delete(report.id)
    // Another report may have taken the key after this one was dropped.
    if (this.#reports.get(report.id) !== report) return false
    this.#reports.delete(report.id)
    this.#length -= report.length
    return true
  }

  all(): readonly QueuedReport[] {
    return [...this.#reports.values()]
  }
}
