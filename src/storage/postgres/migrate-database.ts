import { silentLogger } from '../../model/logger.js'
import type { Logger } from '../../model/logger.js'
import { DATABASE_WAIT_MS, untilDatabaseAnswers } from './await-database.js'
import { connectDatabase } from './connect-database.js'
import type { DatabaseSettings } from './connect-database.js'
import { migrate } from './migrate.js'
import type { MigrationReport } from './migrate.js'

/** Brings the schema of the configured database up to date, and nothing else. */
export async function migrateDatabase(
  config: Pick<DatabaseSettings, 'databaseUrl' | 'dataDir'>,
  logger: Logger = silentLogger,
): Promise<MigrationReport> {
  return untilDatabaseAnswers(
    async () => {
      const connection = await connectDatabase(config, logger)
      try {
        return await migrate(connection.database, logger)
      } finally {
        await connection.close()
      }
    },
    { waitMs: DATABASE_WAIT_MS, logger },
  )
}
