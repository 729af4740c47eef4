import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '../../../src/testing/random.js'
import { contentOfDraft, drawBadReport, drawReport, timeOf } from './draw-report.js'
import type { Draft } from './draw-report.js'
import type { Attempt, SentReport } from './history.js'
import type { Sender } from './send-report.js'

/** Pause before a report goes out once more. */
const RETRY_MS = 80
/** Attempts to get an answer to one report. */
const ATTEMPTS_MAX = 500

export interface ReporterOptions {
  readonly sender: Sender
  /** Another way to the service, by which some reports go at the same time. */
  readonly twin: Sender
  readonly random: Random
  /** Mean pause between two reports of one caller. */
  readonly paceMs: number
  /** The next free report number, one for all reporters. */
  readonly nextNumber: () => number
}

interface OpenReport extends SentReport {
  readonly attempts: Attempt[]
  onTheirWay: number
}

/** Sends reports one after the other, and writes down what it was told. */
export class Reporter {
  readonly #options: ReporterOptions
  readonly #reports: OpenReport[] = []
  #resting = false
  #inFlight = 0
  #acknowledged = 0
  #unknown = 0

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** What it was told so far; it does not know what becomes of a report on its way. */
  get reports(): readonly SentReport[] {
    return this.#reports
      .map(({ onTheirWay, ...report }): SentReport => {
        if (onTheirWay === 0) return report
        return { ...report, attempts: [...report.attempts, { kind: 'unknown', reason: 'on its way' }] }
      })
      .filter(({ attempts }) => attempts.length > 0)
  }

  /** What this caller knows at the moment: reports on their way, acknowledgements and outcomes that it does not know. */
  get counts(): { readonly inFlight: number; readonly acknowledged: number; readonly unknown: number } {
    return { inFlight: this.#inFlight, acknowledged: this.#acknowledged, unknown: this.#unknown }
  }

  /** Begins nothing new; what is under way is seen to its end. */
  rest(): void {
    this.#resting = true
  }

  /** Sends until it is told to rest. */
  async run(): Promise<void> {
    const { random, paceMs, nextNumber } = this.#options
    while (!this.#resting) {
      await sleep(random.integer(0, 2 * paceMs))
      const kind = random.integer(1, 30)
      if (kind === 1) await this.#report(drawBadReport(random, nextNumber()))
      else {
        const draft = drawReport(random, nextNumber())
        const acknowledged = await this.#report(draft, kind === 2)
        // A key that was used is refused with another body.
        if (acknowledged && draft.key !== null && kind === 3) {
          await this.#report({ ...drawReport(random, nextNumber()), key: draft.key })
        }
      }
    }
  }

  /** Sees one report to its end; `twice` sends it by two ways at once when it has a key. */
  async #report(draft: Draft, twice = false): Promise<boolean> {
    const { sender, twin, random } = this.#options
    const { number, key, body } = draft
    const content = contentOfDraft(draft)
    const report: OpenReport = { number, key, ts: timeOf(body), content, attempts: [], onTheirWay: 0 }
    this.#reports.push(report)
    const both = twice && draft.key !== null
    // Some callers never come back after they got no answer.
    const patient = draft.key !== null && random.integer(1, 6) > 1
    // Once acknowledged, some ask again.
    const again = draft.key !== null && random.integer(1, 12) === 1
    await Promise.all([
      this.#see(draft, { sender, report, patient, again }),
      both ? this.#see(draft, { sender: twin, report, patient: true, again: false }) : undefined,
    ])
    return report.attempts.some(({ kind }) => kind === 'acknowledged')
  }

  async #see(
    draft: Draft,
    way: { sender: Sender; report: OpenReport; patient: boolean; again: boolean },
  ): Promise<void> {
    const { sender, report, patient } = way
    let again = way.again
    for (let count = 0; count < ATTEMPTS_MAX; count += 1) {
      report.onTheirWay += 1
      this.#inFlight += 1
      const attempt = await sender.send(draft)
      report.onTheirWay -= 1
      this.#inFlight -= 1
      if (attempt.kind !== 'unsent') {
        report.attempts.push(attempt)
        if (attempt.kind === 'acknowledged') this.#acknowledged += 1
        if (attempt.kind === 'unknown') this.#unknown += 1
        const answered = attempt.kind === 'acknowledged' || (attempt.kind === 'refused' && isFinal(attempt.code))
        if (answered && !again) return
        if (answered) again = false
        if (attempt.kind === 'unknown' && !patient) return
      } else if (this.#resting && report.attempts.length === 0) return
      await sleep(RETRY_MS)
    }
  }
}

/** True for a refusal that no repetition changes. */
function isFinal(code: string): boolean {
  return !['overloaded', 'rate_limited', 'closed', 'not_ready', 'storage_unavailable'].includes(code)
}
