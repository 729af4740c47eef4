import type { WorldTokenSpec } from '../../testing/index.js'

/** One local chain of the demo. */
export interface DemoChainPlan {
  readonly chainId: bigint
  readonly name: string
  readonly nativeSymbol: string
  readonly blockTimeMs: number
  /** Besides the wrapped native currency, which every chain has. */
  readonly tokens: readonly WorldTokenSpec[]
  readonly maxActionsPerBlock: number
}

const usdc: WorldTokenSpec = { name: 'USD Coin', symbol: 'USDC', decimals: 6 }
const dai: WorldTokenSpec = { name: 'Dai Stablecoin', symbol: 'DAI', decimals: 18 }

/** Two chains with different block times: what is right on one must not depend on the pace of the other. */
export const demoChains: readonly DemoChainPlan[] = [
  {
    chainId: 31_337n,
    name: 'Harbour',
    nativeSymbol: 'ETH',
    blockTimeMs: 1_000,
    tokens: [usdc, dai],
    maxActionsPerBlock: 3,
  },
  { chainId: 31_338n, name: 'Estuary', nativeSymbol: 'POL', blockTimeMs: 3_000, tokens: [usdc], maxActionsPerBlock: 5 },
]

/** Labels of the solver wallets; each wallet is the same on both chains. */
export const demoWallets: readonly string[] = ['hot-1', 'hot-2', 'filler', 'rebalancer']

/** Decides the wallets' addresses and what happens to them. */
export const demoSeed = 20_251_107
