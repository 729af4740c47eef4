import type { ClientOptions } from './tidemark-client.js'
import { TidemarkClient } from './tidemark-client.js'

/**
 * A client of one Tidemark service, for Node and for browsers.
 *
 * @example
 * const client = createClient({ url: 'http://localhost:3000' })
 * for await (const balance of client.balances()) console.log(balance.formatted, balance.tokenSymbol)
 */
export function createClient(options: ClientOptions): TidemarkClient {
  return new TidemarkClient(options)
}

export { TidemarkApiError } from './api-failure.js'
export type { ClientFailureCode } from './api-failure.js'
export type { ConnectionChange, ConnectionState } from './connection.js'
export { decodeBalance, decodeChange } from './decode-balance.js'
export { decodePastBalance, decodeStats } from './decode-statistics.js'
export type { CallOptions } from './http-caller.js'
export type { LiveEvents, LiveFeed, ResyncNotice } from './live-feed.js'
export type { Place, PlaceStorage } from './place-keeper.js'
export { ReportError } from './report-error.js'
export type { ReportOutcome } from './report-error.js'
export type { ReportedAmounts, ReportInput } from './report-input.js'
export type { Reporter, ReporterEvents, ReporterSettings, ReportOptions, WhenFull } from './reporter.js'
export type {
  BalancesAtQuery,
  BalanceSeriesQuery,
  BalancesQuery,
  BlockInput,
  ChainIdInput,
  HistoryRange,
  InstantInput,
  PageQuery,
  PositionInput,
  RecordBounds,
  SaveOptions,
  SeriesQuery,
  SnapshotsQuery,
  TimeBounds,
  TimeInput,
  TotalsQuery,
} from './rest-client.js'
export { ClientOptionError } from './service-address.js'
export type { ClientOptions, LiveOptions, TidemarkClient } from './tidemark-client.js'

export type {
  WireBalanceSeries,
  WireBalanceStats,
  WireBalanceTotal,
  WirePastBalance,
} from '../api/balance-statistics-wire.js'
export type { WireBalanceRecord, WireCoverageInterval, WireCurrentBalance } from '../api/balance-wire.js'
export type { WireChain } from '../api/chain-wire.js'
export type { ErrorCode } from '../api/error-codes.js'
export type {
  WireBalanceChange,
  WireBalanceReverted,
  WireEvent,
  WireHistoryExtended,
  WirePositionStarted,
  WireSnapshotEvent,
  WireTokenChanged,
  WireWatchListChanged,
} from '../api/event-wire.js'
export type { WirePage } from '../api/page.js'
export type { SnapshotSeriesAnswer } from '../api/snapshot-series-wire.js'
export type {
  SnapshotAcknowledgement,
  SnapshotListAnswer,
  SnapshotSavedAnswer,
  WireSnapshot,
} from '../api/snapshot-wire.js'
export type { WireSolver, WireWatchedToken } from '../api/watch-list-wire.js'
