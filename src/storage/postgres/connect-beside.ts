import type { Logger } from '../../model/logger.js'
import { connectDatabase } from './connect-database.js'
import type { DatabaseConnection, DatabaseSettings } from './connect-database.js'
import { Database } from './database.js'
import { DataDirectoryLockedError } from './embedded/embedded-errors.js'
import { findRunningServer } from './embedded/find-running-server.js'

/**
 * Connects to the configured database, also to an embedded one that a running service owns: as a guest then, through
 * the socket that only the same user and root may enter. The service stays its owner, and a guest never stops it.
 *
 * @throws {DataDirectoryLockedError} when the owner's server cannot be reached, because it is only starting for one.
 */
export async function connectBeside(settings: DatabaseSettings, logger: Logger): Promise<DatabaseConnection> {
  try {
    return await connectDatabase(settings, logger)
  } catch (error) {
    if (!(error instanceof DataDirectoryLockedError)) throw error
    const address = findRunningServer(settings.dataDir)
    if (address === null) throw error
    const database = new Database(address, logger.child({ component: 'database' }))
    return { database, close: () => database.close() }
  }
}
