import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type pg from 'pg'

import { ConfigurationError } from '../../../model/errors.js'
import type { Logger } from '../../../model/logger.js'
import type { DatabaseSettings } from '../connect-database.js'
import { DatabaseUnavailableError } from '../database-errors.js'
import { Database } from '../database.js'
import { startEmbeddedPostgres } from '../embedded/start-embedded-postgres.js'
import { claimDatabase, openSession } from './transfer-session.js'

/** One end of a transfer: a database that this process alone works with. */
export interface TransferEnd {
  readonly database: Database
  readonly session: pg.Client
  /** What it is called in messages, without secrets. */
  readonly called: string
  close(): Promise<void>
}

type EndSettings = Pick<DatabaseSettings, 'databaseUrl' | 'dataDir'>

/**
 * Opens a database for a transfer: the embedded one as its owner, a server's with the only session that carries rows.
 *
 * @throws {DataDirectoryLockedError | DatabaseInUseError} while a service works with it
 * @throws {DatabaseUnavailableError | ConfigurationError}
 */
export async function openEnd(settings: EndSettings, called: string, logger: Logger): Promise<TransferEnd> {
  const log = logger.child({ component: 'database' })
  const embedded =
    settings.databaseUrl === null ? await startEmbeddedPostgres({ dataDir: settings.dataDir, logger: log }) : null
  const database = new Database(embedded?.connection ?? { connectionString: settings.databaseUrl ?? '' }, log)
  const close = async (): Promise<void> => {
    await database.close()
    await embedded?.stop()
  }
  try {
    const session = await openSession(database)
    await claimDatabase(session, { called })
    return { database, session, called, close }
  } catch (error) {
    await close()
    throw named(error, called)
  }
}

/** Of two databases, which one it is that does not answer. */
function named(error: unknown, called: string): unknown {
  if (!(error instanceof DatabaseUnavailableError)) return error
  const { trouble, sent, hint } = error
  const options = { cause: error, trouble, sent, ...(hint === undefined ? {} : { hint }) }
  return new DatabaseUnavailableError(`${called}: ${error.message}`, options)
}

/**
 * Refuses an embedded database that was never made, instead of making it.
 *
 * @throws {ConfigurationError}
 */
export function requireEmbedded({ databaseUrl, dataDir }: EndSettings): void {
  if (databaseUrl !== null || existsSync(join(dataDir, 'postgres'))) return
  throw new ConfigurationError(`TIDEMARK_DATA_DIR: expected a directory with a database, got none in ${dataDir}`, {
    hint: 'Run the command where the service runs, or let TIDEMARK_DATA_DIR or DATABASE_URL name what it uses.',
  })
}
