import { encodeFunctionData, type Hex, toEventSelector } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Address } from '../model/address.js'
import { type Anvil, startAnvil } from './anvil.js'
import { testToken } from './contracts/artifacts.js'
import { createRpc, type Rpc } from './rpc.js'
import { balanceAt, balancesAt } from './truth.js'
import { type WorldAction, worldActionKinds } from './world-action.js'
import type { WorldToken } from './world-setup.js'
import { createWorld, type World } from './world.js'

interface Transaction {
  readonly hash: Hex
  readonly from: Address
  readonly to: Address | null
}

interface Receipt extends Record<string, unknown> {
  readonly from: Address
  readonly status: Hex
  readonly gasUsed: Hex
  readonly effectiveGasPrice: Hex
  readonly logs: readonly { readonly topics: readonly Hex[] }[]
  readonly contractAddress: Address | null
}

/** What one block did: the differences of positions as `<solver index> <symbol>`, fees by solver, its transactions. */
interface Effect {
  readonly block: bigint
  readonly changes: Readonly<Record<string, bigint>>
  readonly fee: (solver: Address | undefined) => bigint
  readonly receipts: readonly Receipt[]
  readonly transactions: readonly Transaction[]
}

function symbolOf(world: World, token: Address | 'native'): string {
  return token === 'native' ? token : (world.tokens.find(({ address }) => address === token)?.symbol ?? token)
}

async function observe(world: World, rpcUrl: string, act: () => Promise<unknown>): Promise<Effect> {
  const rpc = createRpc(rpcUrl)
  const before = await rpc.quantity('eth_blockNumber')
  await act()
  const block = await world.mine()
  const [old, now] = await Promise.all([
    balancesAt(rpcUrl, world.positions, before),
    balancesAt(rpcUrl, world.positions, block),
  ])
  const changes = world.positions
    .map(({ token, solver }, index) => {
      const change = (now[index] ?? 0n) - (old[index] ?? 0n)
      return [`${world.solvers.indexOf(solver)} ${symbolOf(world, token)}`, change] as const
    })
    .filter(([, change]) => change !== 0n)
  const header = (await rpc.request('eth_getBlockByNumber', [`0x${block.toString(16)}`, true])) as {
    readonly transactions: readonly Transaction[]
  }
  const receipts = (await Promise.all(
    header.transactions.map(({ hash }) => rpc.request('eth_getTransactionReceipt', [hash])),
  )) as Receipt[]
  const fee = (solver: Address | undefined): bigint =>
    receipts
      .filter(({ from }) => from === solver)
      .reduce((sum, { gasUsed, effectiveGasPrice }) => sum + BigInt(gasUsed) * BigInt(effectiveGasPrice), 0n)
  return { block, changes: Object.fromEntries(changes), fee, receipts, transactions: header.transactions }
}

const transferTopic = toEventSelector('Transfer(address,address,uint256)')
const topicsOf = ({ receipts }: Effect): (Hex | undefined)[] =>
  receipts.flatMap(({ logs }) => logs.map(({ topics }) => topics[0]))

describe('one action in one block', { timeout: 60_000 }, () => {
  let anvil: Anvil
  let world: World
  let rpc: Rpc
  let alice: Address
  let bob: Address
  let usdc: WorldToken

  beforeAll(async () => {
    anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 1, solverCount: 3 })
    rpc = createRpc(anvil.rpcUrl)
    const [first, second] = world.solvers
    const [token] = world.tokens
    if (first === undefined || second === undefined || token === undefined) throw new Error('expected a filled world')
    ;[alice, bob, usdc] = [first, second, token]
  })

  afterAll(() => anvil?.stop())

  const run = (...actions: WorldAction[]): Promise<Effect> => observe(world, anvil.rpcUrl, () => world.perform(actions))

  it('starts every solver with native currency and plain tokens, and without wrapped native', async () => {
    const balances = await balancesAt(anvil.rpcUrl, world.positions, world.setupBlock)
    expect(world.tokens.map(({ symbol, decimals }) => [symbol, decimals])).toEqual([
      ['USDC', 6],
      ['DAI', 18],
      ['WETH', 18],
    ])
    expect(balances.slice(0, 4)).toEqual([10n ** 19n, 10_000n * 10n ** 6n, 10_000n * 10n ** 18n, 0n])
  })

  it('token-in adds to one position and costs the solver nothing', async () => {
    const effect = await run({ kind: 'token-in', token: usdc.address, solver: alice, amount: 5n })
    expect(effect.changes).toEqual({ '0 USDC': 5n })
  })

  it('token-out takes from the token, and the fee from native', async () => {
    const effect = await run({ kind: 'token-out', token: usdc.address, solver: alice, amount: 7n })
    expect(effect.fee(alice)).toBeGreaterThan(0n)
    expect(effect.changes).toEqual({ '0 USDC': -7n, '0 native': -effect.fee(alice) })
  })

  it('native-in adds to native', async () => {
    const effect = await run({ kind: 'native-in', solver: bob, amount: 11n })
    expect(effect.changes).toEqual({ '1 native': 11n })
  })

  it('native-out takes the amount and the fee', async () => {
    const effect = await run({ kind: 'native-out', solver: bob, amount: 13n })
    expect(effect.changes).toEqual({ '1 native': -13n - effect.fee(bob) })
  })

  it('between moves from one solver to another', async () => {
    const effect = await run({ kind: 'between', token: usdc.address, from: alice, to: bob, amount: 17n })
    expect(effect.changes).toEqual({ '0 USDC': -17n, '1 USDC': 17n, '0 native': -effect.fee(alice) })
  })

  it('round-trip moves a token in and out within one block and leaves its balance as it was', async () => {
    const effect = await run({ kind: 'round-trip', token: usdc.address, solver: alice, amount: 19n })
    expect(topicsOf(effect)).toEqual([transferTopic, transferTopic])
    expect(effect.changes).toEqual({ '0 native': -effect.fee(alice) })
  })

  it('internal pays solvers whom no transaction names and no log shows', async () => {
    const effect = await run({ kind: 'internal', to: [alice, bob], amount: 23n })
    expect(effect.changes).toEqual({ '0 native': 23n, '1 native': 23n })
    expect(effect.transactions.map(({ to }) => to)).toEqual([world.splitter])
    expect(topicsOf(effect)).toEqual([])
  })

  it('wrap and unwrap change native and wrapped without a Transfer log', async () => {
    const wrap = await run({ kind: 'wrap', solver: alice, amount: 29n })
    expect(wrap.changes).toEqual({ '0 native': -29n - wrap.fee(alice), '0 WETH': 29n })
    expect(topicsOf(wrap)).toEqual([toEventSelector('Deposit(address,uint256)')])
    const unwrap = await run({ kind: 'unwrap', solver: alice, amount: 3n })
    expect(unwrap.changes).toEqual({ '0 native': 3n - unwrap.fee(alice), '0 WETH': -3n })
    expect(topicsOf(unwrap)).toEqual([toEventSelector('Withdrawal(address,uint256)')])
  })

  it.each(['gas-only', 'approve'] as const)('%s moves the fee only', async (kind) => {
    const effect = await run(
      kind === 'approve' ? { kind, token: usdc.address, solver: alice, amount: 31n } : { kind, solver: alice },
    )
    expect(effect.changes).toEqual({ '0 native': -effect.fee(alice) })
    expect(effect.receipts.map(({ status }) => status)).toEqual(['0x1'])
  })

  it('failed sends value along, reverts, and costs the fee only', async () => {
    const effect = await run({ kind: 'failed', solver: alice, amount: 37n })
    expect(effect.receipts.map(({ status }) => status)).toEqual(['0x0'])
    expect(effect.transactions).toMatchObject([{ value: '0x25' }])
    expect(effect.changes).toEqual({ '0 native': -effect.fee(alice) })
  })

  it('create leaves code at a new address', async () => {
    const effect = await run({ kind: 'create', solver: alice })
    const code = await rpc.request('eth_getCode', [effect.receipts[0]?.contractAddress, 'latest'])
    expect(String(code).length).toBeGreaterThan(100)
    expect(effect.changes).toEqual({ '0 native': -effect.fee(alice) })
  })

  it('tip pays the coinbase, without a transaction from or to it, for one block only', async () => {
    const tipped = await run({ kind: 'tip', solver: bob })
    expect(Object.keys(tipped.changes)).toEqual(['1 native'])
    expect(tipped.changes['1 native']).toBeGreaterThan(0n)
    expect(tipped.transactions.flatMap(({ from, to }) => [from, to])).not.toContain(bob)
    const after = await run({ kind: 'bystander', token: 'native', amount: 1n })
    expect(after.changes).toEqual({})
  })

  it('bystander fills a block with transactions and logs that change no position', async () => {
    const effect = await run(
      { kind: 'bystander', token: 'native', amount: 1n },
      { kind: 'bystander', token: usdc.address, amount: 1n },
    )
    expect(effect.transactions).toHaveLength(2)
    expect(topicsOf(effect)).toEqual([transferTopic])
    expect(effect.changes).toEqual({})
  })

  it('puts many actions of one solver into one block', async () => {
    const effect = await run(
      ...Array.from({ length: 40 }, () => ({ kind: 'native-out', solver: alice, amount: 1n }) as const),
      { kind: 'token-in', token: usdc.address, solver: alice, amount: 41n },
    )
    expect(effect.transactions).toHaveLength(41)
    expect(effect.changes).toEqual({ '0 native': -40n - effect.fee(alice), '0 USDC': 41n })
  })

  it('keeps order and nonces when calls overlap', async () => {
    const effect = await observe(world, anvil.rpcUrl, () =>
      Promise.all(
        [1n, 2n, 3n].map((amount) =>
          world.perform([{ kind: 'native-out', solver: world.solvers[2] ?? alice, amount }]),
        ),
      ),
    )
    expect(effect.changes).toEqual({ '2 native': -6n - effect.fee(world.solvers[2]) })
  })

  it('sends what a test makes up itself', async () => {
    const data = encodeFunctionData({ abi: testToken.abi, functionName: 'mint', args: [bob, 43n] })
    const effect = await observe(world, anvil.rpcUrl, () =>
      world.send({ from: world.treasury, to: usdc.address, data, gas: 100_000n }),
    )
    expect(effect.changes).toEqual({ '1 USDC': 43n })
  })

  it('says so when an action ends otherwise than it should, and goes on after resync', async () => {
    await world.perform([{ kind: 'token-out', token: usdc.address, solver: alice, amount: 10n ** 30n }])
    await expect(world.mine()).rejects.toMatchObject({ code: 'world', message: expect.stringContaining('token-out') })
    await world.resync()
    const effect = await run({ kind: 'token-out', token: usdc.address, solver: alice, amount: 1n })
    expect(effect.changes['0 USDC']).toBe(-1n)
  })

  it('says so when the node refuses a transaction, and goes on', async () => {
    const tooMuch = 10n ** 30n
    await expect(world.perform([{ kind: 'native-out', solver: alice, amount: tooMuch }])).rejects.toMatchObject({
      code: 'world',
      message: expect.stringMatching(/insufficient funds/i),
    })
    const effect = await run({ kind: 'native-out', solver: alice, amount: 2n })
    expect(effect.changes).toEqual({ '0 native': -2n - effect.fee(alice) })
  })

  it('refuses to send for a wallet that is not its own', async () => {
    const stranger: Address = '0x00000000000000000000000000000000000000aa'
    await expect(world.perform([{ kind: 'gas-only', solver: stranger }])).rejects.toMatchObject({ code: 'world' })
  })

  it('undoes a block by a reorg and goes on with right nonces', async () => {
    const holding = { token: usdc.address, solver: alice }
    const before = await balanceAt(anvil.rpcUrl, holding, await rpc.quantity('eth_blockNumber'))
    const { block, changes } = await run({ kind: 'token-out', token: usdc.address, solver: alice, amount: 47n })
    expect(changes['0 USDC']).toBe(-47n)
    const orphan = (await rpc.request('eth_getBlockByNumber', [`0x${block.toString(16)}`, false])) as { hash: Hex }
    await world.reorg(1)
    const canonical = (await rpc.request('eth_getBlockByNumber', [`0x${block.toString(16)}`, false])) as { hash: Hex }
    expect(canonical.hash).not.toBe(orphan.hash)
    expect(await balanceAt(anvil.rpcUrl, holding, block)).toBe(before)
    const again = await run({ kind: 'token-out', token: usdc.address, solver: alice, amount: 1n })
    expect(again.changes['0 USDC']).toBe(-1n)
  })

  it('refuses a reorg that would undo its own setup', async () => {
    await expect(world.reorg(1_000)).rejects.toMatchObject({ code: 'world' })
  })
})

describe('random steps', { timeout: 120_000 }, () => {
  it('do every kind of action, and leave some blocks without any change', async () => {
    const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    try {
      const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 2, solverCount: 4 })
      let quiet = 0
      let performed = 0
      for (let index = 0; index < 120; index++) {
        const effect = await observe(world, anvil.rpcUrl, async () => {
          performed += (await world.step()).actions.length
        })
        if (Object.keys(effect.changes).length === 0) quiet += 1
      }
      const counts = world.kinds()
      for (const kind of worldActionKinds) expect(counts[kind], kind).toBeGreaterThan(0)
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(performed)
      expect(quiet).toBeGreaterThan(0)
      expect(quiet).toBeLessThan(120)
    } finally {
      await anvil.stop()
    }
  })

  it('are the same for the same seed, on another chain, and differ for another seed', async () => {
    const story = async (seed: number): Promise<unknown> => {
      const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
      try {
        const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed, solverCount: 2 })
        const steps: unknown[] = [world.positions]
        for (let index = 0; index < 25; index++) {
          const { actions, hashes } = await world.step()
          steps.push(actions, hashes)
          await world.mine()
        }
        return steps
      } finally {
        await anvil.stop()
      }
    }
    const [one, same, other] = await Promise.all([story(3), story(3), story(4)])
    expect(same).toEqual(one)
    expect(other).not.toEqual(one)
  })

  it.each([
    ['automine', undefined],
    ['interval', 0.05],
  ] as const)('run on a chain that mines by itself: %s', async (mining, blockTimeSeconds) => {
    const anvil = await startAnvil({ blockTimeSeconds })
    try {
      const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 5, solverCount: 3, nativeSymbol: 'POL' })
      expect(world.mining).toBe(mining)
      expect(world.wrapped.symbol).toBe('WPOL')
      let performed = 0
      for (let index = 0; index < 40; index++) performed += (await world.step()).actions.length
      await world.settle()
      const counts = Object.values(world.kinds())
      expect(performed).toBeGreaterThan(40)
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(performed)
    } finally {
      await anvil.stop()
    }
  })

  it('work with hundreds of solvers', async () => {
    const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    try {
      const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 6, solverCount: 250 })
      const balances = await balancesAt(anvil.rpcUrl, world.positions, world.setupBlock)
      expect(balances).toHaveLength(1_000)
      expect(balances.filter((balance) => balance === 0n)).toHaveLength(250)
    } finally {
      await anvil.stop()
    }
  })
})
