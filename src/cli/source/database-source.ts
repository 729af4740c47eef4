import { encodeBalanceRecord, encodeCoverageInterval, encodeCurrentBalance } from '../../api/balance-wire.js'
import { encodeLoggedEvent } from '../../api/event-wire.js'
import { addSolverBodySchema, encodeSolver, encodeWatchedToken } from '../../api/watch-list-wire.js'
import type { WireBalanceRecord, WireCurrentBalance } from '../../client/index.js'
import { ConfigurationError, parseAddress, parseToken } from '../../index.js'
import type { Address, BalanceFilter, OpenBalances, Position } from '../../index.js'
import { formatDuration } from '../format-duration.js'
import type { BalanceSource, LiveListener, PositionName, SourceFilter, SourceRange } from './balance-source.js'
import { UnknownChainNameError, unknownPosition } from './source-errors.js'

/** Items of one statement of a long list. */
const PAGE_ITEMS = 500
/** Somebody who follows a chain stores a block more often than this; otherwise nobody may be looking. */
const FOLLOWED_WITHIN_MS = 120_000

/** Reads the database itself. Nobody is asked whether the chains are followed: their newest blocks tell. */
export function databaseSource(opened: OpenBalances, name: string): BalanceSource {
  const { reader, watchList } = opened
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

async function* balancesOf({ reader }: OpenBalances, filter: SourceFilter): AsyncGenerator<WireCurrentBalance> {
  const stale = await staleChains(reader)
  const wanted: BalanceFilter = {
    chainId: filter.chainId === undefined ? undefined : BigInt(filter.chainId),
    token: filter.token === undefined ? undefined : readToken(filter.token),
    solver: filter.solver === undefined ? undefined : readAddress(filter.solver),
  }
  let after: bigint | undefined
  do {
    const page = await reader.currentBalances({ ...wanted, limit: PAGE_ITEMS, after })
    for (const balance of page.items) {
      yield encodeCurrentBalance({
        ...balance,
        staleReason: balance.staleReason ?? stale.get(balance.chainId) ?? null,
      })
    }
    after = page.nextCursor ?? undefined
  } while (after !== undefined)
}

/** Why balances of a chain may be out of date, for those of which nobody has stored a block lately. */
async function staleChains(reader: OpenBalances['reader']): Promise<ReadonlyMap<bigint, string>> {
  const nowMs = Date.now()
  return new Map(
    (await reader.chains()).flatMap(({ chainId, processed }): [bigint, string][] => {
      const ageMs = processed === null ? 0 : nowMs - processed.timestamp.getTime()
      if (ageMs <= FOLLOWED_WITHIN_MS) return []
      return [[chainId, `the newest stored block of this chain is ${formatDuration(ageMs)} old`]]
    }),
  )
}

async function* historyOf(
  { reader }: OpenBalances,
  name: PositionName,
  range: SourceRange,
): AsyncGenerator<WireBalanceRecord> {
  const { limit = Number.POSITIVE_INFINITY, from, to, fromBlock, toBlock } = range
  const position = readPosition(name)
  let left = limit
  let beforeBlock: bigint | undefined
  do {
    const page = await reader.history({
      position,
      beforeBlock,
      limit: Math.min(left, PAGE_ITEMS),
      from,
      to,
      fromBlock: fromBlock === undefined ? undefined : BigInt(fromBlock),
      toBlock: toBlock === undefined ? undefined : BigInt(toBlock),
    })
    if (page === null) throw unknownPosition()
    yield* page.items.map(encodeBalanceRecord)
    left -= page.items.length
    beforeBlock = page.nextCursor ?? undefined
  } while (beforeBlock !== undefined && left > 0)
}

async function follow(opened: OpenBalances, listener: LiveListener): Promise<{ close(): Promise<void> }> {
  const followed = await opened.follow({
    onEvent: (event) => listener.onEvent(encodeLoggedEvent(event)),
    onBreak: (reason) => listener.onGap(reason),
  })
  listener.onLive()
  return followed
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
