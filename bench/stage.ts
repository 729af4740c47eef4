import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BalanceManager } from '../src/index.js'
import { createWorld, startAnvil } from '../src/testing/index.js'
import type { Address } from '../src/model/address.js'
import type { Anvil, Holding, World } from '../src/testing/index.js'
import { createRpc } from '../src/testing/rpc.js'
import { startProxy } from '../test/integration/chain-proxy.js'
import type { RpcProxy } from '../test/integration/chain-proxy.js'

export type HeadMode = 'websocket' | 'poll'

/** A chain, a manager that follows it through a counting proxy, and the means to make blocks. */
export interface Stage {
  readonly anvil: Anvil
  readonly world: World
  readonly proxy: RpcProxy
  readonly manager: BalanceManager
  /** Everything that is watched. */
  readonly positions: readonly Holding[]
  mine(): Promise<void>
  close(): Promise<void>
}

const CHAIN_ID = 31_337n

/** Solvers with money of their own; more are only addresses, which cost a reader just as much. */
const BUSY_SOLVERS_MAX = 250

export async function createStage(heads: HeadMode, positions: number): Promise<Stage> {
  const anvil = await startAnvil({ chainId: CHAIN_ID, blockTimeSeconds: 'manual' })
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const proxy = await startProxy(anvil)
  // Native, two tokens and wrapped native for each solver.
  const solverCount = Math.ceil(positions / 4)
  const world = await createWorld({
    rpcUrl: anvil.rpcUrl,
    seed: 1,
    solverCount: Math.min(solverCount, BUSY_SOLVERS_MAX),
  })
  const solvers = [...world.solvers, ...idleWallets(solverCount - world.solvers.length)]
  const tokens = ['native' as const, ...world.tokens.map(({ address }) => address)]
  const manager = new BalanceManager({
    config: {
      chains: [
        {
          chainId: CHAIN_ID,
          name: 'Bench',
          nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
          rpcUrls: [proxy.url],
          wsUrls: heads === 'websocket' ? [proxy.wsUrl] : [],
          tokens: world.tokens.map(({ address }) => address),
          blockTimeMs: null,
          pollIntervalMs: null,
          syncIntervalMs: 30_000,
        },
      ],
      solvers: solvers.map((address) => ({ address, label: null })),
      databaseUrl: null,
      dataDir,
    },
  })
  await manager.start()
  const rpc = createRpc(anvil.rpcUrl)
  return {
    anvil,
    world,
    proxy,
    manager,
    positions: solvers.flatMap((solver) => tokens.map((token) => ({ token, solver }))),
    async mine() {
      await rpc.request('evm_mine')
    },
    async close() {
      await manager.close()
      await proxy.close()
      await anvil.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Addresses that hold nothing: the first ones of a counter. */
export function idleWallets(count: number): readonly Address[] {
  return Array.from({ length: count }, (_, index): Address => `0x1d1e${(index + 1).toString(16).padStart(36, '0')}`)
}
