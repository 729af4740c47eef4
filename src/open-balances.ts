import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from './config/config.js'
import { EventTailer } from './events/event-tailer.js'
import type { LogBreak } from './events/event-tailer.js'
import type { BalanceReader } from './ledger/balance-reader.js'
import type { RecordReader } from './ledger/record-reader.js'
import type { WatchListStore } from './ledger/watch-list-store.js'
import type { LeaseStore } from './leases/lease-store.js'
import { chainLeaseName, decodeChainReport, staleReasonOf } from './model/chain-report.js'
import { systemClock } from './model/clock.js'
import { TidemarkError } from './model/errors.js'
import type { LoggedEvent } from './model/event.js'
import { silentLogger } from './model/logger.js'
import type { Logger } from './model/logger.js'
import { PostgresBalanceReader } from './storage/postgres/balance-reader.js'
import { connectBeside } from './storage/postgres/connect-beside.js'
import type { DatabaseConnection } from './storage/postgres/connect-database.js'
import { findRunningServer } from './storage/postgres/embedded/find-running-server.js'
import { PostgresEventLog } from './storage/postgres/event-log.js'
import { PostgresLeaseStore } from './storage/postgres/lease-store.js'
import { SchemaMismatchError, readMigrations, readVersion } from './storage/postgres/migrate.js'
import { PostgresRecordReader } from './storage/postgres/record-reader.js'
import { PostgresWatchListStore } from './storage/postgres/watch-list-store.js'

/** There is no database yet, or nothing of ours is in it. */
export class NoDatabaseError extends TidemarkError {
  readonly code = 'no_database'
}

export interface EventListener {
  readonly onEvent: (event: LoggedEvent) => void
  /** Events were passed over: what follows does not join what came before. */
  readonly onBreak: (reason: LogBreak) => void
}

export interface OpenBalancesOptions {
  /** Only a database that others may write to: an embedded one that no service runs on never changes. */
  readonly live?: boolean | undefined
}

/** What the database holds, for commands that run beside the service or instead of it. */
export interface OpenBalances extends AsyncDisposable {
  readonly reader: BalanceReader
  readonly records: RecordReader
  /** Why balances of a chain may be out of date, as the process tells that follows it; null while all is well. */
  staleReason(chainId: bigint): Promise<string | null>
  readonly watchList: WatchListStore
  /** Hands over each event from now on, once and in order, until it is closed. */
  follow(listener: EventListener): Promise<{ close(): Promise<void> }>
  close(): Promise<void>
}

/**
 * Opens the configured database to read balances and to change the watch list; an embedded one is reached while a service
 * runs on it, too. Neither a database nor its schema is made or changed here.
 *
 * @throws {NoDatabaseError | SchemaMismatchError | TidemarkError} when the database cannot be used.
 */
export async function openBalances(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  logger: Logger = silentLogger,
  { live = false }: OpenBalancesOptions = {},
): Promise<OpenBalances> {
  if (config.databaseUrl === null && !existsSync(join(config.dataDir, 'postgres', 'PG_VERSION'))) {
    throw noDatabase(`expected the data of Tidemark in ${config.dataDir}, got nothing`)
  }
  if (live && config.databaseUrl === null && findRunningServer(config.dataDir) === null) {
    throw noDatabase(`expected a service that runs on ${config.dataDir}, got none: nothing would change`)
  }
  const connection = await connectBeside(config, logger)
  const close = (): Promise<void> => connection.close()
  try {
    await checkSchema(connection)
  } catch (error) {
    await close()
    throw error
  }
  const { database } = connection
  const leases = new PostgresLeaseStore(database)
  return {
    reader: new PostgresBalanceReader(database),
    records: new PostgresRecordReader(database),
    watchList: new PostgresWatchListStore(database),
    staleReason: (chainId) => staleReason(leases, chainId),
    follow: async ({ onEvent, onBreak }) => {
      const tailer = new EventTailer({ log: new PostgresEventLog(database, logger), clock: systemClock, logger })
      tailer.subscribe(onEvent)
      tailer.onBreak(onBreak)
      await tailer.start()
      return tailer
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function staleReason(leases: LeaseStore, chainId: bigint): Promise<string | null> {
  const held = await leases.look(chainLeaseName(chainId))
  if (held === null) return 'no service follows this chain'
  return staleReasonOf(decodeChainReport(held.note) ?? { state: 'syncing', reason: 'a service has just begun' })
}

async function checkSchema({ database }: DatabaseConnection): Promise<void> {
  const [version, migrations] = await Promise.all([readVersion(database), readMigrations()])
  if (version === 0) throw noDatabase('expected a database of Tidemark, got one without its schema')
  if (version === migrations.length) return
  throw new SchemaMismatchError(
    `expected a database schema of version ${migrations.length}, got version ${version}`,
    version < migrations.length
      ? { hint: 'Start the service with this version of Tidemark, or run: tidemark migrate' }
      : { hint: 'Use a version of Tidemark that is at least as new as the service.' },
  )
}

function noDatabase(message: string): NoDatabaseError {
  return new NoDatabaseError(message, {
    hint: 'Name a running service with --url, or a database with DATABASE_URL or TIDEMARK_DATA_DIR; tidemark start makes one.',
  })
}
