import type { CommitOutcome, SnapshotDraft } from './snapshot-store.js'

/** Entries that were taken out are cut off when there are this many of them, and more than of those that wait. */
const CUT_OFF_MIN = 1024

/** What became of a snapshot that waited. */
export type Settlement =
  | CommitOutcome
  /** The database cannot store it, now or ever. */
  | { readonly kind: 'refused'; readonly cause: unknown }
  /** It is surely not stored. */
  | { readonly kind: 'not-stored'; readonly cause: unknown }
  /** It was sent to the database, which did not say what became of it. */
  | { readonly kind: 'unknown'; readonly cause: unknown }

/** A snapshot that waits for its commit. */
export interface Waiting {
  readonly draft: SnapshotDraft
  /** About what it takes in memory and on the wire. */
  readonly bytes: number
  /** When it came, by the monotonic clock. */
  readonly sinceMs: number
  readonly settle: (settlement: Settlement) => void
}

/** First come, first served. Each entry costs the same, however many wait. */
export class WaitingLine {
  #entries: Waiting[] = []
  /** Where the line begins: entries before it were taken out. */
  #head = 0
  #bytes = 0

  get length(): number {
    return this.#entries.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The one that waits longest. */
  get first(): Waiting | undefined {
    return this.#entries[this.#head]
  }

  push(waiting: Waiting): void {
    this.#entries.push(waiting)
    this.#bytes += waiting.bytes
  }

  /** Takes out the longest waiting ones, as long as `fits` says so of the next one. */
  takeWhile(fits: (next: Waiting, taken: { readonly count: number; readonly bytes: number }) => boolean): Waiting[] {
    const start = this.#head
    let bytes = 0
    for (let next = this.first; next !== undefined; next = this.first) {
      if (!fits(next, { count: this.#head - start, bytes })) break
      bytes += next.bytes
      this.#head += 1
    }
    const taken = this.#entries.slice(start, this.#head)
    this.#bytes -= bytes
    this.#cutOff()
    return taken
  }

  #cutOff(): void {
    if (this.#head < CUT_OFF_MIN && this.length > 0) return
    if (this.#head < this.length) return
    this.#entries = this.#entries.slice(this.#head)
    this.#head = 0
  }
}
