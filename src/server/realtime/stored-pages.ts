import type { BalanceManager, LoggedEvent } from '../../index.js'
import type { EncodedEvent } from './encoded-event.js'
import { encodeForAll } from './encoded-event.js'

const PAGE_SIZE = 500n
const PAGES_MAX = 24
const BYTES_MAX = 8 * 1024 * 1024
/** Pages that are read at a time, whoever asks. */
const READS_MAX = 4

/**
 * Reads the log for those who have been away longer. After a restart everybody comes back at once and asks for the same
 * pages: each is read once, and a few at a time.
 */
export class StoredPages {
  readonly #read: BalanceManager['events']['read']
  /** By number, those used longest ago first. A page that was not full when it was read is read again when more is needed. */
  readonly #pages = new Map<bigint, { readonly events: readonly EncodedEvent[]; readonly bytes: number }>()
  readonly #reading = new Map<bigint, Promise<readonly EncodedEvent[]>>()
  readonly #waiting: (() => void)[] = []
  #bytes = 0
  #reads = 0

  constructor(read: BalanceManager['events']['read']) {
    this.#read = read
  }

  /** Stored events after `seq`, oldest first: at least one when there is any within the page. */
  async after(seq: bigint): Promise<readonly EncodedEvent[]> {
    const number = seq / PAGE_SIZE
    const kept = this.#pages.get(number)
    if (kept !== undefined && (kept.events.at(-1)?.seq ?? 0n) > seq) {
      this.#pages.delete(number)
      this.#pages.set(number, kept)
      return from(kept.events, seq)
    }
    // A reading that is under way may have begun before the event was there.
    const shared = from((await this.#reading.get(number)) ?? [], seq)
    return shared.length > 0 ? shared : from(await this.#fetch(number), seq)
  }

  #fetch(number: bigint): Promise<readonly EncodedEvent[]> {
    const known = this.#reading.get(number)
    if (known !== undefined) return known
    const reading = this.#fetchInTurn(number).finally(() => this.#reading.delete(number))
    this.#reading.set(number, reading)
    return reading
  }

  async #fetchInTurn(number: bigint): Promise<readonly EncodedEvent[]> {
    if (this.#reads >= READS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#reads += 1
    try {
      const stored = await this.#read(number * PAGE_SIZE, Number(PAGE_SIZE))
      const events = stored.filter((event: LoggedEvent) => event.seq <= (number + 1n) * PAGE_SIZE).map(encodeForAll)
      this.#keep(number, events)
      return events
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reads -= 1
      else next()
    }
  }

  #keep(number: bigint, events: readonly EncodedEvent[]): void {
    this.#drop(number)
    if (events.length === 0) return
    const bytes = events.reduce((sum, event) => sum + event.bytes, 0)
    this.#pages.set(number, { events, bytes })
    this.#bytes += bytes
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= PAGES_MAX && this.#bytes <= BYTES_MAX) break
      this.#drop(oldest)
    }
  }

  #drop(number: bigint): void {
    const page = this.#pages.get(number)
    if (page === undefined) return
    this.#pages.delete(number)
    this.#bytes -= page.bytes
  }
}

function from(events: readonly EncodedEvent[], seq: bigint): readonly EncodedEvent[] {
  const index = events.findIndex((event) => event.seq > seq)
  return index === -1 ? [] : events.slice(index)
}
