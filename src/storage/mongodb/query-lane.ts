import { MongoDbUnavailableError } from './mongodb-errors.js'

/** Queries at a time: half of the connections, the rest is for what has to be written. */
const QUERIES_MAX = 5
/** For others to be done. */
const TURN_TIMEOUT_MS = 5000

interface Waiter {
  readonly enter: () => void
}

/** Lets so many queries run at a time and the others wait, first come, first served. */
export class QueryLane {
  readonly #waiting = new Set<Waiter>()
  #running = 0

  /** @throws {MongoDbUnavailableError} when the others took too long. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < QUERIES_MAX) this.#running += 1
    else await this.#turn()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        reject(new MongoDbUnavailableError('too many queries of MongoDB take too long', { trouble: 'busy' }))
      }, TURN_TIMEOUT_MS)
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
