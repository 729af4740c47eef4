import type { LiveFeed as ClientFeed, WireCurrentBalance } from '../../client/index.js'
import { createClient } from '../../client/index.js'
import type { LiveState } from '../live/live-state.js'
import { problemText } from './problem-text.js'

export interface LiveFeedOptions {
  readonly url: string
  readonly state: LiveState
  readonly onProblem: (problem: string) => void
  /** Called after each change of the balances. */
  readonly onBalances: () => void
}

/** Keeps a state up to date until it is closed. */
export interface LiveFeed {
  close(): Promise<void>
}

const chainsEveryMs = 1_000
const requestTimeoutMs = 5_000

/** Follows the service as any client would: lists over REST first, then events over Socket.IO. */
export function startLiveFeed({ url, state, onProblem, onBalances }: LiveFeedOptions): LiveFeed {
  const client = createClient({ url, timeoutMs: requestTimeoutMs })
  const abort = new AbortController()
  const { signal } = abort
  const pending = new Set<Promise<void>>()

  function run(work: () => Promise<void>): void {
    const done = work()
      .catch((error: unknown) => {
        if (!signal.aborted) onProblem(problemText(error))
      })
      .finally(() => pending.delete(done))
    pending.add(done)
  }

  async function readChains(): Promise<void> {
    state.chains = (await client.listChains({ signal })).items
  }

  async function readBalances(): Promise<void> {
    const balances: WireCurrentBalance[] = []
    const { items: solvers } = await client.listSolvers({ signal })
    for await (const balance of client.balances({ limit: 500 }, { signal })) balances.push(balance)
    state.applySolvers(solvers)
    state.applyBalances(balances)
    onBalances()
  }

  follow(client.live(), { state, onBalances, onProblem, refresh: () => run(readBalances) })
  run(readChains)
  const timer = setInterval(() => run(readChains), chainsEveryMs)
  return {
    async close() {
      clearInterval(timer)
      abort.abort()
      await Promise.all([client.close(), ...pending])
    },
  }
}

function follow(
  feed: ClientFeed,
  { state, onBalances, onProblem, refresh }: Omit<LiveFeedOptions, 'url'> & { refresh: () => void },
): void {
  feed.on('state', ({ state: now, error }) => {
    // From the greeting on no event is missed, so that a list read now and the events after it leave no gap.
    if (now === 'live') refresh()
    if (error !== null) onProblem(`Socket.IO: ${error.message}`)
  })
  feed.on('resync', () => {
    state.clear()
    refresh()
  })
  feed.on('position:started', (event) => {
    state.applyStart(event)
    onBalances()
  })
  feed.on('balance:updated', (event) => {
    state.applyChange(event)
    onBalances()
  })
  feed.on('balance:reverted', (event) => {
    state.applyRevert(event)
    refresh()
  })
}
