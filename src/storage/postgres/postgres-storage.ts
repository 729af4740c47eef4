import type { ApiKeyStore } from '../../access/api-key-store.js'
import type { EventLog } from '../../events/event-log.js'
import type { BalanceReader } from '../../ledger/balance-reader.js'
import type { LedgerStore } from '../../ledger/ledger-store.js'
import type { WatchListStore } from '../../ledger/watch-list-store.js'
import type { SnapshotStore } from '../../snapshots/snapshot-store.js'
import type { Logger } from '../../model/logger.js'
import { PostgresApiKeyStore } from './api-key-store.js'
import { PostgresBalanceReader } from './balance-reader.js'
import { connectDatabase } from './connect-database.js'
import type { DatabaseSettings } from './connect-database.js'
import { PostgresEventLog } from './event-log.js'
import { PostgresLedgerStore } from './ledger-store.js'
import { migrate } from './migrate.js'
import { PostgresSnapshotStore } from './snapshot-store.js'
import { PostgresWatchListStore } from './watch-list-store.js'

/** Every port of the core, kept in one PostgreSQL database. */
export interface Storage {
  readonly ledger: LedgerStore
  readonly watchList: WatchListStore
  readonly reader: BalanceReader
  readonly events: EventLog
  readonly snapshots: SnapshotStore
  readonly apiKeys: ApiKeyStore
  /** @throws {DatabaseUnavailableError} when the database does not answer. */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * Connects to the server that is named, or starts the embedded one, and brings the schema up to date.
 *
 * @throws {DataDirectoryLockedError | SchemaMismatchError | DatabaseUnavailableError}
 */
export async function openPostgresStorage(settings: DatabaseSettings, logger: Logger): Promise<Storage> {
  const connection = await connectDatabase(settings, logger)
  const { database } = connection
  try {
    await migrate(database, logger)
  } catch (error) {
    await connection.close()
    throw error
  }
  return {
    ledger: new PostgresLedgerStore(database),
    watchList: new PostgresWatchListStore(database),
    reader: new PostgresBalanceReader(database),
    events: new PostgresEventLog(database, logger),
    snapshots: new PostgresSnapshotStore(database),
    apiKeys: new PostgresApiKeyStore(database),
    ping: async () => {
      await database.query({ name: 'ping', text: 'select 1' })
    },
    close: () => connection.close(),
  }
}
