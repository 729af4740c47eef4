import { setTimeout as sleep } from 'node:timers/promises'

import { ConfigurationError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { DatabaseUnavailableError } from './database-errors.js'
import { Database } from './database.js'
import type { DatabaseAddress, DatabaseLimits } from './database.js'
import { startEmbeddedPostgres } from './embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from './embedded/start-embedded-postgres.js'

const RESTART_WAIT_MS = 250
const RESTART_WAIT_MS_MAX = 10_000
/** A server that ran for so long did not die of what the last one died of. */
const STEADY_MS = 60_000

export interface DatabaseSettings {
  /** A PostgreSQL server; null starts the embedded one. */
  readonly databaseUrl: string | null
  readonly dataDir: string
  /** Other limits than the usual ones, for tests. */
  readonly limits?: DatabaseLimits | undefined
  /** Ends the opening; what is open stays open. */
  readonly signal?: AbortSignal | undefined
}

export interface DatabaseConnection {
  readonly database: Database
  close(): Promise<void>
}

/**
 * Connects to the database that the settings name and checks that it keeps what it acknowledges. Tries once.
 *
 * @throws {DatabaseUnavailableError} when it may be there later
 * @throws {ConfigurationError | DataDirectoryLockedError | EmbeddedPostgresStartError} when waiting does not help
 */
export async function connectDatabase(settings: DatabaseSettings, logger: Logger): Promise<DatabaseConnection> {
  const log = logger.child({ component: 'database' })
  if (settings.databaseUrl !== null) return connect({ connectionString: settings.databaseUrl }, settings, log)
  return EmbeddedDatabase.open(settings, log)
}

/**
 * The embedded server with its connections: when the server dies, it is started again and the connections follow. One
 * that dies again and again is started ever more rarely.
 */
class EmbeddedDatabase implements DatabaseConnection {
  readonly #settings: DatabaseSettings
  readonly #logger: Logger
  readonly #abort = new AbortController()
  #server: EmbeddedPostgres
  readonly #connection: DatabaseConnection
  #startedAtMs = performance.now()
  /** Servers lost, or not to be had, since one ran steadily. */
  #failures = 0
  #restarting: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

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
      const connection = await connect(server.connection, settings, logger)
      opened = new EmbeddedDatabase(settings, logger, { server, connection })
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
    const livedMs = performance.now() - this.#startedAtMs
    this.#failures = livedMs > STEADY_MS ? 1 : this.#failures + 1
    this.#tell(reason, 'embedded database server is gone, starting it again')
    this.#restarting = this.#restarting.then(() => this.#restart())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#abort.abort()
    await this.#restarting
    await this.#connection.close()
    await this.#server.stop()
  }

  async #restart(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      // The first time at once: mostly the server was killed, and nothing is the matter with it.
      const waitMs = this.#failures <= 1 ? 0 : RESTART_WAIT_MS * 2 ** (this.#failures - 2)
      await sleep(Math.min(RESTART_WAIT_MS_MAX, waitMs), undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      try {
        await this.#startAgain(signal)
        return
      } catch (error) {
        if (signal.aborted) return
        this.#failures += 1
        this.#tell(messageOf(error), 'embedded database server could not be started, trying again')
      }
    }
  }

  async #startAgain(signal: AbortSignal): Promise<void> {
    // What could not be cleared away must not keep the next server from starting: it settles remains by itself.
    await this.#server.stop().catch((error: unknown) => {
      this.#logger.warn({ error: messageOf(error) }, 'what the embedded database server left could not be cleared away')
    })
    const onServerExit = (reason: string): void => this.restart(reason)
    this.#server = await startEmbeddedPostgres({ ...this.#settings, logger: this.#logger, signal, onServerExit })
    this.#startedAtMs = performance.now()
    this.database.moveTo(this.#server.connection)
    this.database.explain(null)
    this.#logger.info({ failures: this.#failures }, 'embedded database server runs again')
  }

  /** The connections only see that nobody answers; whoever asks for the health is told why. */
  #tell(reason: string, message: string): void {
    const full = /no space left on device/i.test(reason)
    const why = full ? 'the disk of TIDEMARK_DATA_DIR is full' : reason
    this.#logger.error({ reason: why, ...(full ? { detail: reason } : {}), failures: this.#failures }, message)
    this.database.explain(
      new DatabaseUnavailableError(`the embedded database is started again: ${why}`, {
        trouble: full ? 'disk_full' : 'restarting',
      }),
    )
  }
}

async function connect(
  address: DatabaseAddress,
  { signal, limits }: DatabaseSettings,
  logger: Logger,
): Promise<DatabaseConnection> {
  const database = new Database(address, logger, limits)
  const close = (): Promise<void> => database.close()
  try {
    await unlessAborted(signal, database, () => database.checkDurability())
    return { database, close }
  } catch (error) {
    await close()
    throw finalError(error)
  }
}

/** Does some work with a database; when the signal says so, its connections are cut, and the work fails at once. */
export async function unlessAborted<Result>(
  signal: AbortSignal | undefined,
  database: Database,
  work: () => Promise<Result>,
): Promise<Result> {
  const stop = (): void => void database.close(0)
  signal?.addEventListener('abort', stop)
  try {
    if (signal?.aborted === true) stop()
    return await work()
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Waiting does not help against a wrong password, user or database name: at a start that is a wrong setting. */
function finalError(error: unknown): unknown {
  if (!(error instanceof DatabaseUnavailableError) || error.trouble !== 'refused') return error
  return new ConfigurationError(`DATABASE_URL: expected a database that lets this user in, got: ${error.message}`, {
    cause: error,
    hint: 'Check user, password and database name, and that the server lets this machine connect.',
  })
}
