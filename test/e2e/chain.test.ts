import { afterEach, describe, expect, it } from 'vitest'

import type { WireBalanceRecord } from '../../src/api/balance-wire.js'
import type { WireChain } from '../../src/api/chain-wire.js'
import { createWorld, startAnvil } from '../../src/testing/index.js'
import type { Anvil, World, WorldActionKind } from '../../src/testing/index.js'
import { seeds } from '../support/long.js'
import { until } from '../support/until.js'
import { createService } from './chain-service.js'
import type { ServiceUnderTest } from './chain-service.js'
import { expectedRecords, headerAt, nameOf, plain, storedRecords, wrongTransactions } from './chain-truth.js'
import type { PlainRecord } from './chain-truth.js'
import { openViewer } from './chain-viewer.js'
import type { SeenEvent, Viewer } from './chain-viewer.js'

interface Stage {
  readonly anvil: Anvil
  readonly world: World
  readonly service: ServiceUnderTest
  /** The block at which the service began. */
  readonly first: bigint
}

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('the built service against a real chain', () => {
  it.each(seeds(200, 1, 12))(
    'records exactly the changes of 200 blocks, through a kill -9 in the middle',
    async (seed) => {
      const stage = await raise({ seed, solverCount: 6, heads: 'websocket' })
      const viewer = watch(stage.service.url)
      await mine(stage.world, 100)
      await stage.service.kill()
      await mine(stage.world, 20)
      await Promise.all([stage.service.start(), mine(stage.world, 80)])
      const last = await caughtUp(stage)
      expect(last - stage.first).toBe(200n)

      const records = await compare(stage)
      expect(records.length).toBeGreaterThan(500)
      expect(await wrongTransactions({ ...stage.world, rpcUrl: stage.anvil.rpcUrl }, records)).toEqual([])
      // Everything the world does is in a transaction, or a tip: nothing is left without its transactions.
      const changes = records.filter(({ previousBalance }) => previousBalance !== null)
      expect(changes.filter(({ transactionHashes }) => transactionHashes.length === 0)).toEqual([])
      for (const kind of named) expect(stage.world.kinds()[kind], kind).toBeGreaterThan(0)
      await sawEveryRecord(viewer, records)
      expect(viewer.connections).toBe(2)
    },
  )

  it('records exactly the changes when blocks are only polled for', async () => {
    const stage = await raise({ seed: 40, solverCount: 3, heads: 'poll' })
    await mine(stage.world, 40)
    await caughtUp(stage)
    await compare(stage)
    const { items } = await stage.service.get<{ readonly items: readonly WireChain[] }>('/api/chains')
    expect(items[0]?.endpoints.map(({ transport }) => transport)).toEqual(['http'])
    await stage.service.stop()
  })

  it('watches what is added at run time from the very next block, keeps it, and keeps the history of what is removed', async () => {
    const stage = await raise({ seed: 3, solverCount: 3, heads: 'websocket', configured: { solvers: 2, tokens: 2 } })
    const { service, world } = stage
    const late = { solver: orThrow(world.solvers[2]), token: world.wrapped.address }
    const inConfig = world.solvers.slice(0, 2)

    await mine(world, 3)
    const beforeAdding = await caughtUp(stage)
    expect(await service.send('POST', '/api/solvers', { address: late.solver, label: 'late' })).toMatchObject({
      status: 200,
    })
    expect(await service.send('POST', `/api/chains/${world.chainId}/tokens`, { tokens: [late.token] })).toMatchObject({
      status: 200,
    })
    await mine(world, 5)
    await caughtUp(stage)
    const added = world.positions.filter(({ solver, token }) => solver === late.solver || token === late.token)
    await compare({ ...stage, first: beforeAdding + 1n }, added)

    await service.kill()
    await service.start()
    await mine(world, 5)
    const removedAt = await caughtUp(stage)
    await compare({ ...stage, first: beforeAdding + 1n }, added)

    expect(await service.send('DELETE', `/api/solvers/${late.solver}`)).toMatchObject({ status: 204 })
    expect(await service.send('DELETE', `/api/chains/${world.chainId}/tokens/${late.token}`)).toMatchObject({
      status: 204,
    })
    for (const path of [
      `/api/solvers/${inConfig[0]}`,
      `/api/chains/${world.chainId}/tokens/${world.tokens[0]?.address}`,
    ]) {
      expect(await service.send('DELETE', path)).toMatchObject({
        status: 409,
        body: { success: false, code: 'configured' },
      })
    }
    await mine(world, 5)
    const last = await caughtUp(stage)
    expect(last).toBe(removedAt + 5n)
    const kept = await expectedRecords(stage.anvil.rpcUrl, added, [beforeAdding + 1n, removedAt])
    expect((await storedRecords(service, world.chainId, added)).map(plain)).toEqual(kept)
    const others = world.positions.filter((position) => !added.includes(position))
    await compare(stage, others)
  })

  it.each(seeds(64, 1, 5))(
    'takes back what reorganisations of 1, 5, 30 and 64 blocks undid, and nothing else',
    async (seed) => {
      const stage = await raise({ seed, solverCount: 3, heads: 'websocket' })
      const { world } = stage
      const viewer = watch(stage.service.url)
      // The service begins below the deepest reorganisation.
      await mine(world, 70)
      await caughtUp(stage)
      for (const depth of [1, 5, 30, 64]) {
        const solver = orThrow(world.solvers[depth % world.solvers.length])
        await mineSomething(world)
        const head = await caughtUp(stage)
        await world.reorg(depth)
        // Another history: what was in the blocks is gone, and something else happens instead.
        await world.perform([{ kind: 'native-in', solver, amount: BigInt(depth) }])
        await world.mine()
        await mine(world, 2)
        await caughtUp(stage)
        expect((await viewerCaughtUp(viewer, stage)).some(isRevertTo(head - BigInt(depth))), `depth ${depth}`).toBe(
          true,
        )
        await compare(stage)
      }
      expect(viewer.complaints).toEqual([])
      expect(replay(viewer)).toEqual(await currentBalances(stage))
    },
  )

  it('follows one chain undisturbed while the endpoint of another is closed, and takes that one up when it opens', async () => {
    const here = await startChain(31_337n)
    const absentPort = await startAnvil({ chainId: 31_338n, blockTimeSeconds: 'manual' }).then(async (anvil) => {
      const { port } = new URL(anvil.rpcUrl)
      await anvil.stop()
      return Number(port)
    })
    const world = await createWorld({ rpcUrl: here.rpcUrl, seed: 2, solverCount: 2 })
    const service = await startService({
      ...environmentOf(here, world, 'websocket'),
      CHAIN_31338_RPC_URL: `http://127.0.0.1:${absentPort}`,
      CHAIN_31338_WS_URL: `ws://127.0.0.1:${absentPort}`,
    })
    const stage = { anvil: here, world, service, first: await firstBlock(service, world) }
    await mine(world, 20)
    await caughtUp(stage)
    await compare(stage)
    await until(
      'the chain without endpoint is stalled',
      async () => (await chainOf(service, 31_338n)).state === 'stalled',
    )
    const away = await chainOf(service, 31_338n)
    expect(away).toMatchObject({ processed: null, head: null })
    expect(away.reason).toMatch(/ECONNREFUSED/)
    expect(away.endpoints.map(({ healthy }) => healthy)).toEqual([false, false])
    expect(await chainOf(service, 31_337n)).toMatchObject({ state: 'live', reason: null })

    const opened = await startAnvil({ chainId: 31_338n, blockTimeSeconds: 'manual', port: absentPort })
    closing.push(() => opened.stop())
    await until('the other chain is followed', async () => (await chainOf(service, 31_338n)).state === 'live', 30_000)
    expect(await chainOf(service, 31_338n)).toMatchObject({ processed: '0', reason: null })
    await mine(world, 5)
    await caughtUp(stage)
    await compare(stage)
  })
})

/** The activity that the proof must contain. */
const named: readonly WorldActionKind[] = [
  'token-in',
  'token-out',
  'native-in',
  'native-out',
  'between',
  'round-trip',
  'internal',
  'failed',
  'gas-only',
  'create',
  'wrap',
  'unwrap',
]

interface StageOptions {
  readonly seed: number
  readonly solverCount: number
  readonly heads: 'websocket' | 'poll'
  /** How many of the world's solvers and tokens stand in the configuration; all when absent. */
  readonly configured?: { readonly solvers: number; readonly tokens: number }
}

/** A chain with a world on it, watched by a service of its own. */
async function raise({ seed, solverCount, heads, configured }: StageOptions): Promise<Stage> {
  const anvil = await startChain(31_337n)
  const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed, solverCount })
  const solvers = world.solvers.slice(0, configured?.solvers)
  const tokens = world.tokens.slice(0, configured?.tokens)
  const service = await startService(environmentOf(anvil, { ...world, solvers, tokens }, heads))
  return { anvil, world, service, first: await firstBlock(service, world) }
}

async function startChain(chainId: bigint): Promise<Anvil> {
  const anvil = await startAnvil({ chainId, blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  return anvil
}

async function startService(env: Readonly<Record<string, string>>): Promise<ServiceUnderTest> {
  const service = await createService(env)
  closing.push(() => service.dispose())
  await service.start()
  return service
}

function environmentOf(
  anvil: Anvil,
  { solvers, tokens }: Pick<World, 'solvers' | 'tokens'>,
  heads: StageOptions['heads'],
): Readonly<Record<string, string>> {
  const prefix = `CHAIN_${anvil.chainId}`
  return {
    [`${prefix}_RPC_URL`]: anvil.rpcUrl,
    [`${prefix}_TOKENS`]: tokens.map(({ address }) => address).join(','),
    ...(heads === 'websocket' ? { [`${prefix}_WS_URL`]: anvil.wsUrl } : { [`${prefix}_POLL_INTERVAL_MS`]: '50' }),
    SOLVER_ADDRESSES: solvers.join(','),
  }
}

/** The chain stands still until the service has read its first block. */
async function firstBlock(service: ServiceUnderTest, world: World): Promise<bigint> {
  await until('the first block is read', async () => (await chainOf(service, world.chainId)).state === 'live')
  const { processed } = await chainOf(service, world.chainId)
  if (processed === null) throw new Error('expected a processed block, got none')
  expect(processed).toBe(world.setupBlock.toString())
  return BigInt(processed)
}

async function chainOf(service: ServiceUnderTest, chainId: bigint): Promise<WireChain> {
  const { items } = await service.get<{ readonly items: readonly WireChain[] }>('/api/chains')
  return orThrow(items.find((chain) => chain.chainId === chainId.toString()))
}

async function mine(world: World, blocks: number): Promise<void> {
  for (let count = 0; count < blocks; count += 1) {
    await world.step()
    await world.mine()
  }
}

/** A block that surely changes something. */
async function mineSomething(world: World): Promise<void> {
  await world.perform([{ kind: 'native-in', solver: orThrow(world.solvers[0]), amount: 1n }])
  await world.mine()
}

/** Waits until the chain's newest block is the one that the service last processed. */
async function caughtUp({ anvil, service, world }: Stage): Promise<bigint> {
  const { number, hash } = await headerAt(anvil.rpcUrl, 'latest')
  await until('the service is at the head', async () => {
    const { items } = await service.get<{
      readonly items: readonly { readonly verified: { readonly blockHash: string } }[]
    }>(`/api/balances?chainId=${world.chainId}&limit=1`)
    return items[0]?.verified.blockHash === hash
  })
  return number
}

/** Compares every record of every position with the chain; the records. */
async function compare(
  { anvil, world, service, first }: Stage,
  positions: World['positions'] = world.positions,
): Promise<readonly WireBalanceRecord[]> {
  const { number: last } = await headerAt(anvil.rpcUrl, 'latest')
  const expected = await expectedRecords(anvil.rpcUrl, positions, [first, last])
  const stored = await storedRecords(service, world.chainId, positions)
  expect(stored.map(plain), troublesOf(service)).toEqual(expected)
  return stored
}

/** What the service complained of, to be shown when its records are wrong. */
function troublesOf({ log }: ServiceUnderTest): string {
  const troubles = log.filter(({ level }) => level === 'warn' || level === 'error')
  return `the service logged ${JSON.stringify(troubles.slice(-20))}`
}

function watch(url: string): Viewer {
  const viewer = openViewer(url)
  closing.push(() => viewer.close())
  return viewer
}

/** The pushed events are the records: first ones as starts, the others as updates; each once, in order. */
async function sawEveryRecord(viewer: Viewer, records: readonly WireBalanceRecord[]): Promise<void> {
  await until('the viewer has as many events as there are records', () => viewer.seen.length >= records.length)
  expect(viewer.complaints).toEqual([])
  const seen = [...viewer.of('position:started'), ...viewer.of('balance:updated')].map(recordOf)
  expect(sorted(seen)).toEqual(sorted(records.map(plain)))
  expect(viewer.of('balance:reverted')).toEqual([])
}

function recordOf({ payload }: SeenEvent): PlainRecord {
  const text = (name: string): string => String(payload[name])
  return {
    position: `${text('tokenAddress')}/${text('solverAddress')}`,
    blockNumber: BigInt(text('blockNumber')),
    blockHash: text('blockHash'),
    timestamp: text('timestamp'),
    balance: BigInt(text('newBalance' in payload ? 'newBalance' : 'balance')),
    previousBalance: 'previousBalance' in payload ? BigInt(text('previousBalance')) : null,
  }
}

function sorted(records: readonly PlainRecord[]): PlainRecord[] {
  const key = ({ position, blockNumber }: PlainRecord): string =>
    `${position} ${blockNumber.toString().padStart(9, '0')}`
  return records.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** What the viewer has of reorganisations, once it shows the balances that the service does. */
async function viewerCaughtUp(viewer: Viewer, stage: Stage): Promise<readonly SeenEvent[]> {
  const current = await currentBalances(stage)
  await until('the viewer shows the newest balances', () => {
    const shown = replay(viewer)
    return [...current].every(([position, balance]) => shown.get(position) === balance)
  })
  return viewer.of('balance:reverted')
}

function isRevertTo(ancestor: bigint): (event: SeenEvent) => boolean {
  return ({ payload }) => (payload['ancestor'] as { readonly blockNumber: string }).blockNumber === ancestor.toString()
}

/** The balances that a screen shows after all events it has seen. */
function replay(viewer: Viewer): Map<string, string | null> {
  const shown = new Map<string, string | null>()
  for (const { name, payload } of viewer.seen) {
    const change = payload as {
      readonly tokenAddress: string
      readonly solverAddress: string
      readonly balance?: string
      readonly newBalance?: string
      readonly items?: readonly {
        readonly position: { readonly tokenAddress: string; readonly solverAddress: string }
        readonly balance: string | null
      }[]
    }
    if (name === 'balance:reverted') {
      for (const { position, balance } of change.items ?? []) {
        shown.set(`${position.tokenAddress}/${position.solverAddress}`, balance)
      }
    } else if (name === 'balance:updated' || name === 'position:started') {
      shown.set(`${change.tokenAddress}/${change.solverAddress}`, change.newBalance ?? change.balance ?? null)
    }
  }
  return new Map([...shown].toSorted())
}

async function currentBalances({ service, world }: Stage): Promise<Map<string, string | null>> {
  const { items } = await service.get<{ readonly items: readonly WireBalanceRecord[] }>(
    `/api/balances?chainId=${world.chainId}&limit=500`,
  )
  expect(items).toHaveLength(world.positions.length)
  const known = new Set(world.positions.map(nameOf))
  const balances = items.map((item): [string, string] => [`${item.tokenAddress}/${item.solverAddress}`, item.balance])
  for (const [position] of balances) expect(known).toContain(position)
  return new Map(balances.toSorted())
}

function orThrow<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('expected a value, got none')
  return value
}
