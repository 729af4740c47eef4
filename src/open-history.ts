import { networkTransport } from './chain/rpc/node-transport.js'
import type { Config } from './config/config.js'
import { HistoryKeeper } from './history-keeper.js'
import type { LedgerStore } from './ledger/ledger-store.js'
import type { BalanceReader } from './ledger/balance-reader.js'
import { systemClock } from './model/clock.js'
import { silentLogger } from './model/logger.js'
import type { Logger } from './model/logger.js'
import { DATABASE_WAIT_MS, untilDatabaseAnswers } from './storage/postgres/await-database.js'
import { openPostgresStorage } from './storage/postgres/postgres-storage.js'

/** History without following any chain, for commands that run beside the service or instead of it. */
export interface OpenHistory extends AsyncDisposable {
  readonly keeper: HistoryKeeper
  readonly reader: BalanceReader
  /** Notes of what was put right. */
  readonly corrections: LedgerStore['corrections']
  close(): Promise<void>
}

/**
 * Opens the configured database for work on the history. The watch list stays as the service left it.
 *
 * @throws {TidemarkError} when the database cannot be used, an embedded one that a running service owns for one.
 */
export async function openHistory(
  config: Pick<Config, 'chains' | 'databaseUrl' | 'dataDir'>,
  logger: Logger = silentLogger,
): Promise<OpenHistory> {
  const { chains, databaseUrl, dataDir } = config
  const storage = await untilDatabaseAnswers(() => openPostgresStorage({ databaseUrl, dataDir }, logger), {
    waitMs: DATABASE_WAIT_MS,
    logger,
  })
  const keeper = new HistoryKeeper({
    chains,
    store: storage.ledger,
    clock: systemClock,
    transport: networkTransport,
    logger,
  })
  const close = async (): Promise<void> => {
    await keeper.close()
    await storage.close()
  }
  return {
    keeper,
    reader: storage.reader,
    corrections: (positionId, limit) => storage.ledger.corrections(positionId, limit),
    close,
    [Symbol.asyncDispose]: close,
  }
}
