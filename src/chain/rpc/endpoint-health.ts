import type { Clock } from '../../model/clock.js'

/** How long an endpoint that failed is passed over while another one is left. */
const DOWN_MS = 2000
const DOWN_MS_MAX = 5 * 60_000
/** How fast the rest grows of an endpoint that goes on naming heads which nobody has, and after how long it is trusted again. */
const UNFOUNDED_FACTOR = 4
const UNFOUNDED_FORGOTTEN_MS = 10 * 60_000
/** An endpoint of another chain is not tried again for this long. */
const QUARANTINE_MS = 10 * 60_000
/** Weight of the newest measurement. */
const NEWEST_WEIGHT = 0.2
/** What was measured counts half after this time, so that a slow endpoint gets another chance. */
const HALF_LIFE_MS = 60_000
/** What a missing block costs in the comparison of endpoints, in milliseconds of latency; and the most that counts. */
const LAG_COST_MS = 500
const LAG_BLOCKS_MAX = 20
/** One block behind is how a chain spreads, no fault. */
const LAG_BLOCKS_FREE = 1
/** What an endpoint costs that fails every time. */
const FAILURE_COST_MS = 5000

/** How well one endpoint does: from its failures, its latency, and how far behind the others its head is. */
export class EndpointHealth {
  readonly #clock: Clock
  #failures = 0
  #failureShare = 0
  #downUntilMs = Number.NEGATIVE_INFINITY
  #latencyMs: number | null = null
  #measuredAtMs = 0
  #head: bigint | null = null
  /** Heads in a row that nobody had, and when the last one was named. */
  #unfounded = 0
  #unfoundedAtMs = 0
  #lagBlocks: number | null = null
  lastError: string | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Milliseconds until the endpoint may be tried again; 0 when it may be used. */
  get downMs(): number {
    return Math.max(0, this.#downUntilMs - this.#clock.monotonicMs())
  }

  /** Average time to an answer; null before the first one. */
  get latencyMs(): number | null {
    return this.#latencyMs
  }

  /** The newest block it has shown; null while its word on that does not count. */
  get head(): bigint | null {
    return this.#isTrusted ? this.#head : null
  }

  /** How far its head was behind the best one known, when it was last seen. */
  get lagBlocks(): number | null {
    return this.#lagBlocks
  }

  /** What using it costs in comparison with others, as milliseconds of latency. */
  get costMs(): number {
    const behind = Math.min(LAG_BLOCKS_MAX, Math.max(0, (this.#lagBlocks ?? 0) - LAG_BLOCKS_FREE))
    return ((this.#latencyMs ?? 0) + this.#failureShare * FAILURE_COST_MS + behind * LAG_COST_MS) * this.#faded
  }

  answered(durationMs: number): void {
    this.#latencyMs =
      this.#latencyMs === null ? durationMs : (1 - NEWEST_WEIGHT) * this.#latencyMs + NEWEST_WEIGHT * durationMs
    this.#fade()
  }

  sawHead(head: bigint, best: bigint): void {
    this.#head = head
    this.#lagBlocks = best > head ? Number(best - head) : 0
    this.#fade()
  }

  /** The head it was compared with was none. */
  forgetLag(): void {
    this.#lagBlocks = null
  }

  succeeded(): void {
    this.#failures = 0
    this.#fade()
    this.#failureShare /= 2
    this.#downUntilMs = Number.NEGATIVE_INFINITY
    this.lastError = null
  }

  /** @param restMs how long the endpoint itself asked to be left alone; undefined when it did not */
  failed(message: string, restMs: number | undefined): void {
    this.#failures += 1
    this.#fade()
    this.#failureShare = (1 - NEWEST_WEIGHT) * this.#failureShare + NEWEST_WEIGHT
    this.lastError = message
    const growing = Math.min(DOWN_MS_MAX, DOWN_MS * 2 ** Math.min(this.#failures - 1, 20))
    // Never before the time that the endpoint asked for.
    this.#rest(restMs === undefined ? growing * (0.75 + this.#clock.random() / 2) : restMs)
  }

  /** It named a head that no endpoint has. */
  namedUnfoundedHead(message: string): void {
    this.#unfounded = this.#isTrusted ? 1 : this.#unfounded + 1
    this.#unfoundedAtMs = this.#clock.monotonicMs()
    this.#failures += 1
    this.lastError = message
    this.#rest(Math.min(DOWN_MS_MAX, DOWN_MS * UNFOUNDED_FACTOR ** Math.min(this.#unfounded - 1, 10)))
  }

  /** It serves another chain. */
  quarantine(message: string): void {
    this.#failures += 1
    this.lastError = message
    this.#rest(QUARANTINE_MS)
  }

  get #isTrusted(): boolean {
    return this.#unfounded === 0 || this.#clock.monotonicMs() - this.#unfoundedAtMs > UNFOUNDED_FORGOTTEN_MS
  }

  /** What is left of the last measurements' weight. */
  get #faded(): number {
    return 0.5 ** ((this.#clock.monotonicMs() - this.#measuredAtMs) / HALF_LIFE_MS)
  }

  #fade(): void {
    this.#failureShare *= this.#faded
    this.#measuredAtMs = this.#clock.monotonicMs()
  }

  #rest(durationMs: number): void {
    this.#downUntilMs = this.#clock.monotonicMs() + durationMs
  }
}
