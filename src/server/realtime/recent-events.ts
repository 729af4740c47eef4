import type { EncodedEvent } from './encoded-event.js'

const EVENTS_MAX = 5000
const BYTES_MAX = 8 * 1024 * 1024

/**
 * The newest events, so that a client that was away for a moment costs the database nothing.
 *
 * Invariant: what is kept has no gap.
 */
export class RecentEvents {
  #events: EncodedEvent[] = []
  /** Entries before this one are dropped; the list is cut now and then rather than with each event. */
  #start = 0
  #bytes = 0

  /** Events that are kept. */
  get size(): number {
    return this.#events.length - this.#start
  }

  add(event: EncodedEvent): void {
    const last = this.#events.at(-1)
    if (last !== undefined && last.seq + 1n !== event.seq) this.#clear()
    this.#events.push(event)
    this.#bytes += event.bytes
    while (this.size > EVENTS_MAX || (this.#bytes > BYTES_MAX && this.size > 1)) {
      this.#bytes -= this.#events[this.#start]?.bytes ?? 0
      this.#start += 1
    }
    if (this.#start > EVENTS_MAX / 5) {
      this.#events = this.#events.slice(this.#start)
      this.#start = 0
    }
  }

  /** The log has no gap: it is another log now. */
  #clear(): void {
    this.#events = []
    this.#start = 0
    this.#bytes = 0
  }

  /** Up to so many events after `seq`; null when the next one is not kept. */
  after(seq: bigint, limit: number): readonly EncodedEvent[] | null {
    const first = this.#events[this.#start]
    if (first === undefined) return null
    const index = this.#start + Number(seq + 1n - first.seq)
    if (index < this.#start || index >= this.#events.length) return null
    return this.#events.slice(index, index + limit)
  }
}
