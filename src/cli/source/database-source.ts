import { encodeBalanceRecord, encodeCoverageInterval, encodeCurrentBalance } from '../../api/balance-wire.js'
import { encodeBalanceSeries, encodeBalanceStats, encodePastBalance } from '../../api/balance-statistics-wire.js'
import { encodeLoggedEvent } from '../../api/event-wire.js'
import { addSolverBodySchema, encodeSolver, encodeWatchedToken } from '../../api/watch-list-wire.js'
import type { WireBalanceRecord, WireCurrentBalance, WirePastBalance } from '../../client/index.js'
import { ConfigurationError, parseAddress, parseToken } from '../../index.js'
import type { Address, BalanceFilter, OpenBalances, Page, Position } from '../../index.js'
import type { BalanceSource, LiveListener, PositionName, SourceFilter, SourceRange } from './balance-source.js'
import { UnknownChainNameError, unknownPosition } from './source-errors.js'

/** Items of one statement of a long list. */
const PAGE_ITEMS = 500
/** Reads the database itself. Whether its chains are followed is told by those who follow them, in the database. */
export function databaseSource(opened: OpenBalances, name: string): BalanceSource {
  const { reader, records, watchList } = opened
  const close = (): Promise<void> => opened.close()
  return {
    name,
    chains: async () =>
      (await reader.chains()).map(({ chainId, name: chainName, processed }) => ({
        chainId: chainId.toString(),
        name: chainName,
        processed: processed?.number.toString() ?? null,
      })),
    solvers: async () => (await watchList.solvers()).map(encodeSolver),
    addSolver: async (address, label) =>
      encodeSolver(await watchList.addSolver({ address: readAddress(address), label: readLabel(address, label) })),
    removeSolver: (address) => watchList.removeSolver(readAddress(address)),
    tokens: (chainId) => tokensOf(opened, chainId),
    addTokens: async (chainId, tokens) => {
      await tokensOf(opened, chainId)
      return (await watchList.addTokens(BigInt(chainId), tokens.map(readAddress))).map(encodeWatchedToken)
    },
    removeToken: (chainId, token) => watchList.removeToken(BigInt(chainId), readAddress(token)),
    balances: (filter) => balancesOf(opened, filter),
    history: (position, range) => historyOf(opened, position, range),
    balancesAt: (filter, time) => balancesAt(opened, filter, time),
    balanceAt: async (position, when) => {
      const past = await records.balanceAt(
        readPosition(position),
        'block' in when ? { block: BigInt(when.block) } : { time: when.time },
      )
      if (past === null) await requireKnown(opened, position)
      return past === null ? null : encodePastBalance(past)
    },
    stats: async (named, bounds) => {
      const position = readPosition(named)
      const stats = await records.stats({ position, ...bounds })
      if (stats === null) throw unknownPosition()
      return encodeBalanceStats(position, stats)
    },
    series: async (named, points, bounds) => {
      const position = readPosition(named)
      const series = await records.series({ position, points, ...bounds })
      if (series === null) throw unknownPosition()
      return encodeBalanceSeries(position, series)
    },
    coverage: async (position) => {
      const intervals = await reader.coverage(readPosition(position))
      if (intervals === null) throw unknownPosition()
      return intervals.map(encodeCoverageInterval)
    },
    live: (listener) => follow(opened, listener),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function tokensOf({ watchList }: OpenBalances, chainId: string): ReturnType<BalanceSource['tokens']> {
  const tokens = await watchList.tokens(BigInt(chainId))
  if (tokens === null) throw new UnknownChainNameError(`expected a chain of the database, got chain id ${chainId}`)
  return tokens.map(encodeWatchedToken)
}

async function* balancesOf(opened: OpenBalances, filter: SourceFilter): AsyncGenerator<WireCurrentBalance> {
  const { reader } = opened
  const reasons = new Map<bigint, Promise<string | null>>()
  const wanted = readFilter(filter)
  for await (const balance of pagesOf((after) => reader.currentBalances({ ...wanted, limit: PAGE_ITEMS, after }))) {
    const { chainId } = balance
    const reason = reasons.get(chainId) ?? opened.staleReason(chainId)
    reasons.set(chainId, reason)
    yield encodeCurrentBalance({ ...balance, staleReason: balance.staleReason ?? (await reason) })
  }
}

async function* balancesAt(
  { records }: OpenBalances,
  filter: SourceFilter,
  time: Date,
): AsyncGenerator<WirePastBalance> {
  const wanted = { ...readFilter(filter), time, limit: PAGE_ITEMS }
  for await (const past of pagesOf((after) => records.balancesAt({ ...wanted, after }))) yield encodePastBalance(past)
}

async function* pagesOf<Item>(read: (after: bigint | undefined) => Promise<Page<Item>>): AsyncGenerator<Item> {
  let after: bigint | undefined
  do {
    const page = await read(after)
    yield* page.items
    after = page.nextCursor ?? undefined
  } while (after !== undefined)
}

/** @throws UnknownPositionError */
async function requireKnown({ reader }: OpenBalances, position: PositionName): Promise<void> {
  if ((await reader.coverage(readPosition(position))) === null) throw unknownPosition()
}

async function* historyOf(
  opened: OpenBalances,
  name: PositionName,
  { from, to, fromBlock, toBlock }: SourceRange,
): AsyncGenerator<WireBalanceRecord> {
  await requireKnown(opened, name)
  const range = {
    position: readPosition(name),
    from,
    to,
    fromBlock: fromBlock === undefined ? undefined : BigInt(fromBlock),
    toBlock: toBlock === undefined ? undefined : BigInt(toBlock),
  }
  for await (const record of opened.records.streamHistory(range)) yield encodeBalanceRecord(record)
}

async function follow(opened: OpenBalances, listener: LiveListener): Promise<{ close(): Promise<void> }> {
  const followed = await opened.follow({
    onEvent: (event) => listener.onEvent(encodeLoggedEvent(event)),
    onBreak: (reason) => listener.onGap(reason),
  })
  listener.onLive()
  return followed
}

function readFilter({ chainId, token, solver }: SourceFilter): BalanceFilter {
  return {
    chainId: chainId === undefined ? undefined : BigInt(chainId),
    token: token === undefined ? undefined : readToken(token),
    solver: solver === undefined ? undefined : readAddress(solver),
  }
}

function readPosition({ chainId, token, solver }: PositionName): Position {
  return { chainId: BigInt(chainId), token: readToken(token), solver: readAddress(solver) }
}

function readToken(text: string): Position['token'] {
  const token = parseToken(text)
  if (token === null) throw new ConfigurationError(`expected "native" or an address, got ${JSON.stringify(text)}`)
  return token
}

function readAddress(text: string): Address {
  const address = parseAddress(text)
  if (address === null) throw new ConfigurationError(`expected an address, got ${JSON.stringify(text)}`)
  return address
}

/** What a service would take as a label. */
function readLabel(address: string, label: string | undefined): string | undefined {
  if (label === undefined) return undefined
  const body = addSolverBodySchema.safeParse({ address, label })
  if (body.success) return body.data.label ?? undefined
  throw new ConfigurationError(`--label: ${body.error.issues.map(({ message }) => message).join('; ')}`)
}
