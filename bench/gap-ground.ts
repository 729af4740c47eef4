import type { Address } from '../src/model/address.js'
import { createWorld, startAnvil, startModelChain } from '../src/testing/index.js'
import type { ModelAction, WorldAction } from '../src/testing/index.js'
import { createRpc } from '../src/testing/rpc.js'
import { idleWallets } from './stage.js'

/** A chain on which an absence can be played. */
export interface GapGround {
  readonly name: string
  readonly chainId: bigint
  readonly rpcUrl: string
  readonly wsUrl: string
  readonly solvers: readonly Address[]
  readonly tokens: readonly Address[]
  readonly positions: number
  head(): Promise<bigint>
  /** Makes blocks in which some positions change, evenly spread; half of the changes are native. */
  pass(blocks: number, changes: number): Promise<void>
  close(): Promise<void>
}

const BUSY_SOLVERS = 250

/** A real EVM. It keeps too few old states for a day of blocks. */
export async function anvilGround(positions: number): Promise<GapGround> {
  const anvil = await startAnvil({ chainId: 31_337n, blockTimeSeconds: 'manual' })
  const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 1, solverCount: BUSY_SOLVERS })
  const tokens = world.tokens.map(({ address }) => address)
  const solvers = [...world.solvers, ...idleWallets(positions / (tokens.length + 1) - BUSY_SOLVERS)]
  const rpc = createRpc(anvil.rpcUrl)
  return {
    name: 'anvil',
    chainId: 31_337n,
    rpcUrl: anvil.rpcUrl,
    wsUrl: anvil.wsUrl,
    solvers,
    tokens,
    positions,
    head: () => rpc.quantity('eth_blockNumber', []),
    async pass(blocks, changes) {
      let made = 0
      for (let block = 1; block <= blocks; block += 1) {
        const due = Math.floor((block * changes) / blocks)
        const actions = Array.from({ length: due - made }, (_, index): WorldAction => {
          const number = made + index
          const solver = world.solvers[number % world.solvers.length]
          const token = tokens[0]
          if (solver === undefined || token === undefined) throw new Error('expected a solver and a token')
          return number % 2 === 0
            ? { kind: 'native-in', solver, amount: 1n }
            : { kind: 'token-in', token, solver, amount: 1n }
        })
        await world.perform(actions)
        await rpc.request('evm_mine')
        made = due
      }
    },
    close: () => anvil.stop(),
  }
}

/** A chain with a ledger of its own: it keeps every state, so a day of blocks can be missed. */
export async function modelGround(positions: number): Promise<GapGround> {
  const chainId = 31_338n
  const solvers = idleWallets(positions / 4)
  const holders = Object.fromEntries(solvers.map((solver) => [solver, 1_000_000n]))
  const served = await startModelChain({
    chainId,
    seed: 1,
    wallets: solvers.map((address) => ({ address, balance: 10n ** 18n })),
    tokens: (['plain', 'plain', 'weth9'] as const).map((kind) => ({ kind, holders })),
  })
  const { chain } = served
  const tokens = chain.tokens.map(({ address }) => address)
  chain.mineEmpty(100)
  return {
    name: 'model chain',
    chainId,
    rpcUrl: served.rpcUrl,
    wsUrl: served.wsUrl,
    solvers,
    tokens,
    positions,
    head: () => Promise.resolve(chain.head.number),
    pass(blocks, changes) {
      let made = 0
      for (let block = 1; block <= blocks; block += 1) {
        const due = Math.floor((block * changes) / blocks)
        const actions = Array.from({ length: due - made }, (_, index): ModelAction => {
          const number = made + index
          const to = solvers[(number * 7) % solvers.length]
          const token = tokens[0]
          if (to === undefined || token === undefined) throw new Error('expected a solver and a token')
          return number % 2 === 0
            ? { kind: 'internal', from: chain.treasury, to, value: 1n }
            : { kind: 'token-mint', token, to, value: 1n }
        })
        chain.mine(actions)
        made = due
      }
      return Promise.resolve()
    },
    close: () => served.close(),
  }
}
