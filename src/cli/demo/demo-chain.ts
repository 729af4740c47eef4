import { createWorld, startAnvil } from '../../testing/index.js'
import type { Anvil, World } from '../../testing/index.js'
import type { Logger } from '../../index.js'
import { demoSeed, demoWallets } from './demo-plan.js'
import type { DemoChainPlan } from './demo-plan.js'
import type { Cleanup } from './cleanup.js'

/** A local chain with contracts and funded wallets; nothing happens on it yet. */
export interface DemoChain {
  readonly plan: DemoChainPlan
  readonly anvil: Anvil
  readonly world: World
}

export interface DemoChainOptions {
  readonly plan: DemoChainPlan
  readonly cleanup: Cleanup
  readonly logger: Logger
}

/** Starts a chain and deploys onto it. Blocks come when told, so that the set-up need not wait for the block time. */
export async function startDemoChain({ plan, cleanup, logger }: DemoChainOptions): Promise<DemoChain> {
  const anvil = await startAnvil({ chainId: plan.chainId, blockTimeSeconds: 'manual', logger })
  cleanup.add(() => anvil.stop())
  const world = await createWorld({
    rpcUrl: anvil.rpcUrl,
    seed: demoSeed,
    solverCount: demoWallets.length,
    tokens: plan.tokens,
    nativeSymbol: plan.nativeSymbol,
    maxActionsPerStep: plan.maxActionsPerBlock,
  })
  return { plan, anvil, world }
}
