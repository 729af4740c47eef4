import type { WireEvent } from '../../api/event-wire.js'
import type {
  WireBalanceRecord,
  WireBalanceSeries,
  WireBalanceStats,
  WireCoverageInterval,
  WireCurrentBalance,
  WirePastBalance,
  WireSolver,
  WireWatchedToken,
} from '../../client/index.js'
import type { RemovalResult } from '../../index.js'
import type { When } from './read-when.js'

/** Where a chain stands, as far as the source knows. */
export interface SourceChain {
  readonly chainId: string
  readonly name: string
  /** The newest block whose balances are stored. */
  readonly processed: string | null
}

/** One token of one wallet on one chain; addresses in any letter case. */
export interface PositionName {
  readonly chainId: string
  readonly token: string
  readonly solver: string
}

export interface SourceFilter {
  readonly chainId?: string | undefined
  readonly token?: string | undefined
  readonly solver?: string | undefined
}

/** Both inclusive. */
export interface TimeBounds {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

export interface SourceRange extends TimeBounds {
  readonly fromBlock?: string | undefined
  readonly toBlock?: string | undefined
  /** Records that are wanted at most, so that no more are asked for; absent: all. */
  readonly limit?: number | undefined
}

export interface LiveListener {
  /** Events from now on can be relied on; also after a time without connection. */
  readonly onLive: () => void
  readonly onEvent: (event: WireEvent) => void
  /** Events were passed over: read the balances anew. */
  readonly onGap: (reason: string) => void
  /** Something that is made up for by itself. */
  readonly onProblem: (problem: string) => void
  /** It will not go on by itself. */
  readonly onEnd: (error: Error) => void
}

/**
 * Balances and the watch list, of a running service or out of the database: the same answers either way, in the form in
 * which a service sends them.
 */
export interface BalanceSource extends AsyncDisposable {
  /** What is asked, for people. */
  readonly name: string
  chains(): Promise<readonly SourceChain[]>
  solvers(): Promise<readonly WireSolver[]>
  /** A label of undefined leaves it as it is. */
  addSolver(address: string, label: string | undefined): Promise<WireSolver>
  removeSolver(address: string): Promise<RemovalResult>
  tokens(chainId: string): Promise<readonly WireWatchedToken[]>
  addTokens(chainId: string, tokens: readonly string[]): Promise<readonly WireWatchedToken[]>
  removeToken(chainId: string, token: string): Promise<RemovalResult>
  /** The newest balance of every position that has one. */
  balances(filter: SourceFilter): AsyncIterable<WireCurrentBalance>
  /** Newest first. @throws UnknownPositionError */
  history(position: PositionName, range: SourceRange): AsyncIterable<WireBalanceRecord>
  /** What every position held at a time; those of which nothing was known by then are left out. */
  balancesAt(filter: SourceFilter, time: Date): AsyncIterable<WirePastBalance>
  /** What one position held; null when nothing was known by then. @throws UnknownPositionError */
  balanceAt(position: PositionName, when: When): Promise<WirePastBalance | null>
  /** What a position did between two times. @throws UnknownPositionError */
  stats(position: PositionName, bounds: TimeBounds): Promise<WireBalanceStats>
  /** A position's balance over time in so many steps at most. @throws UnknownPositionError */
  series(position: PositionName, points: number, bounds: TimeBounds): Promise<WireBalanceSeries>
  /** Oldest first. @throws UnknownPositionError */
  coverage(position: PositionName): Promise<readonly WireCoverageInterval[]>
  /** Hands over events from now on until it is closed. */
  live(listener: LiveListener): Promise<{ close(): Promise<void> }>
  close(): Promise<void>
}
