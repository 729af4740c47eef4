export { BalanceManager } from './balance-manager.js'
export type { BalanceManagerConfig, BalanceManagerOptions, StartOptions } from './balance-manager.js'
export { InvalidArgumentError, NotReadyError, NotRunningError, UnknownChainError } from './manager/manager-errors.js'
export type {
  BalancesAtOptions,
  HistoryBounds,
  SeriesOptions,
  TimeRange,
  TotalsOptions,
} from './manager/balance-queries.js'
export type { PositionFilter } from './manager/require-argument.js'
export type { CurrentBalanceView, Health } from './manager/manager-answers.js'
export type { ManagerEvents } from './manager/manager-events.js'
export type { ConsumeOptions, StopConsuming } from './manager/consumer-groups.js'
export type { LogBreak } from './events/event-tailer.js'
export type { ChainMetrics, ChainSummary, ManagerMetrics } from './manager/manager-metrics.js'
export { apiKeyScopes } from './access/api-key.js'
export type { ApiKey, ApiKeyScope, StoredApiKey } from './access/api-key.js'
export type { ApiKeyStore, KeyInForce, KeysInForce } from './access/api-key-store.js'
export { isGeneratedSecret } from './access/make-secret.js'
export type { ChainConfig, Config } from './config/config.js'
export { defineConfig } from './config/define-config.js'
export type { TidemarkConfigInput } from './config/define-config.js'
export { loadConfig } from './config/load-config.js'
export { examine } from './doctor/examine.js'
export type { ExamineOptions } from './doctor/examine.js'
export type { Finding, FindingArea, FindingLevel } from './doctor/finding.js'
export { openApiKeys } from './open-api-keys.js'
export type { NewApiKey, OpenApiKeys } from './open-api-keys.js'
export { NoDatabaseError, openBalances } from './open-balances.js'
export type { EventListener, OpenBalances, OpenBalancesOptions } from './open-balances.js'
export { openHistory } from './open-history.js'
export type { OpenHistory } from './open-history.js'
export type { BackfillOptions, HistorySelection, ProveHistoryOptions, VerifyHistoryOptions } from './history-keeper.js'
export type { Contradiction, ProofReport, ProveProgress } from './ledger/history/prove-records.js'
export type { FillProgress, FillReport } from './ledger/history/fill-history.js'
export type { FoundDifference, VerifyProgress, VerifyReport } from './ledger/history/verify-history.js'
export type { BalanceFilter, BalancePageRequest, BalanceReader, HistoryRequest, Page } from './ledger/balance-reader.js'
export type {
  PastBalancesRequest,
  RecordRange,
  RecordReader,
  SeriesRequest,
  StatsRequest,
} from './ledger/record-reader.js'
export type { Instant } from './model/instant.js'
export type { CoverageInterval } from './model/coverage.js'
export type { RemovalResult } from './ledger/watch-list-store.js'
export { isAddress, parseAddress, toChecksumAddress } from './model/address.js'
export type { Address } from './model/address.js'
export { formatAmount } from './model/amount.js'
export { soleTransactionHash } from './model/balance-record.js'
export type { BalanceRecord, CurrentBalance } from './model/balance-record.js'
export type {
  BalanceBucket,
  BalancePoint,
  BalanceSeries,
  BalanceStats,
  BalanceTotal,
  Certainty,
  CoverageSpan,
  PastBalance,
} from './model/balance-statistics.js'
export { finalityOf } from './model/block.js'
export type { BlockPoint, BlockRef, Finality, FinalityCursors } from './model/block.js'
export type { CoverageKind } from './model/chain-event.js'
export type { ChainState, EndpointStatus } from './model/chain-state.js'
export type { RecordCopyHealth, RecordCopyMetrics } from './model/record-copy.js'
export type { WatchOrigin, WatchedSolver, WatchedToken } from './model/watch-list.js'
export { ConfigurationError, RetryableError, TidemarkError } from './model/errors.js'
export type {
  BalanceChangeEvent,
  BalanceRevertedEvent,
  HistoryExtendedEvent,
  LoggedEvent,
  PositionStartedEvent,
  RevertedItem,
  TidemarkEvent,
  TokenChangedEvent,
} from './model/event.js'
export type { Logger } from './model/logger.js'
export { formatToken, parseToken } from './model/position.js'
export type { Hash, Position, Token } from './model/position.js'
export type { ReportedAmount, ReportedBook, Snapshot } from './model/snapshot.js'
export type { TokenMetadata } from './model/token-metadata.js'
export { InvalidSnapshotError } from './snapshots/parse-report.js'
export type { ReportIssue } from './snapshots/parse-report.js'
export { IdempotencyConflictError, OverloadedError, StorageUnavailableError } from './snapshots/snapshot-intake.js'
export type { SavedSnapshot } from './snapshots/snapshot-intake.js'
export type { SnapshotList, SnapshotListRequest, SnapshotSeriesRequest } from './snapshots/snapshot-reader.js'
export type { BookName, SeriesBucket, SeriesValue, SnapshotSeries } from './model/snapshot-series.js'
export { MongoDbForeignError, MongoDbUnavailableError } from './storage/mongodb/mongodb-errors.js'
export type { MongoDbTrouble } from './storage/mongodb/mongodb-errors.js'
export { DatabaseUnavailableError } from './storage/postgres/database-errors.js'
export type { DatabaseTrouble } from './storage/postgres/database-errors.js'
export { migrateDatabase } from './storage/postgres/migrate-database.js'
export { moveDatabase, undoMove } from './storage/postgres/transfer/move-database.js'
export type { MovedTable, MoveOptions, MoveReport } from './storage/postgres/transfer/move-database.js'
export { restoreDatabase } from './storage/postgres/transfer/restore-backup.js'
export type { RestoreOptions, RestoreReport } from './storage/postgres/transfer/restore-backup.js'
export type { TransferProgress } from './storage/postgres/transfer/transfer-progress.js'
export { backupDatabase } from './storage/postgres/transfer/write-backup.js'
export type { BackupOptions, BackupReport } from './storage/postgres/transfer/write-backup.js'
