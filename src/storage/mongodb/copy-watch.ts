import { setTimeout as sleep } from 'node:timers/promises'

import { RetryableError } from '../../model/errors.js'
import type { CopyPlace, PlaceDocument } from './copy-place.js'
import { concerns, rewrites } from './event-concerns.js'
import type { PositionKeys } from './event-concerns.js'
import { MongoDbUnavailableError } from './mongodb-errors.js'
import type { LogPlace, RecordEvent, RecordSource } from './record-source.js'

/** A copy that keeps up needs some milliseconds; a caller who waits longer than this is better told. */
const CATCH_UP_WAIT_MS = 2000
const FIRST_POLL_MS = 5
const POLL_MAX_MS = 100
/** Events that are looked through at a time. */
const EVENTS_AT_ONCE = 5000
/** A copy that is further behind is not looked after event by event. */
const PENDING_MAX = 20_000n

/** What is in MongoDB is older than what was committed: an answer from there would lack records. */
export class MongoDbBehindError extends RetryableError {
  readonly code = 'records_behind'
}

export interface CopyWatchParts {
  readonly place: Pick<CopyPlace, 'read'>
  readonly source: Pick<RecordSource, 'place' | 'eventsAfter'>
  /** How long to wait for the copy; two seconds unless told. */
  readonly waitMs?: number
}

/**
 * Tells whether MongoDB has all records of some positions, and whether they are still the same: by how far the copy says it
 * is, and by what the log tells from there on. Positions are given by their keys.
 */
export class CopyWatch {
  readonly #parts: CopyWatchParts
  #reading: Promise<PlaceDocument | null> | null = null

  constructor(parts: CopyWatchParts) {
    this.#parts = parts
  }

  /**
   * Resolves when everything that is committed of these positions by now is in MongoDB.
   *
   * @throws {MongoDbBehindError} when it is not within the time
   * @throws {MongoDbUnavailableError} when MongoDB does not say
   */
  async caughtUp(positions: PositionKeys): Promise<void> {
    const deadline = performance.now() + (this.#parts.waitMs ?? CATCH_UP_WAIT_MS)
    // What comes later is not waited for, or a position that always changes would never be answered for.
    const wanted = await this.#parts.source.place()
    let place: PlaceDocument | null = null
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, POLL_MAX_MS)) {
      const found = await this.#readWithin(deadline - performance.now())
      if (found === 'silent') throw pollMs === FIRST_POLL_MS ? silent() : behind(place)
      place = found
      if (place !== null && place.copying === null && !(await this.#lacks(place, wanted, positions))) return
      if (performance.now() + pollMs >= deadline) throw behind(place)
      await sleep(pollMs)
    }
  }

  /**
   * Which copy it is that has all records: another number when they were copied anew since.
   *
   * @throws {MongoDbBehindError} when none has
   * @throws {MongoDbUnavailableError} when MongoDB does not say
   */
  async generation(): Promise<bigint> {
    const place = await this.#readWithin(this.#parts.waitMs ?? CATCH_UP_WAIT_MS)
    if (place === 'silent') throw silent()
    if (place === null || place.copying !== null) throw behind(place)
    return place.generation
  }

  /** Whether records of positions, each up to a block, were taken back or written anew after a place in the log. */
  rewrittenAfter(place: LogPlace, blocks: ReadonlyMap<string, bigint>): Promise<boolean> {
    return this.#hasAfter(place, null, (event) => rewrites(event, blocks))
  }

  async #lacks(place: PlaceDocument, wanted: LogPlace, positions: PositionKeys): Promise<boolean> {
    if (place.log !== wanted.log) return true
    if (place.seq >= wanted.seq) return false
    if (wanted.seq - place.seq > PENDING_MAX) return true
    return this.#hasAfter(place, wanted.seq, (event) => concerns(event, positions))
  }

  /** True also when the events cannot be told. `upTo` null: up to the newest one. */
  async #hasAfter(
    { log, seq }: LogPlace,
    upTo: bigint | null,
    matches: (event: RecordEvent) => boolean,
  ): Promise<boolean> {
    for (let after = seq; ;) {
      const left = upTo === null ? EVENTS_AT_ONCE : Math.min(EVENTS_AT_ONCE, Number(upTo - after))
      const found = await this.#parts.source.eventsAfter(after, left)
      if (found.log !== log || found.seq < after || found.expired) return true
      if (found.events.some(matches)) return true
      if (found.upto >= (upTo ?? found.seq)) return false
      after = found.upto
    }
  }

  /** However many wait, one asks. */
  async #readWithin(timeoutMs: number): Promise<PlaceDocument | null | 'silent'> {
    this.#reading ??= this.#parts.place.read().finally(() => (this.#reading = null))
    const answered = new AbortController()
    const late = sleep(Math.max(0, timeoutMs), 'silent' as const, { signal: answered.signal }).catch(() => null)
    try {
      return await Promise.race([this.#reading, late])
    } finally {
      answered.abort()
    }
  }
}

function silent(): MongoDbUnavailableError {
  return new MongoDbUnavailableError('expected MongoDB to say how far its records are, got no answer in time', {
    trouble: 'silent',
  })
}

function behind(place: PlaceDocument | null): MongoDbBehindError {
  const hint = 'Ask again a little later. How far MongoDB is behind is told by /metrics and /readyz.'
  if (place === null || place.copying !== null) {
    return new MongoDbBehindError(
      `the records are being copied to MongoDB, ${place?.copying?.copied ?? 0n} so far: until then it cannot answer`,
      { hint },
    )
  }
  return new MongoDbBehindError('MongoDB does not have the newest records yet', {
    hint,
    details: { copiedSeq: place.seq },
  })
}
