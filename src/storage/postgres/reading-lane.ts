import { DatabaseUnavailableError } from './database-errors.js'
import type { Database, Queryable, Statement } from './database.js'

/** Connections that callers who read may hold at a time: less than half of all, the rest is for what has to be stored. */
const READING_MAX = 5

interface Waiter {
  readonly enter: () => void
}

/**
 * Statements of those who read. However many they are and however long they take, connections are left for snapshots,
 * blocks and events.
 */
export class ReadingLane implements Queryable {
  readonly #database: Database
  readonly #waiting = new Set<Waiter>()
  #reading = 0

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws {DatabaseUnavailableError} also when the others took too long. */
  async query<Row extends object>(statement: Statement): Promise<readonly Row[]> {
    if (this.#reading < READING_MAX) this.#reading += 1
    else await this.#turn()
    try {
      return await this.#database.query<Row>(statement)
    } finally {
      this.#leave()
    }
  }

  /** First come, first served; for as long as one would wait for a connection. */
  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        reject(new DatabaseUnavailableError('all connections for reading are busy', { trouble: 'busy', sent: false }))
      }, this.#database.limits.connectTimeoutMs)
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
      this.#reading -= 1
      return
    }
    this.#waiting.delete(next)
    next.enter()
  }
}
