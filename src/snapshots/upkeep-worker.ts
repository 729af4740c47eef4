import { messageOf } from '../model/errors.js'
import type { Clock } from '../model/clock.js'
import type { Logger } from '../model/logger.js'
import type { RollUpProgress, SnapshotUpkeep } from './snapshot-upkeep.js'

/** Rest between two rounds of summing up, so that one takes in many snapshots. What is read does not depend on it. */
const REST_MS = 1000
/** The sums are looked at this often even when no snapshot was heard of. */
const POLL_MS = 30_000
/** Seqs per step: bounds the time for which others wait for the sums. */
const ROLL_UP_SEQS_MAX = 5000
/** After a step that failed the next ones are smaller: it may have been too much for the server's time limit. */
const ROLL_UP_SEQS_MIN = 100
/** Between two passes of retention. */
const RETENTION_INTERVAL_MS = 3_600_000
/** Rows deleted in one transaction. */
const PRUNE_ROWS = 2000
/** Rest between two deletions, so that most of the disk's and the server's time is left for those who wait. */
const PRUNE_PAUSE_MS = 100
const RETRY_MS_MAX = 60_000

export interface UpkeepWorkerOptions {
  readonly upkeep: SnapshotUpkeep
  readonly clock: Clock
  readonly logger: Logger
  /** Days for which snapshots are kept, by their `ts`; 0: for ever. */
  readonly snapshotRetentionDays: number
  /** Days for which events are kept; 0: for ever. */
  readonly eventRetentionDays: number
}

/**
 * Keeps the sums over snapshots up to date, and deletes what is older than the operator wants to keep. Runs in every
 * process; the steps see to it that only one process at a time does any work.
 */
export class UpkeepWorker {
  readonly #options: UpkeepWorkerOptions
  readonly #abort = new AbortController()
  #stopWaiting: (() => void) | null = null
  #woken = true
  #rollUpSeqs = ROLL_UP_SEQS_MAX
  #running: Promise<unknown> = Promise.resolve()

  constructor(options: UpkeepWorkerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = Promise.all([
      this.#repeat('sums over snapshots', () => this.#rollUp()),
      this.#repeat('retention', () => this.#prune()),
    ])
  }

  /** A snapshot was saved. */
  wake(): void {
    this.#woken = true
    this.#stopWaiting?.()
  }

  /** Ends after the step that is under way. */
  async close(): Promise<void> {
    this.#abort.abort()
    this.#stopWaiting?.()
    await this.#running
  }

  /** Runs rounds until closed; a round that fails is tried again after a while that grows. */
  async #repeat(what: string, round: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options
    const { signal } = this.#abort
    let failures = 0
    while (!signal.aborted) {
      try {
        await round()
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        logger.warn({ error: messageOf(error), failures }, `${what}: a step failed, trying again`)
        await pause(clock, Math.min(RETRY_MS_MAX, REST_MS * 2 ** (failures - 1)), signal)
      }
    }
  }

  async #rollUp(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#abort
    if (!this.#woken) await this.#waitForSnapshot()
    this.#woken = false
    try {
      let progress = await this.#rollUpStep()
      while (progress !== null && progress.behind > 0n && !signal.aborted) progress = await this.#rollUpStep()
      // Whoever is at it may have begun before the newest snapshot came.
      if (progress === null) this.#woken = true
    } catch (error) {
      this.#woken = true
      throw error
    }
    await pause(clock, REST_MS, signal)
  }

  async #rollUpStep(): Promise<RollUpProgress | null> {
    const seqs = this.#rollUpSeqs
    this.#rollUpSeqs = Math.max(ROLL_UP_SEQS_MIN, Math.floor(seqs / 2))
    const progress = await this.#options.upkeep.rollUp(seqs)
    this.#rollUpSeqs = Math.min(ROLL_UP_SEQS_MAX, seqs * 2)
    return progress
  }

  async #waitForSnapshot(): Promise<void> {
    if (this.#abort.signal.aborted) return
    await new Promise<void>((resolve) => {
      const callOff = this.#options.clock.schedule(POLL_MS, resolve)
      this.#stopWaiting = () => {
        callOff()
        resolve()
      }
    })
    this.#stopWaiting = null
  }

  /** Events go first: a snapshot stays as long as its event. */
  async #prune(): Promise<void> {
    const { clock } = this.#options
    const events = await this.#pruneEvents()
    const snapshots = await this.#pruneSnapshots()
    if (events + snapshots > 0) this.#options.logger.info({ events, snapshots }, 'retention deleted what was too old')
    await pause(clock, RETENTION_INTERVAL_MS, this.#abort.signal)
  }

  async #pruneEvents(): Promise<number> {
    const { upkeep, clock, eventRetentionDays } = this.#options
    const { signal } = this.#abort
    let total = 0
    while (eventRetentionDays > 0 && !signal.aborted) {
      const deleted = await upkeep.pruneEvents(eventRetentionDays, PRUNE_ROWS)
      if (deleted === 0) break
      total += deleted ?? 0
      await pause(clock, deleted === null ? REST_MS : PRUNE_PAUSE_MS, signal)
    }
    return total
  }

  async #pruneSnapshots(): Promise<number> {
    const { upkeep, clock, snapshotRetentionDays } = this.#options
    const { signal } = this.#abort
    let total = 0
    let from: Date | null = null
    while (snapshotRetentionDays > 0 && !signal.aborted) {
      const progress = await upkeep.pruneSnapshots(snapshotRetentionDays, from, PRUNE_ROWS)
      if (progress !== null) {
        total += progress.deleted
        from = progress.next
        if (from === null) break
      }
      await pause(clock, progress === null ? REST_MS : PRUNE_PAUSE_MS, signal)
    }
    return total
  }
}

/** Returns early when aborted. */
async function pause(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(durationMs, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
