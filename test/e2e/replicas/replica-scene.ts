import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import type { WireChain } from '../../../src/api/chain-wire.js'
import type { LoggedEvent } from '../../../src/model/event.js'
import { silentLogger } from '../../../src/model/logger.js'
import { Database } from '../../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../../src/storage/postgres/event-log.js'
import type { ModelBlock } from '../../../src/testing/model-chain/model-block.js'
import { createRandom } from '../../../src/testing/random.js'
import type { ServedModelChain } from '../../../src/testing/model-chain/start-model-chain.js'
import { startProxy } from '../../integration/chain-proxy.js'
import type { RpcProxy } from '../../integration/chain-proxy.js'
import type { ChainTruth, TruthBlock } from '../../simulation/chain-truth.js'
import { startBalancer } from '../../support/balancer.js'
import type { Balancer } from '../../support/balancer.js'
import { CHAIN_ID, serve, wallet } from '../../support/serve-model-chain.js'
import { createTestDatabase } from '../../support/test-database.js'
import type { TestDatabase } from '../../support/test-database.js'
import { until } from '../../support/until.js'
import { freePort } from '../chain-service.js'
import { ServiceUnderFire } from '../never-lost/service-under-fire.js'

const BLOCK_MS = 250
const REORG_EVERY = 12
const ETHER = 10n ** 18n
const PAGE_SIZE = 1000
const solvers = [1, 2, 3, 4].map(wallet)

/** One process, with a way to the chain of its own, so that its requests can be told from the others'. */
export interface Replica {
  readonly service: ServiceUnderFire
  readonly proxy: RpcProxy
  /** What it says of the chain; null when it does not answer. */
  chain(): Promise<WireChain | null>
}

/** A chain that goes on by itself, and some processes that share one database, behind one port. */
export class ReplicaScene {
  readonly replicas: readonly Replica[]
  readonly balancer: Balancer
  readonly chain: ServedModelChain['chain']
  readonly database: TestDatabase
  readonly #closing: (() => unknown)[]
  readonly #random = createRandom(81)
  #mining: NodeJS.Timeout | undefined
  #mined = 0

  private constructor(
    parts: Pick<ReplicaScene, 'replicas' | 'balancer' | 'chain' | 'database'>,
    closing: (() => unknown)[],
  ) {
    this.replicas = parts.replicas
    this.balancer = parts.balancer
    this.chain = parts.chain
    this.database = parts.database
    this.#closing = closing
  }

  static async open(count: number): Promise<ReplicaScene> {
    const closing: (() => unknown)[] = []
    const database = await createTestDatabase()
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    closing.push(
      () => rm(folder, { recursive: true, force: true, maxRetries: 10 }),
      () => database.drop(),
    )
    const model = await serve({
      blockTimeSeconds: 1,
      wallets: solvers.map((address) => ({ address, balance: 5n * ETHER })),
      tokens: [{ kind: 'plain' }, { kind: 'weth9' }],
    })
    closing.push(() => model.close())
    const replicas: Replica[] = []
    for (let index = 0; index < count; index += 1) {
      const proxy = await startProxy(model)
      closing.push(() => proxy.close())
      const env = {
        DATABASE_URL: database.url,
        [`CHAIN_${CHAIN_ID}_RPC_URL`]: proxy.url,
        [`CHAIN_${CHAIN_ID}_WS_URL`]: proxy.wsUrl,
        [`CHAIN_${CHAIN_ID}_TOKENS`]: model.chain.tokens.map(({ address }) => address).join(','),
        SOLVER_ADDRESSES: solvers.join(','),
        LOG_LEVEL: 'info',
      }
      const service = new ServiceUnderFire({ folder, dataDir: null, port: await freePort(), env })
      closing.push(() => service.dispose())
      replicas.push({ service, proxy, chain: () => chainOf(service.url) })
    }
    const balancer = await startBalancer(replicas.map(({ service }) => Number(new URL(service.url).port)))
    closing.push(() => balancer.close())
    return new ReplicaScene({ replicas, balancer, chain: model.chain, database }, closing)
  }

  onClose(close: () => unknown): void {
    this.#closing.push(close)
  }

  /** From now on there is a block every quarter of a second, and now and then another branch. */
  beginMining(): void {
    this.#mining = setInterval(() => {
      this.#mined += 1
      if (this.#mined % REORG_EVERY === 0) this.chain.reorg(2, 3)
      else this.chain.activity(this.#random, { wallets: solvers })
    }, BLOCK_MS)
  }

  endMining(): void {
    clearInterval(this.#mining)
  }

  /** The one process that follows the chain now; null while there is none. */
  async holder(): Promise<Replica | null> {
    const answers = await Promise.all(this.replicas.map((replica) => replica.chain()))
    const holders = this.replicas.filter((_replica, index) => answers[index]?.followed === 'here')
    if (holders.length > 1) throw new Error('expected one process to follow the chain, got two that say so')
    return holders[0] ?? null
  }

  /** Waits until another process follows the chain and has processed a block that was not there before. */
  async takenOver(from: Replica): Promise<{ readonly holder: Replica; readonly durationMs: number }> {
    const fromMs = performance.now()
    const goal = this.chain.head.number + 1n
    let holder: Replica | null = null
    await until('another process has taken over', async () => {
      for (const replica of this.replicas) {
        if (replica === from) continue
        const chain = await replica.chain()
        if (chain?.followed === 'here' && BigInt(chain.processed ?? -1n) >= goal) holder = replica
      }
      return holder
    })
    if (holder === null) throw new Error('invariant: there is one')
    return { holder, durationMs: Math.round(performance.now() - fromMs) }
  }

  /** Waits until every one of these says that the chain is live and processed up to its head. */
  async settled(replicas: readonly Replica[] = this.replicas): Promise<void> {
    await until('every process says that all is well', async () => {
      for (const replica of replicas) {
        const chain = await replica.chain()
        if (chain?.state !== 'live' || BigInt(chain.processed ?? -1n) !== this.chain.head.number) return false
      }
      return true
    })
  }

  /** A connection beside the services. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client({ ...this.database.address, options: '-c timezone=UTC' })
    await client.connect()
    this.onClose(() => client.end())
    return client
  }

  async log(): Promise<{ readonly events: readonly LoggedEvent[]; readonly head: bigint }> {
    const database = new Database(this.database.address, silentLogger)
    try {
      const log = new PostgresEventLog(database, silentLogger)
      const { seq: head } = await log.head()
      const events: LoggedEvent[] = []
      for (;;) {
        const page = await log.read(events.at(-1)?.seq ?? 0n, PAGE_SIZE)
        events.push(...page)
        if (page.length < PAGE_SIZE) return { events, head }
      }
    } finally {
      await database.close()
    }
  }

  get truth(): ChainTruth {
    const { chain } = this
    return {
      chainId: CHAIN_ID,
      mayBeSampled: false,
      head: truthOf(chain.head),
      block: (hash) => {
        const block = chain.block(hash)
        return block === undefined ? undefined : truthOf(block)
      },
      balanceAt: (hash, token, solver) => chain.balanceAt(hash, token, solver),
    }
  }

  async close(): Promise<void> {
    this.endMining()
    for (const close of this.#closing.toReversed()) await close()
  }
}

async function chainOf(url: string): Promise<WireChain | null> {
  try {
    const response = await fetch(`${url}/api/chains`, { signal: AbortSignal.timeout(1000) })
    const { items } = (await response.json()) as { readonly items: readonly WireChain[] }
    return items[0] ?? null
  } catch {
    return null
  }
}

function truthOf(block: ModelBlock): TruthBlock {
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.parentHash,
    timestampSeconds: block.timestampSeconds,
    transactionHashes: block.transactions.map(({ hash }) => hash),
  }
}
