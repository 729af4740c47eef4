import type { Hex } from 'viem'
import type { Address } from '../model/address.js'
import { WorldError } from './errors.js'
import { createRandom } from './random.js'
import { createRpc, type Rpc } from './rpc.js'
import type { Holding } from './truth.js'
import { type ActionCast, transactionsOf, type WorldAction, type WorldActionKind } from './world-action.js'
import { createFunds, type Funds } from './world-funds.js'
import { planActions } from './world-plan.js'
import { createProgress, type Progress } from './world-progress.js'
import { awaitBlocks, type MiningMode, miningModeOf } from './world-receipt.js'
import { createSender, type Sender, type WorldTransaction } from './world-sender.js'
import { setUpWorld, type WorldSetup, type WorldToken, type WorldTokenSpec } from './world-setup.js'
import { seededWallets, treasuryWallet } from './world-wallet.js'

export interface WorldOptions {
  /** An anvil whose first account has its well-known key. */
  readonly rpcUrl: string
  /** Decides wallets and random actions. */
  readonly seed: number
  readonly solverCount: number
  /** Default: USDC with 6 decimals and DAI with 18. Wrapped native currency is always added. */
  readonly tokens?: readonly WorldTokenSpec[] | undefined
  /** Names the wrapped token: `ETH` (default) gives `WETH`. */
  readonly nativeSymbol?: string | undefined
  /** Most actions of one `step`, default 5. */
  readonly maxActionsPerStep?: number | undefined
}

/** Wallets, tokens and everything that can happen to them, on one local chain. */
export interface World {
  readonly chainId: bigint
  readonly mining: MiningMode
  readonly nativeSymbol: string
  readonly solvers: readonly Address[]
  readonly counterparties: readonly Address[]
  /** A rich wallet that is no solver: the sender for what a test wants to send itself. */
  readonly treasury: Address
  /** All tokens; the last one is `wrapped`. */
  readonly tokens: readonly WorldToken[]
  readonly wrapped: WorldToken
  readonly splitter: Address
  /** Native and every token of every solver. */
  readonly positions: readonly Holding[]
  /** The first block at which the world is complete. */
  readonly setupBlock: bigint
  /** Sends the transactions of all actions at once, so that they can share a block; their hashes, in order. */
  perform(actions: readonly WorldAction[]): Promise<Hex[]>
  /** Performs 0 to `maxActionsPerStep` random actions; none while 200 or more are waiting for a block. */
  step(): Promise<{ readonly actions: readonly WorldAction[]; readonly hashes: readonly Hex[] }>
  /** Sends a transaction that is no action. Call `resync` if it moves what a solver holds. */
  send(transaction: WorldTransaction): Promise<Hex>
  /** Mines one block; its number. Throws if an action ended otherwise than it should. */
  mine(): Promise<bigint>
  /** Waits until everything sent is in a block, mining if blocks come only when told. */
  settle(): Promise<void>
  /** Replaces the newest blocks by empty ones: what happened in them did not happen. */
  reorg(depth: number): Promise<void>
  /** Reads nonces and holdings again, after something else changed the chain. */
  resync(): Promise<void>
  /** How often each kind of action got into a block and ended as it should; a reorg takes nothing back here. */
  kinds(): Readonly<Record<WorldActionKind, number>>
}

const defaultTokens: readonly WorldTokenSpec[] = [
  { name: 'USD Coin', symbol: 'USDC', decimals: 6 },
  { name: 'Dai Stablecoin', symbol: 'DAI', decimals: 18 },
]
const counterpartyCount = 4
const maxPendingActions = 200

/** Deploys a world onto a running anvil: the same seed gives the same wallets and the same random actions. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const { rpcUrl, seed, solverCount, nativeSymbol = 'ETH' } = options
  if (!Number.isInteger(solverCount) || solverCount < 1) {
    throw new WorldError(`expected solverCount to be a positive integer, got ${solverCount}`)
  }
  const rpc = createRpc(rpcUrl)
  const [chainId, mining] = await Promise.all([rpc.quantity('eth_chainId'), miningModeOf(rpc)])
  const treasury = treasuryWallet()
  const solverWallets = seededWallets(seed, 'solver', solverCount)
  const counterpartyWallets = seededWallets(seed, 'counterparty', counterpartyCount)
  const sender = createSender({ rpc, chainId, wallets: [treasury, ...solverWallets, ...counterpartyWallets] })
  const solvers = solverWallets.map(({ address }) => address)
  const counterparties = counterpartyWallets.map(({ address }) => address)
  const tokens = options.tokens ?? defaultTokens
  const people = { treasury: treasury.address, solvers, counterparties }
  const setup = await setUpWorld({ rpc, sender, mining, tokens, nativeSymbol, ...people })
  const identity = { chainId, mining, nativeSymbol, ...people, ...setup }
  const positions = positionsOf(solvers, setup)
  const funds = createFunds(rpcUrl, positions)
  await funds.load()
  const setupBlock = await rpc.quantity('eth_blockNumber')
  return { ...identity, positions, setupBlock, ...behaviour({ options, rpc, sender, funds, setupBlock, identity }) }
}

type Identity = Pick<World, 'chainId' | 'mining' | 'solvers' | 'counterparties' | 'tokens' | 'wrapped' | 'splitter'>

type Behaviour = Pick<World, 'perform' | 'step' | 'send' | 'mine' | 'settle' | 'reorg' | 'resync' | 'kinds'>

interface Parts {
  readonly options: WorldOptions
  readonly rpc: Rpc
  readonly sender: Sender
  readonly funds: Funds
  readonly setupBlock: bigint
  readonly identity: Identity
}

function behaviour({ options, rpc, sender, funds, setupBlock, identity }: Parts): Behaviour {
  const { mining } = identity
  const cast = castOf(identity)
  const progress = createProgress({ rpc, funds, cast })
  const coinbase = createCoinbase(rpc)
  const plan = { random: createRandom(options.seed), funds, maxActions: options.maxActionsPerStep ?? 5, ...identity }

  async function settle(): Promise<void> {
    if (progress.pendingCount > 0) {
      await awaitBlocks(rpc, mining, async () => {
        await progress.collect()
        return progress.pendingCount === 0
      })
    }
    await coinbase.restore()
  }

  async function perform(actions: readonly WorldAction[]): Promise<Hex[]> {
    const tipped = actions.findLast((action) => action.kind === 'tip')
    if (tipped !== undefined) await coinbase.become(tipped.solver)
    const hashes = await performActions(actions, { sender, progress, cast })
    if (tipped !== undefined && mining !== 'manual') await settle()
    return hashes
  }

  async function resync(): Promise<void> {
    sender.forgetNonces()
    progress.forget()
    await funds.load()
  }

  return {
    perform,
    settle,
    resync,
    kinds: () => progress.kinds(),
    async step() {
      if (mining !== 'manual') await progress.collect()
      const actions = progress.pendingCount < maxPendingActions ? planActions(plan) : []
      return { actions, hashes: actions.length === 0 ? [] : await perform(actions) }
    },
    async send(transaction) {
      const [hash] = await sender.send([transaction])
      if (hash === undefined) throw new WorldError('expected the hash of a sent transaction, got none')
      return hash
    },
    async mine() {
      await rpc.request('evm_mine')
      const [number] = await Promise.all([rpc.quantity('eth_blockNumber'), progress.collect(), coinbase.restore()])
      return number
    },
    async reorg(depth) {
      await replaceBlocks(rpc, depth, setupBlock)
      await resync()
    },
  }
}

async function performActions(
  actions: readonly WorldAction[],
  { sender, progress, cast }: { readonly sender: Sender; readonly progress: Progress; readonly cast: ActionCast },
): Promise<Hex[]> {
  const transactions = actions.map((action) => transactionsOf(action, cast))
  const hashes = await sender.send(transactions.flat())
  let start = 0
  for (const [index, action] of actions.entries()) {
    const own = transactions[index] ?? []
    progress.sent(action, own, hashes.slice(start, start + own.length))
    start += own.length
  }
  return hashes
}

async function replaceBlocks(rpc: Rpc, depth: number, setupBlock: bigint): Promise<void> {
  const head = await rpc.quantity('eth_blockNumber')
  if (head - BigInt(depth) < setupBlock) {
    throw new WorldError(`expected a reorg that keeps block ${setupBlock}, got depth ${depth} at block ${head}`)
  }
  await rpc.request('anvil_reorg', [depth, []])
}

/** Lends the coinbase to a solver for the next block. */
function createCoinbase(rpc: Rpc): { become(solver: Address): Promise<void>; restore(): Promise<void> } {
  let original: unknown = null
  return {
    async become(solver) {
      original ??= await rpc.request('eth_coinbase')
      await rpc.request('anvil_setCoinbase', [solver])
    },
    async restore() {
      if (original === null) return
      const account = original
      original = null
      await rpc.request('anvil_setCoinbase', [account])
    },
  }
}

function castOf({ counterparties, wrapped, splitter }: Identity): ActionCast {
  const [first, second, ...others] = counterparties
  if (first === undefined || second === undefined) throw new WorldError('expected two counterparties, got fewer')
  return { counterparties: [first, second, ...others], wrapped: wrapped.address, splitter }
}

function positionsOf(solvers: readonly Address[], { tokens }: WorldSetup): Holding[] {
  return solvers.flatMap((solver) => [
    { solver, token: 'native' },
    ...tokens.map(({ address }) => ({ solver, token: address })),
  ])
}
