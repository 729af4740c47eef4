import { randomUUID } from 'node:crypto'

import { ClosedError, RetryableError, TidemarkError, messageOf } from '../model/errors.js'
import type { Logger } from '../model/logger.js'
import type { Snapshot } from '../model/snapshot.js'
import { parseIdempotencyKey, parseReport } from './parse-report.js'
import type { CommitOutcome, SnapshotDraft, SnapshotStore } from './snapshot-store.js'

/** Snapshots waiting for their commit, beyond which new ones are refused. */
export const QUEUE_MAX = 10_000
/** Snapshots per commit. */
export const BATCH_MAX = 500

/** The queue is full: the reporter is asked to come again. */
export class OverloadedError extends RetryableError {
  readonly code = 'overloaded'
  readonly retryAfterMs = 1000
}

/** The database did not take the snapshot; it may or may not have been stored, so a retry needs an idempotency key. */
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

interface Waiting {
  readonly draft: SnapshotDraft
  readonly resolve: (outcome: CommitOutcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * Takes reported snapshots and commits them in groups: one batch is in flight, and the next one is whatever queued
 * meanwhile. There is no timer, so a lone snapshot waits for nobody.
 *
 * Invariant: a promise returned by `save` resolves only after the commit that stored its snapshot.
 */
export class SnapshotIntake {
  readonly #store: SnapshotStore
  readonly #logger: Logger
  readonly #onCommitted: () => void
  #queue: Waiting[] = []
  /** True while a drain is under way; it falls in the same turn in which the drain finds the queue empty. */
  #busy = false
  #drained: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: { store: SnapshotStore; logger: Logger; onCommitted: () => void }) {
    this.#store = options.store
    this.#logger = options.logger
    this.#onCommitted = options.onCommitted
  }

  /** Snapshots that wait for their commit. */
  get queued(): number {
    return this.#queue.length
  }

  /**
   * Validates and stores one report.
   *
   * @param body the report as it came off the wire
   * @param key idempotency key, or undefined
   * @throws {InvalidSnapshotError | IdempotencyConflictError | OverloadedError | StorageUnavailableError}
   */
  async save(body: unknown, key?: unknown): Promise<SavedSnapshot> {
    const { report, bodyHash } = parseReport(body)
    const draft: SnapshotDraft = {
      id: randomUUID(),
      ts: report.ts === undefined ? new Date() : new Date(report.ts),
      pid: report.pid ?? null,
      onchain: report.onchain,
      onsite: report.onsite,
      idempotencyKey: key === undefined ? null : parseIdempotencyKey(key),
      bodyHash,
    }
    const outcome = await this.#enqueue(draft)
    if (outcome.kind === 'conflict') {
      throw new IdempotencyConflictError('this idempotency key was used before with a different body', {
        hint: 'Use a new key for a new snapshot.',
        details: { id: outcome.snapshot.id },
      })
    }
    return { snapshot: outcome.snapshot, repeated: outcome.kind === 'repeated' }
  }

  /** Refuses new snapshots and waits for those in the queue. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#drained
  }

  #enqueue(draft: SnapshotDraft): Promise<CommitOutcome> {
    if (this.#closed)
      throw new ClosedError('the service is shutting down', { hint: 'Send the snapshot again in a moment.' })
    if (this.#queue.length >= QUEUE_MAX) {
      throw new OverloadedError(`${QUEUE_MAX} snapshots are waiting for the database`, {
        hint: 'Send the snapshot again in a second.',
      })
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ draft, resolve, reject })
      if (!this.#busy) this.#drained = this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#busy = true
    try {
      // Lets everything that arrived in this turn of the event loop join the first batch.
      await Promise.resolve()
      while (this.#queue.length > 0) await this.#commit(this.#takeBatch())
    } finally {
      this.#busy = false
    }
  }

  /** The next batch, in order of arrival. A second snapshot with a key of the batch waits for the next one. */
  #takeBatch(): Waiting[] {
    const keys = new Set<string>()
    const batch: Waiting[] = []
    const later: Waiting[] = []
    for (const waiting of this.#queue) {
      const key = waiting.draft.idempotencyKey
      if (batch.length >= BATCH_MAX || (key !== null && keys.has(key))) {
        later.push(waiting)
        continue
      }
      if (key !== null) keys.add(key)
      batch.push(waiting)
    }
    this.#queue = later
    return batch
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#store.commit(batch.map((waiting) => waiting.draft))
      batch.forEach((waiting, index) => {
        const outcome = outcomes[index]
        if (outcome === undefined) throw new Error('invariant: one outcome per draft')
        waiting.resolve(outcome)
      })
      this.#onCommitted()
    } catch (error) {
      this.#logger.error({ error: messageOf(error), snapshots: batch.length }, 'snapshots could not be stored')
      const failure = new StorageUnavailableError('the snapshot could not be stored', {
        cause: error,
        hint: 'Send it again with the same idempotency key.',
      })
      for (const waiting of batch) waiting.reject(failure)
    }
  }
}
