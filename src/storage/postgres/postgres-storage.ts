import type { ApiKeyStore } from '../../access/api-key-store.js'
import type { ConsumerStore } from '../../events/consumer-store.js'
import type { EventLog } from '../../events/event-log.js'
import type { LeaseStore } from '../../leases/lease-store.js'
import type { BalanceReader } from '../../ledger/balance-reader.js'
import type { RecordReader } from '../../ledger/record-reader.js'
import type { LedgerStore } from '../../ledger/ledger-store.js'
import type { WatchListStore } from '../../ledger/watch-list-store.js'
import type { SnapshotReader } from '../../snapshots/snapshot-reader.js'
import type { SnapshotUpkeep } from '../../snapshots/snapshot-upkeep.js'
import type { SnapshotStore } from '../../snapshots/snapshot-store.js'
import type { Logger } from '../../model/logger.js'
import type { RecordSource } from '../mongodb/record-source.js'
import { PostgresApiKeyStore } from './api-key-store.js'
import { PostgresBalanceReader } from './balance-reader.js'
import { connectDatabase, unlessAborted } from './connect-database.js'
import type { DatabaseSettings } from './connect-database.js'
import { PostgresConsumerStore } from './event-consumers.js'
import { AnnouncedCoverage } from '../mongodb/announced-coverage.js'
import type { RecordContext } from '../mongodb/record-reader.js'
import { PostgresCoverageReader } from './coverage-runs.js'
import { PostgresEventLog } from './event-log.js'
import { PostgresLedgerStore } from './ledger-store.js'
import { PostgresLeaseStore, freeLeases } from './lease-store.js'
import { migrate } from './migrate.js'
import { PostgresRecordSource } from './record-source.js'
import { ReadingLane } from './reading-lane.js'
import { PostgresRecordReader } from './record-reader.js'
import { PostgresSnapshotReader } from './snapshot-reader.js'
import { PostgresSnapshotUpkeep } from './snapshot-upkeep.js'
import { PostgresSnapshotStore } from './snapshot-store.js'
import { PostgresUnannouncedHistory } from './unannounced-history.js'
import { PostgresWatchListStore } from './watch-list-store.js'

/** Every port of the core, kept in one PostgreSQL database. */
export interface Storage {
  readonly ledger: LedgerStore
  readonly watchList: WatchListStore
  readonly reader: BalanceReader
  readonly records: RecordReader
  readonly events: EventLog
  readonly consumers: ConsumerStore
  readonly snapshots: SnapshotStore
  readonly apiKeys: ApiKeyStore
  readonly leases: LeaseStore
  /** What readers of a copy of the records ask for. */
  readonly recordContext: RecordContext
  /** What a copy of the records is made from. */
  readonly recordSource: RecordSource
  readonly snapshotReader: SnapshotReader
  readonly snapshotUpkeep: SnapshotUpkeep
  /**
   * Whether the database can be worked with, known within seconds.
   *
   * @throws {DatabaseUnavailableError}
   */
  ping(): Promise<void>
  close(): Promise<void>
}

/**
 * Connects to the server that is named, or starts the embedded one, and brings the schema up to date. Tries once.
 *
 * @throws {DatabaseUnavailableError} when it may be there later
 * @throws {ConfigurationError | DataDirectoryLockedError | SchemaMismatchError} when waiting does not help
 */
export async function openPostgresStorage(settings: DatabaseSettings, logger: Logger): Promise<Storage> {
  const connection = await connectDatabase(settings, logger)
  const { database } = connection
  try {
    await unlessAborted(settings.signal, database, async () => {
      await migrate(database, logger)
      // An embedded server has one owner, so what a crash left need not run out first.
      if (settings.databaseUrl === null) await freeLeases(database)
    })
  } catch (error) {
    await connection.close()
    throw error
  }
  const reading = new ReadingLane(database)
  const reader = new PostgresBalanceReader(reading)
  const events = new PostgresEventLog(database, logger)
  return {
    ledger: new PostgresLedgerStore(database),
    watchList: new PostgresWatchListStore(database),
    reader,
    records: new PostgresRecordReader(reading),
    events,
    consumers: new PostgresConsumerStore(database),
    snapshots: new PostgresSnapshotStore(database),
    apiKeys: new PostgresApiKeyStore(database),
    leases: new PostgresLeaseStore(database),
    recordContext: {
      source: new PostgresRecordSource(reading, events),
      coverage: new AnnouncedCoverage(new PostgresCoverageReader(reading), new PostgresUnannouncedHistory(reading)),
      positions: reader,
    },
    recordSource: new PostgresRecordSource(database, events),
    snapshotReader: new PostgresSnapshotReader(reading),
    snapshotUpkeep: new PostgresSnapshotUpkeep(database),
    ping: () => database.ping(),
    close: () => connection.close(),
  }
}
