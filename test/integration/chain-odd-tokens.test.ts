import { encodeFunctionData } from 'viem'
import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/index.js'
import {
  balanceAt,
  bytes32Token,
  createWorld,
  gasBurningToken,
  hostileNameToken,
  returnBombToken,
  revertingToken,
  shortReturnToken,
  startAnvil,
} from '../../src/testing/index.js'
import type { Anvil, World } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { until } from '../support/until.js'
import { deploy, follow, mineActivity } from './chain-fixture.js'
import type { Follower } from './chain-fixture.js'
import { placeMulticall } from './place-multicall.js'
import { startProxy } from './chain-proxy.js'
import type { Intercept } from './chain-proxy.js'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A node without state overrides refuses the third parameter. */
const withoutOverride: Intercept = (call, forward) =>
  call.method === 'eth_call' && call.params.length > 2
    ? { error: { code: -32_602, message: 'too many arguments, want at most 2' } }
    : forward(call)

/** A node that does not know what it was not told, and answers a call to the scanner's address as to any other. */
const ignoringOverride: Intercept = (call, forward) =>
  forward(call.method === 'eth_call' ? { ...call, params: call.params.slice(0, 2) } : call)

/** A node from before EIP-1898: the block of a call is a number or a tag. */
const withoutHashes: Intercept = (call, forward) =>
  call.params.some((param) => typeof param === 'object' && param !== null && 'requireCanonical' in param)
    ? {
        error: {
          code: -32_602,
          message: 'invalid argument 1: json: cannot unmarshal object into Go value of type string',
        },
      }
    : forward(call)

const withoutHashesOrOverride: Intercept = (call, forward) =>
  withoutHashes(call, (passed) => Promise.resolve(withoutOverride(passed, forward)))

describe.each([
  { mode: 'override', node: 'that takes state overrides', intercept: null, multicall: false },
  { mode: 'multicall', node: 'without state overrides, with Multicall3', intercept: withoutOverride, multicall: true },
  { mode: 'single', node: 'without either', intercept: withoutOverride, multicall: false },
  { mode: 'single', node: 'that passes state overrides over', intercept: ignoringOverride, multicall: false },
  { mode: 'override', node: 'that takes numbers of blocks only', intercept: withoutHashes, multicall: false },
  {
    mode: 'single',
    node: 'that takes numbers, and no overrides',
    intercept: withoutHashesOrOverride,
    multicall: false,
  },
])('a node $node', ({ mode, intercept, multicall }) => {
  it(`is read by the form ${mode}, and no odd token harms another`, async () => {
    const { anvil, world } = await raise()
    if (multicall) await placeMulticall(anvil)
    const odd = await deployOddTokens(anvil, world)
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    proxy.intercept(intercept)
    const plain = world.tokens.map(({ address }) => address)
    const follower = await start({ rpcUrls: [proxy.url], world, tokens: [...Object.values(odd), ...plain] })

    const head = await mineActivity(world, 6)
    await follower.reached(head)
    const modes = follower.log.filter(({ message }) => message === 'way of reading balances chosen')
    expect(modes.map(({ fields }) => fields['mode'])).toEqual([mode])
    await expectTruth({ anvil, world, follower }, [...plain, 'native', odd.bytes32, odd.hostile], head)
    // What was never read has no balance: not even a zero.
    for (const token of [odd.reverting, odd.burning, odd.bomb, odd.short, odd.codeless]) {
      for (const solver of world.solvers) {
        expect(await follower.records({ token, solver }), token).toEqual([])
        expect(await follower.manager.getCurrentBalance(31_337n, token, solver)).toBeNull()
      }
    }
    expect((await follower.chain()).state).toBe('live')
  })
})

describe.each([
  { form: 'override', limit: 'the gas of a call', error: { code: -32_000, message: 'out of gas' } },
  { form: 'override', limit: 'the size of an answer', error: { code: -32_003, message: 'response too large' } },
  { form: 'multicall', limit: 'the gas of a call', error: { code: -32_000, message: 'out of gas' } },
  { form: 'multicall', limit: 'the size of an answer', error: { code: -32_003, message: 'response too large' } },
])('a node that limits $limit', ({ form, error }) => {
  it(`is asked for less at a time by the form ${form}`, async () => {
    const { anvil, world } = await raise(6)
    if (form === 'multicall') await placeMulticall(anvil)
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    let refused = 0
    proxy.intercept((call, forward) => {
      const [transaction] = call.params as readonly [{ readonly data?: string } | undefined]
      // Some seven balances, in either form.
      const isLarge = (transaction?.data?.length ?? 0) > (form === 'multicall' ? 5000 : 350)
      if (call.method === 'eth_call' && isLarge) {
        refused += 1
        return { error }
      }
      return form === 'multicall' ? withoutOverride(call, forward) : forward(call)
    })
    const plain = world.tokens.map(({ address }) => address)
    const follower = await start({ rpcUrls: [proxy.url], world, tokens: plain })
    const head = await mineActivity(world, 4)
    await follower.reached(head)
    expect(refused).toBeGreaterThan(0)
    await expectTruth({ anvil, world, follower }, [...plain, 'native'], head)
    expect((await follower.chain()).state).toBe('live')
  })
})

describe('a token that burns all gas, read through Multicall3', () => {
  it('costs one request more, and none for each of its holders', async () => {
    const { anvil, world } = await raise(12)
    await placeMulticall(anvil)
    const burning = await deploy(anvil, world, gasBurningToken.bytecode)
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    proxy.intercept(withoutOverride)
    const plain = world.tokens.map(({ address }) => address)
    const follower = await start({ rpcUrls: [proxy.url], world, tokens: [burning, ...plain] })
    // Until it has found out which token it is, the requests are many and small.
    await follower.reached(await mineActivity(world, 6))

    const calls = (): number => proxy.calls.get('eth_call') ?? 0
    const before = calls()
    const head = await world.mine()
    await follower.reached(head)
    expect(calls() - before).toBe(2)
    await expectTruth({ anvil, world, follower }, [...plain, 'native'], head)
  })
})

describe('a node that reads by number', () => {
  it('is not believed when the number names another block after the reading', async () => {
    const { anvil, world } = await raise()
    const proxy = await startProxy(anvil)
    closing.push(() => proxy.close())
    const other = `0x${'ab'.repeat(32)}`
    let moved = 0
    let lastRead: unknown
    // Twice the node has another block than the one it just read from.
    proxy.intercept(async (call, forward) => {
      const answer = await withoutHashes(call, forward)
      if (call.method === 'eth_call') lastRead = call.params[1]
      const isCheck = call.method === 'eth_getBlockByNumber' && call.params[0] === lastRead
      if (!isCheck || moved === 2 || !('result' in answer)) return answer
      moved += 1
      return { result: { ...(answer.result as object), hash: other } }
    })
    const plain = world.tokens.map(({ address }) => address)
    const follower = await start({ rpcUrls: [proxy.url], world, tokens: plain })
    const head = await mineActivity(world, 4)
    await follower.reached(head)
    expect(moved).toBe(2)
    await expectTruth({ anvil, world, follower }, [...plain, 'native'], head)
  })
})

describe('a token that can be read only now and then', () => {
  it('keeps its last balance with the reason, and goes on when it answers again', async () => {
    const { anvil, world } = await raise()
    const token = await deploy(anvil, world, revertingToken.bytecode)
    const [solver] = world.solvers
    if (solver === undefined) throw new Error('expected a solver')
    const run = async (name: 'mint' | 'setBroken', value: bigint | boolean): Promise<bigint> => {
      const data =
        name === 'mint'
          ? encodeFunctionData({ abi: revertingToken.abi, functionName: 'mint', args: [solver, BigInt(value)] })
          : encodeFunctionData({ abi: revertingToken.abi, functionName: 'setBroken', args: [Boolean(value)] })
      await world.send({ from: world.treasury, to: token, data, gas: 200_000n })
      return world.mine()
    }
    const follower = await start({ rpcUrls: [anvil.rpcUrl], world, tokens: [token] })
    const state = () => follower.manager.getCurrentBalance(31_337n, token, solver)

    await run('mint', 70n)
    const healed = await run('setBroken', false)
    await follower.reached(healed)
    expect(await state()).toMatchObject({ balance: 70n, blockNumber: healed, staleReason: null })

    const broken = await run('setBroken', true)
    await follower.reached(broken)
    await run('mint', 5n)
    await follower.reached(await world.mine())
    expect(await state()).toMatchObject({
      balance: 70n,
      verified: { number: broken - 1n },
      staleReason: expect.stringContaining('balanceOf reverted'),
    })
    expect((await follower.chain()).state).toBe('live')

    const again = await run('setBroken', false)
    await follower.reached(again)
    expect(await state()).toMatchObject({ balance: 75n, blockNumber: again, previousBalance: 70n, staleReason: null })
    // The change happened in a block that could not be read: no transaction of this one is named for it.
    expect(await state()).toMatchObject({ transactionHashes: [], cause: 'unknown' })
    expect((await follower.records({ token, solver })).map(({ balance }) => balance)).toEqual([70n, 75n])
  })

  it('tells that there is no contract at its address once it destroyed itself', async () => {
    const { anvil, world } = await raise()
    const [token] = world.tokens
    const [solver] = world.solvers
    if (token === undefined || solver === undefined) throw new Error('expected a token and a solver')
    const follower = await start({ rpcUrls: [anvil.rpcUrl], world, tokens: [token.address] })
    await follower.reached(await world.mine())
    const before = await follower.manager.getCurrentBalance(31_337n, token.address, solver)
    await createRpc(anvil.rpcUrl).request('anvil_setCode', [token.address, '0x'])
    await follower.reached(await world.mine())
    await until(
      'the position is stale',
      async () => (await follower.manager.getCurrentBalance(31_337n, token.address, solver))?.staleReason !== null,
    )
    const after = await follower.manager.getCurrentBalance(31_337n, token.address, solver)
    expect(after).toMatchObject({ balance: before?.balance, staleReason: expect.stringContaining('no contract') })
    expect(after?.balance).toBeGreaterThan(0n)
  })
})

async function raise(solverCount = 2): Promise<{ readonly anvil: Anvil; readonly world: World }> {
  const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  return { anvil, world: await createWorld({ rpcUrl: anvil.rpcUrl, seed: 23, solverCount }) }
}

async function start({
  world,
  ...options
}: {
  readonly world: World
  readonly rpcUrls: readonly string[]
  readonly tokens: readonly Address[]
}): Promise<Follower> {
  const follower = await follow({ ...options, solvers: world.solvers })
  closing.push(() => follower.close())
  await follower.reached(world.setupBlock)
  return follower
}

interface OddTokens {
  readonly reverting: Address
  readonly burning: Address
  readonly bomb: Address
  readonly short: Address
  readonly bytes32: Address
  readonly hostile: Address
  readonly codeless: Address
}

async function deployOddTokens(anvil: Anvil, world: World): Promise<OddTokens> {
  return {
    reverting: await deploy(anvil, world, revertingToken.bytecode),
    burning: await deploy(anvil, world, gasBurningToken.bytecode),
    bomb: await deploy(anvil, world, returnBombToken.bytecode),
    short: await deploy(anvil, world, shortReturnToken.bytecode),
    bytes32: await deploy(anvil, world, bytes32Token.bytecode),
    hostile: await deploy(anvil, world, hostileNameToken.bytecode),
    codeless: '0x00000000000000000000000000000000deadbeef',
  }
}

interface Scene {
  readonly anvil: Anvil
  readonly world: World
  readonly follower: Follower
}

async function expectTruth(
  { anvil, world, follower }: Scene,
  tokens: readonly (Address | 'native')[],
  head: bigint,
): Promise<void> {
  for (const token of tokens) {
    for (const solver of world.solvers) {
      const expected = await balanceAt(anvil.rpcUrl, { token, solver }, head)
      const balance = await follower.manager.getCurrentBalance(31_337n, token, solver)
      expect(balance, `${token} of ${solver}`).toMatchObject({ balance: expected, staleReason: null })
    }
  }
}
