import { Lane } from '../lane.js'
import { DatabaseUnavailableError } from './database-errors.js'
import type { Database, Queryable, Statement } from './database.js'

/** Connections that callers who read may hold at a time: less than half of all, the rest is for what has to be stored. */
const READING_MAX = 5

/**
 * Statements of those who read. However many they are and however long they take, connections are left for snapshots,
 * blocks and events.
 */
export class ReadingLane implements Queryable {
  readonly #database: Database
  readonly #lane: Lane

  constructor(database: Database) {
    this.#database = database
    this.#lane = new Lane({
      runningMax: READING_MAX,
      // As long as one would wait for a connection.
      turnTimeoutMs: database.limits.connectTimeoutMs,
      onBusy: () =>
        new DatabaseUnavailableError('all connections for reading are busy', { trouble: 'busy', sent: false }),
    })
  }

  /** @throws {DatabaseUnavailableError} also when the others took too long. */
  query<Row extends object>(statement: Statement): Promise<readonly Row[]> {
    return this.#lane.run(() => this.#database.query<Row>(statement))
  }
}
