/**
 * The time that one may wait for the other end, again and again: it runs only while something is awaited, so that
 * whoever takes long over what came is not cut off for it.
 */
export class Patience {
  readonly #timeoutMs: number
  readonly #controller = new AbortController()
  #isOver = false
  /** Ends when patience is over, or with the signal it was made with. */
  readonly signal: AbortSignal

  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.signal = outer === undefined ? this.#controller.signal : AbortSignal.any([this.#controller.signal, outer])
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Waits for what ends with the signal. */
  async await<Value>(promise: Promise<Value>): Promise<Value> {
    const timer = setTimeout(() => {
      this.#isOver = true
      this.#controller.abort()
    }, this.#timeoutMs)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends whatever is still under way. */
  end(): void {
    this.#controller.abort()
  }
}
