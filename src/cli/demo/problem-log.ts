/** Keeps what went wrong around the service, so that it is told, but not over and over. */
export class ProblemLog {
  readonly #onNew: (problem: string) => void
  #last: string | null = null
  #lastAtMs = 0
  #repeats = 0
  #count = 0

  /** @param onNew called when a problem differs from the one before */
  constructor(onNew: (problem: string) => void) {
    this.#onNew = onNew
  }

  /** How often something went wrong. */
  get count(): number {
    return this.#count
  }

  get last(): string | null {
    return this.#last
  }

  add(problem: string, nowMs: number = Date.now()): void {
    this.#count += 1
    this.#lastAtMs = nowMs
    this.#repeats = problem === this.#last ? this.#repeats + 1 : 1
    if (this.#repeats > 1) return
    this.#last = problem
    this.#onNew(problem)
  }

  /** The newest problem with how often it came in a row; null when it is a minute old or there was none. */
  recent(nowMs: number): string | null {
    if (this.#last === null || nowMs - this.#lastAtMs > recentMs) return null
    return this.#repeats === 1 ? this.#last : `${this.#last} (${this.#repeats} times)`
  }
}

const recentMs = 60_000
