import type { WireEvent } from '../../api/event-wire.js'
import type { WireCurrentBalance } from '../../client/index.js'
import type { BalanceSource, SourceFilter } from '../source/balance-source.js'
import type { LiveState } from './live-state.js'

export interface FollowOptions {
  readonly source: Pick<BalanceSource, 'solvers' | 'balances' | 'live'>
  /** What to list, and follow from then on. */
  readonly filters?: readonly SourceFilter[]
  readonly state: LiveState
  /** Lists are read again this often, since no event tells that a balance is stale; absent: only when they have to be. */
  readonly refreshEveryMs?: number
  /** Called for each event after the state has taken it over, in order. */
  readonly onEvent?: (event: WireEvent) => void
  /** Called after a list was taken over: names and decimals are known from then on. */
  readonly onListed?: () => void
  /** Called after each change of the balances, by a list or an event. */
  readonly onBalances?: () => void
  readonly onProblem: (problem: string) => void
  /** It will not go on by itself. */
  readonly onEnd: (error: Error) => void
}

/** Keeps a state up to date until it is closed: lists first, then events. */
export async function followBalances(options: FollowOptions): Promise<{ close(): Promise<void> }> {
  const { source, filters = [{}], state, onProblem } = options
  let closed = false
  let reading: Promise<void> | null = null
  let again = false
  /** How often balances were taken back: a list that was read before that may hold what no longer stands. */
  let takenBack = 0

  async function readBalances(): Promise<void> {
    const before = takenBack
    const solvers = await source.solvers()
    const balances: WireCurrentBalance[] = []
    for (const filter of filters) {
      for await (const balance of source.balances(filter)) {
        if (closed) return
        balances.push(balance)
      }
    }
    if (before !== takenBack) return
    state.applySolvers(solvers)
    state.applyBalances(balances)
    options.onListed?.()
    options.onBalances?.()
  }

  /** One list at a time: what is asked for meanwhile is read once afterwards. */
  async function readUntilDone(): Promise<void> {
    do {
      again = false
      await readBalances().catch((error: unknown) => {
        if (!closed) onProblem(error instanceof Error ? error.message : String(error))
      })
    } while (again && !closed)
    reading = null
  }

  function refresh(): void {
    again = true
    reading ??= readUntilDone()
  }

  const feed = await source.live({
    // From here on no event is missed, so that a list read now and the events after it leave no gap.
    onLive: refresh,
    onGap: (reason) => {
      onProblem(`events were missed (${reason}), the balances are read anew`)
      takenBack += 1
      state.clear()
      refresh()
    },
    onEvent: (event) => {
      if (applyEvent(state, event)) options.onBalances?.()
      if (event.name === 'balance:reverted') takenBack += 1
      if (event.name === 'balance:reverted' || event.name === 'watch-list:changed') refresh()
      options.onEvent?.(event)
    },
    onProblem,
    onEnd: options.onEnd,
  })
  const timer = options.refreshEveryMs === undefined ? undefined : setInterval(refresh, options.refreshEveryMs)
  return {
    async close() {
      closed = true
      clearInterval(timer)
      await feed.close()
    },
  }
}

/** @returns whether the state is another one now */
function applyEvent(state: LiveState, event: WireEvent): boolean {
  switch (event.name) {
    case 'position:started':
      state.applyStart(event.payload)
      return true
    case 'balance:updated':
      state.applyChange(event.payload)
      return true
    case 'balance:reverted':
      state.applyRevert(event.payload)
      return true
    case 'balance:snapshot':
    case 'history:extended':
    case 'token:changed':
    case 'watch-list:changed':
      return false
  }
}
