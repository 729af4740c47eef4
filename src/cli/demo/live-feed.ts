import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'

import type { WireCurrentBalance } from '../../api/balance-wire.js'
import type { WireChain } from '../../api/chain-wire.js'
import type { WireBalanceChange, WireBalanceReverted, WirePositionStarted } from '../../api/event-wire.js'
import type { WirePage } from '../../api/page.js'
import { SOCKET_PATH } from '../../api/socket-events.js'
import type { WireSolver } from '../../api/watch-list-wire.js'
import type { LiveState } from './live-state.js'
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

interface ServerEvents {
  connected: () => void
  resync: () => void
  'balance:updated': (event: WireBalanceChange) => void
  'position:started': (event: WirePositionStarted) => void
  'balance:reverted': (event: WireBalanceReverted) => void
}

const chainsEveryMs = 1_000
const requestTimeoutMs = 5_000

/** Follows the service as any client would: lists over REST first, then events over Socket.IO. */
export function startLiveFeed({ url, state, onProblem, onBalances }: LiveFeedOptions): LiveFeed {
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

  async function list<Item>(path: string): Promise<readonly Item[]> {
    const answer = await fetch(`${url}${path}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
    })
    if (!answer.ok) throw new Error(`expected an answer to ${path}, got status ${answer.status}`)
    return ((await answer.json()) as WirePage<Item>).items
  }

  async function readChains(): Promise<void> {
    state.chains = await list<WireChain>('/api/chains')
  }

  async function readBalances(): Promise<void> {
    const [solvers, balances] = await Promise.all([
      list<WireSolver>('/api/solvers'),
      list<WireCurrentBalance>('/api/balances?limit=500'),
    ])
    state.applySolvers(solvers)
    state.applyBalances(balances)
    onBalances()
  }

  const socket = connect({ url, state, onBalances, onProblem, refresh: () => run(readBalances) })
  run(readChains)
  const timer = setInterval(() => run(readChains), chainsEveryMs)
  return {
    async close() {
      clearInterval(timer)
      abort.abort()
      socket.disconnect()
      await Promise.all(pending)
    },
  }
}

function connect({
  url,
  state,
  onBalances,
  onProblem,
  refresh,
}: LiveFeedOptions & { refresh: () => void }): Socket<ServerEvents> {
  const socket: Socket<ServerEvents> = io(url, { path: SOCKET_PATH, transports: ['websocket'] })
  // From the greeting on no event is missed, so that a list read now and the events after it leave no gap.
  socket.on('connected', refresh)
  socket.on('resync', () => {
    state.clear()
    refresh()
  })
  socket.on('position:started', (event) => {
    state.applyStart(event)
    onBalances()
  })
  socket.on('balance:updated', (event) => {
    state.applyChange(event)
    onBalances()
  })
  socket.on('balance:reverted', (event) => {
    state.applyRevert(event)
    refresh()
  })
  socket.on('connect_error', ({ message }) => onProblem(`Socket.IO: ${message}`))
  return socket
}
