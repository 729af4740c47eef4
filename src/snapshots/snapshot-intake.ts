import { randomUUID } from 'node:crypto'

import { systemClock } from '../model/clock.js'
import type { Clock } from '../model/clock.js'
import { ClosedError, RetryableError, TidemarkError, messageOf } from '../model/errors.js'
import type { LoggedEvent } from '../model/event.js'
import type { Logger } from '../model/logger.js'
import type { Snapshot } from '../model/snapshot.js'
import { commitInParts } from './commit-in-parts.js'
import { InvalidSnapshotError, hashReport, parseIdempotencyKey, parseReport } from './parse-report.js'
import type { SnapshotDraft, SnapshotStore } from './snapshot-store.js'
import { WaitingLine } from './waiting-line.js'
import type { Settlement, Waiting } from './waiting-line.js'

/** What the intake holds and how long, so that no reporter waits for ever and no flood fills the memory. */
export interface IntakeLimits {
  /** Snapshots waiting for their commit, beyond which new ones are refused. */
  readonly queueMax: number
  /** The same in bytes: 10,000 snapshots of the largest kind would be 200 MB. */
  readonly queueBytesMax: number
  /** Snapshots per commit. */
  readonly batchMax: number
  /** Bytes per commit, so that one statement stays small. */
  readonly batchBytesMax: number
  /** A snapshot that was not sent to the database by then is given up: it is surely not stored. */
  readonly queueTimeoutMs: number
  /** A snapshot is answered by then, whatever the database does. */
  readonly answerTimeoutMs: number
}

export const INTAKE_LIMITS: IntakeLimits = {
  queueMax: 10_000,
  queueBytesMax: 32 * 1024 * 1024,
  batchMax: 500,
  batchBytesMax: 1024 * 1024,
  queueTimeoutMs: 10_000,
  answerTimeoutMs: 15_000,
}

/** What a snapshot takes beside its books: ids, hash, times, and the objects around them. */
const SNAPSHOT_OVERHEAD_BYTES = 300

/** The queue is full: the reporter is asked to come again. */
export class OverloadedError extends RetryableError {
  readonly code = 'overloaded'
  readonly retryAfterMs = 1000
}

/**
 * The database did not take the snapshot. `details.stored` is `no` when it is surely not stored, `unknown` when it may
 * have been: then only a retry with the same idempotency key is safe.
 */
export class StorageUnavailableError extends RetryableError {
  readonly code = 'storage_unavailable'
  readonly retryAfterMs = 1000
}

/** The idempotency key was used before for a different body. */
export class IdempotencyConflictError extends TidemarkError {
  readonly code = 'idempotency_conflict'
}

export interface SavedSnapshot {
  readonly snapshot: Snapshot
  /** True when the key had been used before with the same body: nothing new was stored. */
  readonly repeated: boolean
}

export interface SnapshotIntakeOptions {
  readonly store: Pick<SnapshotStore, 'commit'>
  readonly logger: Logger
  /** Called after each commit. */
  readonly onCommitted: (events: readonly LoggedEvent[]) => void
  readonly clock?: Clock | undefined
  readonly limits?: Partial<IntakeLimits> | undefined
}

/**
 * Takes reported snapshots and commits them in groups: one batch is in flight, and the next one is whatever queued
 * meanwhile. There is no timer, so a lone snapshot waits for nobody.
 *
 * Invariant: a promise returned by `save` resolves only after the commit that stored its snapshot.
 */
export class SnapshotIntake {
  readonly #store: Pick<SnapshotStore, 'commit'>
  readonly #logger: Logger
  readonly #onCommitted: (events: readonly LoggedEvent[]) => void
  readonly #clock: Clock
  readonly #limits: IntakeLimits
  readonly #line = new WaitingLine()
  /** True while a drain is under way; it falls in the same turn in which the drain finds the line empty. */
  #busy = false
  #drained: Promise<void> = Promise.resolve()
  #callOffExpiry: (() => void) | null = null
  #closed = false

  constructor(options: SnapshotIntakeOptions) {
    this.#store = options.store
    this.#logger = options.logger
    this.#onCommitted = options.onCommitted
    this.#clock = options.clock ?? systemClock
    this.#limits = { ...INTAKE_LIMITS, ...options.limits }
  }

  /** Snapshots that wait for their commit. */
  get queued(): number {
    return this.#line.length
  }

  /**
   * Validates and stores one report.
   *
   * @param body the report as it came off the wire
   * @param key idempotency key, or undefined
   * @throws {InvalidSnapshotError | IdempotencyConflictError | OverloadedError | StorageUnavailableError}
   */
  async save(body: unknown, key?: unknown): Promise<SavedSnapshot> {
    const draft = draftOf(body, key)
    const settlement = await this.#enqueue(draft)
    switch (settlement.kind) {
      case 'saved':
        return { snapshot: settlement.snapshot, repeated: false }
      case 'repeated':
        return { snapshot: settlement.snapshot, repeated: true }
      case 'conflict':
        throw new IdempotencyConflictError('this idempotency key was used before with a different body', {
          hint: 'Use a new key for a new snapshot.',
          details: { id: settlement.snapshot.id },
        })
      case 'refused':
        throw new InvalidSnapshotError([{ path: '', message: 'the database cannot store it' }], settlement.cause)
      case 'not-stored':
        throw new StorageUnavailableError('the database did not take the snapshot, which is not stored', {
          cause: settlement.cause,
          hint: 'Send it again in a moment.',
          details: { stored: 'no' },
        })
      case 'unknown':
        throw new StorageUnavailableError('the database did not confirm the snapshot, which may be stored or not', {
          cause: settlement.cause,
          hint: 'Send it again with the same idempotency key; without one it may be stored twice.',
          details: { stored: 'unknown' },
        })
    }
  }

  /** Refuses new snapshots and waits until those in the queue are answered. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#drained
  }

  #enqueue(draft: SnapshotDraft): Promise<Settlement> {
    if (this.#closed)
      throw new ClosedError('the service is shutting down', { hint: 'Send the snapshot again in a moment.' })
    const bytes = SNAPSHOT_OVERHEAD_BYTES + draft.onchainJson.length + draft.onsiteJson.length
    const { queueMax, queueBytesMax } = this.#limits
    if (this.#line.length >= queueMax || this.#line.bytes + bytes > queueBytesMax) {
      throw new OverloadedError(`${this.#line.length} snapshots are waiting for the database`, {
        hint: 'Send the snapshot again in a second.',
      })
    }
    return new Promise((settle) => {
      this.#line.push({ draft, bytes, sinceMs: this.#clock.monotonicMs(), settle })
      this.#watchExpiry()
      if (!this.#busy) this.#drained = this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#busy = true
    for (;;) {
      // Everything that has arrived by now joins the batch, and so do those who answer to the batch before.
      await endOfTurn()
      this.#expire()
      const batch = this.#takeBatch()
      if (batch.length === 0) break
      await this.#commit(batch)
    }
    this.#busy = false
    this.#callOffExpiry?.()
    this.#callOffExpiry = null
  }

  /** The next batch, in order of arrival. */
  #takeBatch(): readonly Waiting[] {
    const { batchMax, batchBytesMax } = this.#limits
    return this.#line.takeWhile(
      (next, { count, bytes }) => count === 0 || (count < batchMax && bytes + next.bytes <= batchBytesMax),
    )
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const answerByMs = (batch[0]?.sinceMs ?? 0) + this.#limits.answerTimeoutMs
    const remainingMs = (): number => answerByMs - this.#clock.monotonicMs()
    const { committed, refused, failed, error, events } = await commitInParts(this.#store, batch, remainingMs)
    if (committed > 0) this.#onCommitted(events)
    if (error !== undefined) {
      this.#logger.error({ error: messageOf(error), committed, refused, failed }, 'snapshots could not be stored')
    }
  }

  /** Gives up those that have waited too long while another batch holds up the database. */
  #expire(): void {
    const latestMs = this.#clock.monotonicMs() - this.#limits.queueTimeoutMs
    const expired = this.#line.takeWhile(({ sinceMs }) => sinceMs <= latestMs)
    if (expired.length === 0) return
    const cause = new Error(`waited ${this.#limits.queueTimeoutMs} ms in the queue`)
    for (const { settle } of expired) settle({ kind: 'not-stored', cause })
    this.#logger.error({ snapshots: expired.length }, 'snapshots waited too long for the database')
  }

  /** One timer for all: the first in line is the first to expire. */
  #watchExpiry(): void {
    const { first } = this.#line
    if (first === undefined || this.#callOffExpiry !== null) return
    const waitMs = first.sinceMs + this.#limits.queueTimeoutMs - this.#clock.monotonicMs()
    this.#callOffExpiry = this.#clock.schedule(Math.max(1, Math.ceil(waitMs)), () => {
      this.#callOffExpiry = null
      this.#expire()
      this.#watchExpiry()
    })
  }
}

function draftOf(body: unknown, key: unknown): SnapshotDraft {
  const report = parseReport(body)
  const { onchain, onsite } = report
  return {
    snapshot: {
      id: randomUUID(),
      ts: report.ts === undefined ? new Date() : new Date(report.ts),
      pid: report.pid ?? null,
      onchain,
      onsite,
    },
    onchainJson: JSON.stringify(onchain),
    onsiteJson: JSON.stringify(onsite),
    idempotency: key === undefined ? null : { key: parseIdempotencyKey(key), bodyHash: hashReport(report) },
  }
}

/** Resolves when what has arrived at the sockets by now has been handled. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
