export { BalanceManagerModule } from './balance-manager-module.js'
export { BalanceManagerService } from './balance-manager-service.js'
export { BalanceManagerHealthIndicator } from './health-indicator.js'
export type { BalanceManagerHealth, ChainHealth } from './health-indicator.js'
export type {
  BalanceManagerModuleAsyncOptions,
  BalanceManagerModuleOptions,
  MountedInHost,
  OwnPort,
} from './module-options.js'
export type {
  BalanceRecord,
  BalanceTotal,
  CurrentBalance,
  MonitoredSolver,
  MonitoredToken,
  PastBalance,
  TokenFields,
} from './balance-answers.js'
export type {
  BalanceChangeEvent,
  BalanceManagerEvents,
  BalanceRevertedEvent,
  EventBreak,
  EventPlace,
  HistoryExtendedEvent,
  PositionStartedEvent,
  SnapshotSavedEvent,
  TokenChangedEvent,
  WatchListChangedEvent,
} from './balance-events.js'
export type {
  BalanceSeries,
  BalanceStats,
  BalancesAtOptions,
  ChainSummary,
  Health,
  HistoryBounds,
  Page,
  RemovalResult,
  SeriesOptions,
  TimeRange,
  TotalsOptions,
} from '../index.js'
