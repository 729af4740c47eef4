import type { SnapshotAcknowledgement } from '../api/snapshot-wire.js'
import { failureOf, isWireError, TidemarkApiError } from './api-failure.js'
import type { BackoffOptions } from './backoff.js'
import { backoffMs } from './backoff.js'
import type { ConnectionChange, ConnectionOptions, ConnectionState } from './connection.js'
import { Connection } from './connection.js'
import { Emitter } from './emitter.js'
import { newIdempotencyKey } from './idempotency-key.js'
import type { FixedReport, ReportInput } from './report-input.js'
import { fixReport } from './report-input.js'
import type { QueuedReport } from './report-queue.js'
import { ReportQueue } from './report-queue.js'
import type { ReportOutcome } from './report-error.js'
import { ReportError } from './report-error.js'
import { sleep } from './sleep.js'

/** What becomes of a report that the queue has no room for. */
export type WhenFull = 'reject' | 'drop_oldest'

/** What a reporter may be given. */
export interface ReporterSettings {
  /** Reports that may wait for their acknowledgement; 10,000 when absent. */
  readonly reportsMax?: number
  /** Characters of JSON that may wait; 16 million when absent. */
  readonly lengthMax?: number
  /** Reports that may be on their way at once; 64 when absent. */
  readonly inFlightMax?: number
  /** The newest is refused with `queue_full`, or the oldest that waits is given up with `dropped`; `reject` when absent. */
  readonly whenFull?: WhenFull
  /** A report must be answered within this time, or the connection is taken for dead; 15 s when absent. */
  readonly answerTimeoutMs?: number
}

export interface ReporterOptions extends Omit<ConnectionOptions, 'auth' | 'onChange' | 'onGreeting' | 'onEvent'> {
  readonly apiKey: () => string | undefined
  readonly settings: ReporterSettings
  readonly onClosed: () => void
}

/** What can be listened to. */
export interface ReporterEvents {
  readonly state: ConnectionChange
  /** A report was not taken, and is sent again. */
  readonly retry: { readonly id: string; readonly error: TidemarkApiError }
}

export interface ReportOptions {
  /** Idempotency key: the same report with the same key is stored once. A new UUID when absent. */
  readonly id?: string | undefined
}

const REPORTS_MAX = 10_000
const LENGTH_MAX = 16_000_000
/** A few round trips' worth: more would not be faster, and would all be sent again after a lost connection. */
const IN_FLIGHT_MAX = 64
/** After a report too many a second so much fewer are on their way at once: each of them would be refused as well. */
const RATE_LIMITED_SHARE = 0.25
/** One more may be on its way after so many acknowledgements without such a refusal. */
const ACKNOWLEDGED_FOR_ONE_MORE = 64
/** Longer than the service itself takes to give up on its database. */
const ANSWER_TIMEOUT_MS = 15_000
/** An `internal` failure may pass or may be the fault of this very report: it is tried a few times. */
const INTERNAL_FAILURES_MAX = 5

/**
 * Sends reports, each until it is acknowledged or refused for good, in the order in which they were made. What cannot be
 * sent now waits in memory, within limits. A report is sent again with the same key, so that it is stored once.
 */
export class Reporter {
  readonly #connection: Connection
  readonly #emitter = new Emitter<ReporterEvents>()
  readonly #queue: ReportQueue
  readonly #options: ReporterOptions
  readonly #backoff: BackoffOptions
  /** Reports that may be on their way at present. */
  #inFlightMax: number
  /** Acknowledgements since that number changed. */
  #acknowledged = 0
  /** Refusals in a row that asked to come back later. */
  #refusals = 0
  /** Runs while nothing is sent because the service asked for a pause. */
  #pause: ReturnType<typeof setTimeout> | undefined
  #accepting = true
  #closing: Promise<void> | null = null

  constructor(options: ReporterOptions) {
    const { settings } = options
    this.#options = options
    this.#backoff = options.backoff
    this.#inFlightMax = settings.inFlightMax ?? IN_FLIGHT_MAX
    this.#queue = new ReportQueue({
      reportsMax: settings.reportsMax ?? REPORTS_MAX,
      lengthMax: settings.lengthMax ?? LENGTH_MAX,
    })
    this.#connection = new Connection({
      ...options,
      auth: () => ({ token: options.apiKey(), events: false }),
      onChange: (change) => this.#changed(change),
      onGreeting: () => this.#send(),
      onEvent: () => undefined,
    })
    queueMicrotask(() => this.#connection.open())
  }

  get state(): ConnectionState {
    return this.#connection.state
  }

  /** Reports that are not answered yet. */
  get pending(): number {
    return this.#queue.size
  }

  /** @returns what takes the listener away again. */
  on<Name extends keyof ReporterEvents>(name: Name, listener: (payload: ReporterEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener)
  }

  /**
   * Takes a report as it is now. The promise resolves when it is stored, however long that takes.
   *
   * @throws ReportError when the report is refused for good, when the queue has no room for it, or when the reporter is
   *   closed before
   */
  report(report: ReportInput, options: ReportOptions = {}): Promise<SnapshotAcknowledgement> {
    return new Promise((resolve, reject) => {
      const id = options.id ?? newIdempotencyKey()
      const fixed = this.#fix(report, id)
      if (!this.#accepting) throw closed(id, 'not_stored')
      if (this.#queue.has(id)) {
        throw notTaken('idempotency_conflict', 'a report with this id waits already', id)
      }
      this.#makeRoom(fixed.length, id)
      this.#queue.add({ ...fixed, id, acknowledge: resolve, refuse: reject, waiters: [], attempts: 0, failures: 0 })
      this.#send()
    })
  }

  /** Resolves when every report that waits now has been answered, either way. */
  async flush(): Promise<void> {
    await Promise.all(this.#queue.all().map(({ waiters }) => new Promise<void>((resolve) => waiters.push(resolve))))
  }

  /**
   * Takes no more reports, waits for those that wait, and disconnects. What is not answered then is refused with `closed`.
   *
   * @param options.flushMs how long to wait at most; nothing when absent
   */
  close(options: { readonly flushMs?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#close(options.flushMs ?? 0))
  }

  async #close(flushMs: number): Promise<void> {
    this.#accepting = false
    if (flushMs > 0 && this.state !== 'closed' && this.#queue.size > 0) {
      const enough = new AbortController()
      await Promise.race([this.flush(), sleep(flushMs, enough.signal).catch(() => undefined)])
      enough.abort()
    }
    this.#connection.close()
  }

  #fix(report: ReportInput, id: string): FixedReport {
    try {
      return fixReport(report)
    } catch (error) {
      if (error instanceof TidemarkApiError) throw reportError(error, id, 'not_stored')
      throw error
    }
  }

  #makeRoom(length: number, id: string): void {
    while (!this.#queue.hasRoomFor(length)) {
      // What is on its way is as good as stored, and is not given up.
      const oldest = this.#options.settings.whenFull === 'drop_oldest' ? this.#queue.nextWaiting() : null
      if (oldest === null) {
        throw notTaken('queue_full', `${this.#queue.size} reports wait, and there is no room for another`, id)
      }
      const outcome = oldest.attempts > 0 ? 'unknown' : 'not_stored'
      const error = new TidemarkApiError('given up for newer reports', { code: 'dropped', retryable: false })
      this.#settle(oldest, () => oldest.refuse(reportError(error, oldest.id, outcome)))
    }
  }

  /** Sends what waits, as far as the service is there and enough are not on their way. */
  #send(): void {
    const { answerTimeoutMs = ANSWER_TIMEOUT_MS } = this.#options.settings
    while (this.state === 'live' && this.#pause === undefined && this.#queue.inFlight < this.#inFlightMax) {
      const report = this.#queue.nextWaiting()
      if (report === null) return
      this.#queue.depart(report)
      const { attempts } = report
      this.#connection.ask('balance:update', { ...report.body, id: report.id }, answerTimeoutMs, (error, answer) => {
        if (error === null) this.#answered(report, answer)
        else this.#unanswered(report, attempts)
      })
    }
  }

  #answered(report: QueuedReport, answer: unknown): void {
    if (isAcknowledgement(answer)) {
      this.#refusals = 0
      this.#widen()
      this.#settle(report, () => report.acknowledge(answer))
      return
    }
    const error = isWireError(answer) ? failureOf(answer, null, null) : strangeAnswer()
    if (!this.#mayRetry(report, error)) {
      this.#settle(report, () => report.refuse(reportError(error, report.id, outcomeOf(error, report))))
      return
    }
    this.#queue.comeBack(report)
    this.#emitter.emit('retry', { id: report.id, error })
    this.#rest(error)
  }

  /** The answer is late: the connection is taken for dead, and another one sends the report again. */
  #unanswered(report: QueuedReport, attempt: number): void {
    if (!this.#queue.isOnItsWay(report, attempt)) return
    this.#connection.restart(
      new TidemarkApiError('a report was not answered in time', { code: 'timeout', retryable: true }),
    )
  }

  #mayRetry(report: QueuedReport, error: TidemarkApiError): boolean {
    if (error.code !== 'internal') return error.retryable
    report.failures += 1
    return report.failures < INTERNAL_FAILURES_MAX
  }

  /** Sends nothing for as long as the service asks, or longer after each refusal. */
  #rest(error: TidemarkApiError): void {
    if (this.#pause !== undefined || this.state === 'closed') return
    this.#refusals += 1
    if (error.code === 'rate_limited') this.#narrow()
    const waitMs = Math.max(backoffMs(this.#backoff, this.#refusals), error.retryAfterMs ?? 0)
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#send()
    }, waitMs)
  }

  /** A service that is asked for too much again and again cuts the connection. */
  #narrow(): void {
    this.#inFlightMax = Math.max(1, Math.floor(this.#inFlightMax * RATE_LIMITED_SHARE))
    this.#acknowledged = 0
  }

  #widen(): void {
    this.#acknowledged += 1
    if (this.#acknowledged < ACKNOWLEDGED_FOR_ONE_MORE) return
    this.#acknowledged = 0
    this.#inFlightMax = Math.min(this.#options.settings.inFlightMax ?? IN_FLIGHT_MAX, this.#inFlightMax + 1)
  }

  #settle(report: QueuedReport, tell: () => void): void {
    if (!this.#queue.remove(report)) return
    tell()
    for (const resolve of report.waiters) resolve()
    this.#send()
  }

  #changed(change: ConnectionChange): void {
    if (change.state !== 'live') this.#queue.allComeBack()
    this.#emitter.emit('state', change)
    if (change.state === 'closed') this.#end(change.error)
  }

  /** Tells everybody who waits that nothing more comes. */
  #end(error: TidemarkApiError | null): void {
    this.#accepting = false
    clearTimeout(this.#pause)
    for (const report of this.#queue.all()) {
      const outcome = report.attempts > 0 ? 'unknown' : 'not_stored'
      const reason = error === null ? closed(report.id, outcome) : reportError(error, report.id, outcome)
      this.#settle(report, () => report.refuse(reason))
    }
    this.#options.onClosed()
  }
}

function isAcknowledgement(answer: unknown): answer is SnapshotAcknowledgement {
  return typeof answer === 'object' && answer !== null && 'success' in answer && answer.success === true
}

function strangeAnswer(): TidemarkApiError {
  return new TidemarkApiError('expected an acknowledgement, got something else', {
    code: 'bad_answer',
    retryable: false,
  })
}

/** What a refusal says of all attempts, those included whose answers were lost. */
function outcomeOf(error: TidemarkApiError, report: QueuedReport): ReportOutcome {
  if (error.code === 'invalid_snapshot') return 'not_stored'
  return report.attempts > 1 || error.code === 'internal' || error.code === 'bad_answer' ? 'unknown' : 'not_stored'
}

/** An error, with the report that it is about. */
function reportError(cause: TidemarkApiError, reportId: string, outcome: ReportOutcome): ReportError {
  const { message, code, answer: details, retryAfterMs, retryable } = cause
  return new ReportError(message, { code, details, retryAfterMs, retryable, cause, reportId, outcome })
}

function notTaken(code: 'queue_full' | 'idempotency_conflict', message: string, reportId: string): ReportError {
  return new ReportError(message, { code, retryable: code === 'queue_full', reportId, outcome: 'not_stored' })
}

function closed(reportId: string, outcome: ReportOutcome): ReportError {
  const message = 'the reporter was closed before the report was acknowledged'
  return new ReportError(message, { code: 'closed', retryable: false, reportId, outcome })
}
