interface Waiter {
  readonly enter: () => void
}

export interface LaneOptions {
  /** So many at a time. */
  readonly runningMax: number
  /** So long one waits for the others. */
  readonly turnTimeoutMs: number
  /** What those are told who waited so long. */
  readonly onBusy: () => Error
}

/** Lets so many pieces of work run at a time and the others wait, first come, first served. */
export class Lane {
  readonly #options: LaneOptions
  readonly #waiting = new Set<Waiter>()
  #running = 0

  constructor(options: LaneOptions) {
    this.#options = options
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#options.runningMax) this.#running += 1
    else await this.#turn()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  #turn(): Promise<void> {
    const { turnTimeoutMs, onBusy } = this.#options
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        reject(onBusy())
      }, turnTimeoutMs)
      const enter = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const waiter = { enter }
      this.#waiting.add(waiter)
    })
  }

  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#running -= 1
      return
    }
    this.#waiting.delete(next)
    next.enter()
  }
}
