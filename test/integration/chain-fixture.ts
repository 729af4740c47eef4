import { networkTransport } from '../../src/chain/rpc/node-transport.js'
import type { ChainConfig } from '../../src/config/config.js'
import { BalanceManager } from '../../src/index.js'
import type { Address, BalanceRecord, ChainSummary, Position } from '../../src/index.js'
import type { Clock } from '../../src/model/clock.js'
import { openPostgresStorage } from '../../src/storage/postgres/postgres-storage.js'
import { createRpc } from '../../src/testing/rpc.js'
import type { Anvil, Holding, World } from '../../src/testing/index.js'
import { recordLog } from '../support/log-recorder.js'
import type { LogLine } from '../support/log-recorder.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'

export interface Follower {
  readonly manager: BalanceManager
  readonly database: TestDatabase
  readonly log: readonly LogLine[]
  chain(): Promise<ChainSummary>
  /** Waits until the block is processed. */
  reached(block: bigint): Promise<void>
  /** All records of a position, oldest first. */
  records(holding: Holding): Promise<readonly BalanceRecord[]>
  close(): Promise<void>
}

export interface FollowerOptions {
  readonly chainId?: bigint
  readonly rpcUrls: readonly string[]
  readonly wsUrls?: readonly string[]
  readonly tokens: readonly Address[]
  readonly solvers: readonly Address[]
  /** Endpoints that must show a head before it counts; 1 when absent. */
  readonly agreement?: number
  /** Five minutes when absent. */
  readonly syncIntervalMs?: number
  /** A database that is kept; its own one, dropped at the end, when absent. */
  readonly database?: TestDatabase
  /** The machine's own when absent. */
  readonly clock?: Clock
}

/** A chain that is polled quickly. */
export function chainConfig(options: Omit<FollowerOptions, 'solvers'>): ChainConfig {
  return {
    chainId: options.chainId ?? 31_337n,
    name: 'Test chain',
    nativeCurrency: { name: 'Polygon Ecosystem Token', symbol: 'POL', decimals: 18 },
    rpcUrls: options.rpcUrls,
    wsUrls: options.wsUrls ?? [],
    tokens: options.tokens,
    blockTimeMs: null,
    pollIntervalMs: 50,
    syncIntervalMs: options.syncIntervalMs ?? 300_000,
    agreement: options.agreement ?? 1,
  }
}

/** A manager that follows one chain, polling quickly. */
export async function follow(options: FollowerOptions): Promise<Follower> {
  const { chainId = 31_337n, solvers } = options
  const database = options.database ?? (await createTestDatabase())
  const { logger, lines } = recordLog()
  const config = {
    chains: [chainConfig(options)],
    solvers: solvers.map((address) => ({ address, label: null })),
    databaseUrl: database.url,
    dataDir: '/nowhere',
  }
  const environment =
    options.clock === undefined
      ? undefined
      : { clock: options.clock, transport: networkTransport, openStorage: openPostgresStorage }
  const manager = new BalanceManager({ config, logger, environment })
  await manager.start()
  const summary = async (): Promise<ChainSummary> => {
    const [first] = await manager.chains()
    if (first === undefined) throw new Error('expected a chain, got none')
    return first
  }
  return {
    manager,
    database,
    log: lines,
    chain: summary,
    reached: (block) => until(`block ${block} is processed`, async () => ((await summary()).processed ?? -1n) >= block),
    async records({ token, solver }) {
      const position: Position = { chainId, token, solver }
      const page = await manager.reader.history({ position, limit: 500 })
      return (page?.items ?? []).toReversed()
    },
    async close() {
      await manager.close()
      if (options.database === undefined) await database.drop()
    },
  }
}

/** Random activity, one block after the other; the newest block. */
export async function mineActivity(world: World, blocks: number): Promise<bigint> {
  let head = world.setupBlock
  for (let count = 0; count < blocks; count += 1) {
    await world.step()
    head = await world.mine()
  }
  return head
}

/** Puts code at a new address by a transaction of a rich account, in a block of its own. */
export async function deploy(anvil: Anvil, world: World, bytecode: `0x${string}`): Promise<Address> {
  const hash = await world.send({ from: world.treasury, data: bytecode, gas: 3_000_000n })
  await world.mine()
  const receipt = (await createRpc(anvil.rpcUrl).request('eth_getTransactionReceipt', [hash])) as {
    contractAddress: Address
  }
  return receipt.contractAddress.toLowerCase() as Address
}
