import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { BalanceManager } from '../src/index.js'
import { createWorld, startAnvil } from '../src/testing/index.js'
import type { Anvil, World } from '../src/testing/index.js'
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
  mine(): Promise<void>
  close(): Promise<void>
}

const CHAIN_ID = 31_337n

export async function createStage(heads: HeadMode, positions: number): Promise<Stage> {
  const anvil = await startAnvil({ chainId: CHAIN_ID, blockTimeSeconds: 'manual' })
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const proxy = await startProxy(anvil)
  // Native, two tokens and wrapped native for each solver.
  const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 1, solverCount: Math.ceil(positions / 4) })
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
      solvers: world.solvers.map((address) => ({ address, label: null })),
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
