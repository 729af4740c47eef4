import { setTimeout as sleep } from 'node:timers/promises'

import { messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { Database, DatabaseUnavailableError } from './database.js'
import type { DatabaseAddress } from './database.js'
import { startEmbeddedPostgres } from './embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from './embedded/start-embedded-postgres.js'

/** How long a start waits for a server that does not answer yet. */
const CONNECT_ATTEMPTS = 8
const CONNECT_WAIT_MS = 250
const RESTART_WAIT_MS_MAX = 10_000

export interface DatabaseSettings {
  /** A PostgreSQL server; null starts the embedded one. */
  readonly databaseUrl: string | null
  readonly dataDir: string
  readonly signal?: AbortSignal | undefined
}

export interface DatabaseConnection {
  readonly database: Database
  close(): Promise<void>
}

/** Connects to the database that the settings name and checks that it keeps what it acknowledges. */
export async function connectDatabase(settings: DatabaseSettings, logger: Logger): Promise<DatabaseConnection> {
  const log = logger.child({ component: 'database' })
  if (settings.databaseUrl !== null) return connect({ connectionString: settings.databaseUrl }, log, settings.signal)
  return EmbeddedDatabase.open(settings, log)
}

/** The embedded server with its connections: when the server dies, it is started again and the connections follow. */
class EmbeddedDatabase implements DatabaseConnection {
  readonly #settings: DatabaseSettings
  readonly #logger: Logger
  readonly #abort = new AbortController()
  #server: EmbeddedPostgres
  #connection: DatabaseConnection
  #restarting: Promise<void> = Promise.resolve()

  private constructor(
    settings: DatabaseSettings,
    logger: Logger,
    started: { server: EmbeddedPostgres; connection: DatabaseConnection },
  ) {
    this.#settings = settings
    this.#logger = logger
    this.#server = started.server
    this.#connection = started.connection
  }

  static async open(settings: DatabaseSettings, logger: Logger): Promise<DatabaseConnection> {
    let opened: EmbeddedDatabase | null = null
    const onServerExit = (reason: string): void => opened?.restart(reason)
    const server = await startEmbeddedPostgres({ ...settings, logger, onServerExit })
    try {
      opened = new EmbeddedDatabase(settings, logger, { server, connection: await connect(server.connection, logger) })
      return opened
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get database(): Database {
    return this.#connection.database
  }

  /** A server that dies while it is being started again is started once more after that. */
  restart(reason: string): void {
    if (this.#abort.signal.aborted) return
    this.#logger.error({ reason }, 'embedded database server is gone, starting it again')
    this.#restarting = this.#restarting.then(() => this.#restart())
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#restarting
    await this.#connection.close()
    await this.#server.stop()
  }

  async #restart(): Promise<void> {
    const { signal } = this.#abort
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.#server.stop()
        const onServerExit = (reason: string): void => this.restart(reason)
        this.#server = await startEmbeddedPostgres({ ...this.#settings, logger: this.#logger, signal, onServerExit })
        await this.database.moveTo(this.#server.connection)
        this.#logger.info({ attempt }, 'embedded database server runs again')
        return
      } catch (error) {
        if (signal.aborted) return
        this.#logger.error(
          { attempt, error: messageOf(error) },
          'embedded database server could not be started, trying again',
        )
        await sleep(Math.min(RESTART_WAIT_MS_MAX, CONNECT_WAIT_MS * attempt), undefined, { signal }).catch(
          () => undefined,
        )
      }
    }
  }
}

async function connect(address: DatabaseAddress, logger: Logger, signal?: AbortSignal): Promise<DatabaseConnection> {
  const database = new Database(address, logger)
  try {
    await checkWithRetries(database, logger, signal)
    return { database, close: () => database.close() }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function checkWithRetries(database: Database, logger: Logger, signal?: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await database.checkDurability()
    } catch (error) {
      const final = attempt === CONNECT_ATTEMPTS || signal?.aborted === true
      if (!(error instanceof DatabaseUnavailableError) || final) throw error
      logger.warn({ attempt, error: messageOf(error) }, 'database does not answer yet, trying again')
      await sleep(CONNECT_WAIT_MS * attempt)
    }
  }
}
