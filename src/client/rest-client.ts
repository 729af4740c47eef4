import type {
  WireBalanceSeries,
  WireBalanceStats,
  WireBalanceTotal,
  WirePastBalance,
} from '../api/balance-statistics-wire.js'
import type { WireBalanceRecord, WireCoverageInterval, WireCurrentBalance } from '../api/balance-wire.js'
import type { WireChain } from '../api/chain-wire.js'
import type { WirePage } from '../api/page.js'
import type { LiveAnswer, ReadyAnswer } from '../api/service-routes.js'
import type { SnapshotSeriesAnswer } from '../api/snapshot-series-wire.js'
import type { SnapshotListAnswer, SnapshotSavedAnswer, WireSnapshot } from '../api/snapshot-wire.js'
import type { WireSolver, WireWatchedToken } from '../api/watch-list-wire.js'
import type { CallOptions, HttpCaller, HttpRequest, QueryValue } from './http-caller.js'
import { newIdempotencyKey } from './idempotency-key.js'
import type { ReportInput } from './report-input.js'
import { fixReport } from './report-input.js'
import { walkPages } from './walk-pages.js'

/** A chain id in any form that is exact. */
export type ChainIdInput = bigint | number | string

/** A time: a date, or ISO 8601 text. */
export type TimeInput = Date | string

/** One token of one solver on one chain; addresses in any letter case. */
export interface PositionInput {
  readonly chainId: ChainIdInput
  /** A contract address, or `native`. */
  readonly token: string
  readonly solver: string
}

export interface PageQuery {
  /** Items per page, 1 to 500. */
  readonly limit?: number | undefined
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

export interface BalancesQuery extends PageQuery {
  readonly chainId?: ChainIdInput | undefined
  readonly tokenAddress?: string | undefined
  readonly solverAddress?: string | undefined
}

export interface BalancesAtQuery extends BalancesQuery {
  readonly at: TimeInput
}

/** A block number in any form that is exact. */
export type BlockInput = bigint | number | string

/** A block, or a time: the newest block at or before it. */
export type InstantInput = { readonly block: BlockInput } | { readonly at: TimeInput }

/** Inclusive bounds. */
export interface RecordBounds {
  readonly from?: TimeInput | undefined
  readonly to?: TimeInput | undefined
  readonly fromBlock?: BlockInput | undefined
  readonly toBlock?: BlockInput | undefined
}

export interface HistoryRange extends PageQuery, RecordBounds {}

export interface TimeBounds {
  readonly from?: TimeInput | undefined
  readonly to?: TimeInput | undefined
}

export interface BalanceSeriesQuery extends TimeBounds {
  /** The most buckets to answer with, 2 to 2000. */
  readonly points?: number | undefined
}

export interface TotalsQuery extends PageQuery {
  readonly chainId?: ChainIdInput | undefined
  readonly tokenAddress?: string | undefined
  readonly solverAddress?: string | undefined
  /** `token`: over all solvers, which is meant when absent; `solver-token`: for each solver. */
  readonly by?: 'token' | 'solver-token' | undefined
}

export interface SnapshotsQuery {
  /** Snapshots per page, 1 to 500. */
  readonly limit?: number | undefined
  readonly offset?: number | undefined
  /** Id of a snapshot: only what comes after it in the list. */
  readonly before?: string | undefined
  readonly from?: TimeInput | undefined
  readonly to?: TimeInput | undefined
}

export interface SeriesQuery {
  /** Which side of the reports. */
  readonly book: SnapshotSeriesAnswer['book']
  /** Asset, by the name it is reported under. */
  readonly asset: string
  readonly from?: TimeInput | undefined
  readonly to?: TimeInput | undefined
  /** The most buckets to answer with. */
  readonly points?: number | undefined
}

export interface SaveOptions extends CallOptions {
  /** Makes the report the same one when it is sent again; a new one for each call when absent. */
  readonly idempotencyKey?: string | undefined
}

type Query = Readonly<Record<string, QueryValue>>

/**
 * The REST interface: one method for each route, which answers what the service sends. Amounts and block numbers are
 * decimal text there; `BigInt(balance)` and the decoders of this package read them.
 *
 * Every method throws `TidemarkApiError`. Requests that may be repeated without harm are, for a few times.
 */
export class RestClient {
  readonly #http: HttpCaller

  constructor(http: HttpCaller) {
    this.#http = http
  }

  /** How each chain is doing. */
  listChains(options?: CallOptions): Promise<WirePage<WireChain>> {
    return this.#get('/api/chains', {}, options)
  }

  /** Watched wallets. */
  listSolvers(options?: CallOptions): Promise<WirePage<WireSolver>> {
    return this.#get('/api/solvers', {}, options)
  }

  /** Watches a wallet on every chain from the next block on, or changes its label. */
  addSolver(
    solver: { readonly address: string; readonly label?: string | null },
    options?: CallOptions,
  ): Promise<WireSolver> {
    return this.#post('/api/solvers', solver, options)
  }

  /** Stops watching a wallet; its history stays. */
  removeSolver(address: string, options?: CallOptions): Promise<void> {
    return this.#delete(`/api/solvers/${segment(address)}`, options)
  }

  /** Watched tokens of a chain, besides its native currency. */
  listTokens(chainId: ChainIdInput, options?: CallOptions): Promise<WirePage<WireWatchedToken>> {
    return this.#get(tokensPath(chainId), {}, options)
  }

  /** Watches tokens of a chain for every wallet from the next block on. */
  addTokens(
    chainId: ChainIdInput,
    tokens: readonly string[],
    options?: CallOptions,
  ): Promise<WirePage<WireWatchedToken>> {
    return this.#post(tokensPath(chainId), { tokens }, options)
  }

  /** Stops watching a token; its history stays. */
  removeToken(chainId: ChainIdInput, token: string, options?: CallOptions): Promise<void> {
    return this.#delete(`${tokensPath(chainId)}/${segment(token)}`, options)
  }

  /** One page of the newest balances of all positions. */
  listBalances(query: BalancesQuery = {}, options?: CallOptions): Promise<WirePage<WireCurrentBalance>> {
    return this.#get('/api/balances', { ...query }, options)
  }

  /** The newest balances of all positions, read page by page. */
  balances(query: BalancesQuery = {}, options?: CallOptions): AsyncGenerator<WireCurrentBalance, void, undefined> {
    return walkPages((cursor) => this.listBalances({ ...query, cursor }, options), query.cursor)
  }

  /** The newest balance of one position. */
  getBalance(position: PositionInput, options?: CallOptions): Promise<WireCurrentBalance> {
    return this.#get(positionPath(position), {}, options)
  }

  /** What one position held at a block or time. @throws TidemarkApiError `unknown_balance` when nothing is known by then */
  getBalanceAt(position: PositionInput, instant: InstantInput, options?: CallOptions): Promise<WirePastBalance> {
    return this.#get(positionPath(position), { ...instant }, options)
  }

  /** One page of what every position held at one time. */
  listBalancesAt(query: BalancesAtQuery, options?: CallOptions): Promise<WirePage<WirePastBalance>> {
    return this.#get('/api/balances', { ...query }, options)
  }

  /** What every position held at one time, read page by page. */
  balancesAt(query: BalancesAtQuery, options?: CallOptions): AsyncGenerator<WirePastBalance, void, undefined> {
    return walkPages((cursor) => this.listBalancesAt({ ...query, cursor }, options), query.cursor)
  }

  /** One page of the newest balances of each token summed up. */
  listTotals(query: TotalsQuery = {}, options?: CallOptions): Promise<WirePage<WireBalanceTotal>> {
    return this.#get('/api/balances/totals', { ...query }, options)
  }

  /** Newest balances of each token summed up, read page by page. */
  totals(query: TotalsQuery = {}, options?: CallOptions): AsyncGenerator<WireBalanceTotal, void, undefined> {
    return walkPages((cursor) => this.listTotals({ ...query, cursor }, options), query.cursor)
  }

  /** What a position did between two times. */
  getBalanceStats(position: PositionInput, bounds: TimeBounds = {}, options?: CallOptions): Promise<WireBalanceStats> {
    return this.#get(`${positionPath(position)}/stats`, { ...bounds }, options)
  }

  /** A position's balance over time, in buckets that keep first, last, lowest and highest balance. */
  getBalanceSeries(
    position: PositionInput,
    query: BalanceSeriesQuery = {},
    options?: CallOptions,
  ): Promise<WireBalanceSeries> {
    return this.#get(`${positionPath(position)}/series`, { ...query }, options)
  }

  /**
   * A position's records, newest first, however many: they come in one answer, no faster than they are taken. What fails
   * on the way and may pass is asked for again from the last record on. Leaving the loop ends the answer.
   */
  streamHistory(
    position: PositionInput,
    bounds: RecordBounds = {},
    options?: CallOptions,
  ): AsyncGenerator<WireBalanceRecord, void, undefined> {
    const path = `${positionPath(position)}/history.ndjson`
    const requestFor = (query: Query): HttpRequest => ({
      method: 'GET',
      path,
      query,
      repeatable: true,
      answer: 'lines',
    })
    return this.#http.stream<WireBalanceRecord>(
      requestFor({ ...bounds }),
      ({ blockNumber }) => (blockNumber === '0' ? null : requestFor({ ...bounds, toBlock: BigInt(blockNumber) - 1n })),
      options,
    )
  }

  /** One page of a position's records, newest first. */
  listHistory(
    position: PositionInput,
    range: HistoryRange = {},
    options?: CallOptions,
  ): Promise<WirePage<WireBalanceRecord>> {
    return this.#get(`${positionPath(position)}/history`, { ...range }, options)
  }

  /** A position's records, newest first, read page by page. */
  history(
    position: PositionInput,
    range: HistoryRange = {},
    options?: CallOptions,
  ): AsyncGenerator<WireBalanceRecord, void, undefined> {
    return walkPages((cursor) => this.listHistory(position, { ...range, cursor }, options), range.cursor)
  }

  /** Which blocks of a position are known, and how. */
  listCoverage(position: PositionInput, options?: CallOptions): Promise<WirePage<WireCoverageInterval>> {
    return this.#get(`${positionPath(position)}/coverage`, {}, options)
  }

  /** Saves one report. It is sent again with the same key while the service is busy: stored once all the same. */
  async saveSnapshot(report: ReportInput, options: SaveOptions = {}): Promise<SnapshotSavedAnswer> {
    const { idempotencyKey = newIdempotencyKey(), ...callOptions } = options
    return await this.#call<SnapshotSavedAnswer>(
      { method: 'POST', path: '/api/balance/snapshot', body: fixReport(report).body, idempotencyKey },
      callOptions,
    )
  }

  /** One page of stored snapshots, newest first. */
  listSnapshots(query: SnapshotsQuery = {}, options?: CallOptions): Promise<SnapshotListAnswer> {
    return this.#get('/api/balance/snapshot', { ...query }, options)
  }

  /** Stored snapshots, newest first, read page by page. */
  async *snapshots(query: SnapshotsQuery = {}, options?: CallOptions): AsyncGenerator<WireSnapshot, void, undefined> {
    let { before, offset } = query
    for (;;) {
      const { data } = await this.listSnapshots({ ...query, before, offset }, options)
      yield* data.snapshots
      const last = data.snapshots.at(-1)
      if (last === undefined || !data.pagination.hasMore) return
      before = last.id
      offset = undefined
    }
  }

  /** What was reported of one asset over time, in buckets that keep first, last, lowest and highest amount. */
  getSnapshotSeries(query: SeriesQuery, options?: CallOptions): Promise<SnapshotSeriesAnswer> {
    return this.#get('/api/balance/snapshot/series', { ...query }, options)
  }

  /** Whether the process answers at all. */
  getLive(options?: CallOptions): Promise<LiveAnswer> {
    return this.#get('/livez', {}, options)
  }

  /** Whether the service can do its work. @throws TidemarkApiError `not_ready` when it cannot. */
  getReady(options?: CallOptions): Promise<ReadyAnswer> {
    return this.#get('/readyz', {}, options)
  }

  /** Numbers in the text format of Prometheus. */
  async getMetrics(options?: CallOptions): Promise<string> {
    const text = await this.#http.call({ method: 'GET', path: '/metrics', repeatable: true, answer: 'text' }, options)
    return String(text)
  }

  /** The OpenAPI document. */
  getOpenApi(options?: CallOptions): Promise<Record<string, unknown>> {
    return this.#get('/openapi.json', {}, options)
  }

  #get<Answer>(path: string, query: Query, options?: CallOptions): Promise<Answer> {
    return this.#call({ method: 'GET', path, query }, options)
  }

  /** For additions only: adding what is there already changes nothing, so that they may be repeated. */
  #post<Answer>(path: string, body: unknown, options?: CallOptions): Promise<Answer> {
    return this.#call({ method: 'POST', path, body }, options)
  }

  /** Not repeated: after a removal whose answer was lost, the next answer would say that there is nothing to remove. */
  async #delete(path: string, options?: CallOptions): Promise<void> {
    await this.#http.call({ method: 'DELETE', path, repeatable: false, answer: 'none' }, options)
  }

  async #call<Answer>(
    request: { method: 'GET' | 'POST'; path: string; query?: Query; body?: unknown; idempotencyKey?: string },
    options?: CallOptions,
  ): Promise<Answer> {
    return (await this.#http.call({ ...request, repeatable: true, answer: 'json' }, options)) as Answer
  }
}

function tokensPath(chainId: ChainIdInput): string {
  return `/api/chains/${segment(chainId)}/tokens`
}

function positionPath({ chainId, token, solver }: PositionInput): string {
  return `/api/balances/${segment(chainId)}/${segment(token)}/${segment(solver)}`
}

/** One part of a path, whatever is in it. */
function segment(part: bigint | number | string): string {
  return encodeURIComponent(String(part))
}
