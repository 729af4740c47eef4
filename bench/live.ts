import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

import { WebSocket } from 'ws'

import type { WorldAction } from '../src/testing/index.js'
import { startProxy } from '../test/integration/chain-proxy.js'
import { prepareRawCall } from './raw-call.js'
import type { HeadMode, Stage } from './stage.js'

export interface MeasureOptions {
  readonly stage: Stage
  readonly heads: HeadMode
  /** The first half of them change nothing, the second half ten positions each. */
  readonly blocks: number
  readonly blockTimeMs: number
}

export interface Live {
  readonly heads: HeadMode
  readonly positions: number
  readonly blocks: number
  readonly blockTimeMs: number
  /** JSON-RPC calls per block, all of them, averaged over the blocks of a kind. */
  readonly requestsPerUnchangedBlock: number
  readonly requestsPerChangedBlock: number
  readonly requestsByMethod: Readonly<Record<string, number>>
  /** From the announced block to the committed event, for each changed block. */
  readonly latenciesMs: readonly number[]
  /** One raw call over the same positions at the same blocks. */
  readonly rawCallsMs: readonly number[]
}

const CHANGES = 10

/** Makes blocks at a steady pace, first without and then with changes, and measures what they cost and how long they take. */
export async function measureLive({ stage, heads, blocks, blockTimeMs }: MeasureOptions): Promise<Live> {
  const { proxy, world } = stage
  const announced = await listen(stage.anvil.wsUrl)
  const committed = new Map<string, { atMs: number; events: number }>()
  const stopWatching = stage.manager.events.subscribe((event) => {
    if (event.type !== 'balance.updated') return
    const { blockHash } = event.data
    committed.set(blockHash, { atMs: performance.now(), events: (committed.get(blockHash)?.events ?? 0) + 1 })
  })
  // The raw call passes a proxy as the manager's calls do, but one of its own: it is not counted.
  const beside = await startProxy(stage.anvil)
  const rawCall = await prepareRawCall(beside.url, stage.positions)
  await followed(stage)

  const methodsBefore = new Map(proxy.calls)
  const changed: string[] = []
  const rawCallsMs: number[] = []
  const phase = async (changes: boolean): Promise<number> => {
    const before = proxy.count()
    let nextAtMs = performance.now() + blockTimeMs
    for (let block = 0; block < blocks / 2; block += 1) {
      if (changes) await world.perform(actions(stage, block))
      await sleep(Math.max(0, nextAtMs - performance.now()))
      nextAtMs += blockTimeMs
      await stage.mine()
      if (!changes) continue
      // The raw call comes when the work on the pushed block is done, so that the two do not meet.
      await sleep(blockTimeMs * 0.6)
      changed.push(announced.newest())
      rawCallsMs.push(await rawCall(announced.newest()))
    }
    await sleep(blockTimeMs)
    await followed(stage)
    return (proxy.count() - before) / (blocks / 2)
  }
  const requestsPerUnchangedBlock = await phase(false)
  const requestsPerChangedBlock = await phase(true)
  const latenciesMs = changed.map((hash) => {
    const done = committed.get(hash)
    if (done?.events !== CHANGES)
      throw new Error(`expected ${CHANGES} changes of block ${hash}, got ${done?.events ?? 0}`)
    return done.atMs - announced.atMs(hash)
  })
  stopWatching()
  announced.close()
  await beside.close()
  const methods = [...proxy.calls].map(([method, count]): [string, number] => [
    method,
    (count - (methodsBefore.get(method) ?? 0)) / blocks,
  ])
  return {
    heads,
    positions: stage.positions.length,
    blocks,
    blockTimeMs,
    requestsPerUnchangedBlock,
    requestsPerChangedBlock,
    requestsByMethod: Object.fromEntries(methods.filter(([, count]) => count > 0)),
    latenciesMs,
    rawCallsMs,
  }
}

/** Half of the changes are of native currency, half of a token, each of another wallet. */
function actions({ world }: Stage, block: number): readonly WorldAction[] {
  return Array.from({ length: CHANGES }, (_, index): WorldAction => {
    const solver = world.solvers[(block * CHANGES + index) % world.solvers.length]
    const token = world.tokens[0]
    if (solver === undefined || token === undefined) throw new Error('expected a solver and a token')
    return index % 2 === 0
      ? { kind: 'native-in', solver, amount: 1n }
      : { kind: 'token-in', token: token.address, solver, amount: 1n }
  })
}

async function followed({ manager }: Stage): Promise<void> {
  for (;;) {
    const [chain] = await manager.chains()
    if (chain?.state === 'live' && chain.processed !== null && chain.processed === chain.head) return
    await sleep(20)
  }
}

interface Announcements {
  newest(): string
  atMs(hash: string): number
  close(): void
}

/** A plain client of the node's own WebSocket: notes when each block was announced to this process. */
async function listen(wsUrl: string): Promise<Announcements> {
  const socket = new WebSocket(wsUrl)
  const times = new Map<string, number>()
  let newest = ''
  await once(socket, 'open')
  const subscribed = once(socket, 'message')
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }))
  await subscribed
  socket.on('message', (data: Buffer) => {
    const atMs = performance.now()
    const { params } = JSON.parse(data.toString('utf8')) as {
      readonly params?: { readonly result: { readonly hash: string } }
    }
    if (params === undefined) return
    newest = params.result.hash
    times.set(newest, atMs)
  })
  return {
    newest: () => newest,
    atMs(hash) {
      const atMs = times.get(hash)
      if (atMs === undefined) throw new Error(`expected block ${hash} to be announced`)
      return atMs
    },
    close: () => socket.close(),
  }
}
