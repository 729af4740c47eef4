import { createClient } from '../../client/index.js'
import { followBalances } from '../live/follow-balances.js'
import type { LiveState } from '../live/live-state.js'
import { serviceSource } from '../source/service-source.js'
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
export async function startLiveFeed({ url, state, onProblem, onBalances }: LiveFeedOptions): Promise<LiveFeed> {
  const client = createClient({ url, timeoutMs: requestTimeoutMs })
  const abort = new AbortController()
  const { signal } = abort
  const pending = new Set<Promise<void>>()

  function readChains(): void {
    const done = client
      .listChains({ signal })
      .then(({ items }) => void (state.chains = items))
      .catch((error: unknown) => {
        if (!signal.aborted) onProblem(problemText(error))
      })
      .finally(() => pending.delete(done))
    pending.add(done)
  }

  const source = serviceSource(client, url)
  const following = await followBalances({
    source,
    state,
    onBalances,
    onProblem,
    onEnd: (error) => onProblem(problemText(error)),
  })
  readChains()
  const timer = setInterval(readChains, chainsEveryMs)
  return {
    async close() {
      clearInterval(timer)
      abort.abort()
      await Promise.all([following.close(), source.close(), ...pending])
    },
  }
}
