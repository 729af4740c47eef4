import type { ConnectionChange, TidemarkClient } from '../../client/index.js'
import { TidemarkApiError } from '../../client/index.js'
import type { RemovalResult } from '../../index.js'
import type { BalanceSource, LiveListener } from './balance-source.js'
import { unknownPosition } from './source-errors.js'

/** Items of one request of a long list. */
const PAGE_ITEMS = 500

/** Asks a running service. Closing it gives up what is under way. */
export function serviceSource(client: TidemarkClient, url: string): BalanceSource {
  const abort = new AbortController()
  const call = { signal: abort.signal }
  const close = async (): Promise<void> => {
    abort.abort()
    await client.close()
  }
  return {
    name: `the service at ${url}`,
    chains: async () => (await client.listChains(call)).items,
    solvers: async () => (await client.listSolvers(call)).items,
    addSolver: (address, label) => client.addSolver({ address, ...(label === undefined ? {} : { label }) }, call),
    removeSolver: (address) => removal(client.removeSolver(address, call)),
    tokens: async (chainId) => (await client.listTokens(chainId, call)).items,
    addTokens: async (chainId, tokens) => (await client.addTokens(chainId, tokens, call)).items,
    removeToken: (chainId, token) => removal(client.removeToken(chainId, token, call)),
    balances: ({ chainId, token, solver }) =>
      client.balances({ chainId, tokenAddress: token, solverAddress: solver, limit: PAGE_ITEMS }, call),
    history: (position, { limit, ...range }) =>
      knownPosition(
        limit === undefined
          ? client.streamHistory(position, range, call)
          : client.history(position, { ...range, limit: Math.min(limit, PAGE_ITEMS) }, call),
      ),
    balancesAt: ({ chainId, token, solver }, at) =>
      client.balancesAt({ at, chainId, tokenAddress: token, solverAddress: solver, limit: PAGE_ITEMS }, call),
    balanceAt: async (position, when) => {
      const instant = 'block' in when ? { block: when.block } : { at: when.time }
      try {
        return await ofKnown(client.getBalanceAt(position, instant, call))
      } catch (error) {
        if (isCode(error, 'unknown_balance')) return null
        throw error
      }
    },
    stats: (position, bounds) => ofKnown(client.getBalanceStats(position, bounds, call)),
    series: (position, points, bounds) => ofKnown(client.getBalanceSeries(position, { points, ...bounds }, call)),
    coverage: async (position) => (await ofKnown(client.listCoverage(position, call))).items,
    live: async (listener) => follow(client, listener),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function removal(request: Promise<void>): Promise<RemovalResult> {
  try {
    await request
    return 'removed'
  } catch (error) {
    if (isCode(error, 'configured')) return 'configured'
    if (isCode(error, 'unknown_solver') || isCode(error, 'unknown_token')) return 'unknown'
    throw error
  }
}

async function ofKnown<Answer>(request: Promise<Answer>): Promise<Answer> {
  try {
    return await request
  } catch (error) {
    throw isCode(error, 'unknown_position') ? unknownPosition() : error
  }
}

async function* knownPosition<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
  try {
    yield* items
  } catch (error) {
    throw isCode(error, 'unknown_position') ? unknownPosition() : error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof TidemarkApiError && error.code === code
}

function follow(client: TidemarkClient, listener: LiveListener): { close(): Promise<void> } {
  const feed = client.live()
  feed.on('state', ({ state, error }: ConnectionChange) => {
    if (state === 'live') listener.onLive()
    else if (state === 'closed' && error !== null) listener.onEnd(error)
    else if (error !== null) listener.onProblem(error.message)
  })
  feed.on('event', (event) => listener.onEvent(event))
  feed.on('resync', ({ reason }) => listener.onGap(reason))
  feed.on('problem', (error) => listener.onProblem(error.message))
  return feed
}
