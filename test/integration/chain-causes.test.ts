import { encodeFunctionData } from 'viem'
import { afterEach, describe, expect, it } from 'vitest'

import { TRANSFER } from '../../src/chain/balances/transfer-topics.js'
import type { Address, BalanceRecord, Hash } from '../../src/index.js'
import {
  accruingToken,
  absurdMetadataToken,
  balanceAt,
  bridgedWETH,
  collectibleToken,
  createWorld,
  feeOnTransferToken,
  nativeAliasToken,
  phantomToken,
  rebasingToken,
  silentToken,
  splitter,
  startAnvil,
  testToken,
  weth9,
} from '../../src/testing/index.js'
import type { Anvil, World, WorldTransaction } from '../../src/testing/index.js'
import { createRpc } from '../../src/testing/rpc.js'
import { deploy, follow } from './chain-fixture.js'
import type { Follower } from './chain-fixture.js'
import { startProxy } from './chain-proxy.js'
import type { Intercept, RpcProxy } from './chain-proxy.js'

const closing: (() => Promise<void>)[] = []
const WEI = 1_000_000n

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('the cause of a change in native currency', () => {
  it('is a transfer, a fee, a payment by a contract, or a wrapping, with nothing unexplained', async () => {
    const { world, send, record, holder } = await raise([])
    const other = world.treasury
    await send({ from: other, to: holder, value: 5n * WEI })
    expect(await record('native')).toMatchObject({ cause: 'transfer', unexplained: 0n })

    const own = await send({ from: holder, to: other, data: '0x00' })
    expect(await record('native')).toMatchObject({ cause: 'gas', unexplained: 0n, transactionHashes: [own] })

    await send({ from: holder, to: other, value: WEI })
    expect(await record('native')).toMatchObject({ cause: 'transfer', unexplained: 0n })

    const args = [[holder], [3n]] as const
    const data = encodeFunctionData({ abi: splitter.abi, functionName: 'split', args })
    const inside = await send({ from: other, to: world.splitter, data, value: 3n })
    expect(await record('native')).toMatchObject({ cause: 'internal', unexplained: 0n, transactionHashes: [inside] })

    const deposit = encodeFunctionData({ abi: weth9.abi, functionName: 'deposit' })
    await send({ from: holder, to: world.wrapped.address, data: deposit, value: 9n * WEI })
    expect(await record('native')).toMatchObject({ cause: 'wrap', unexplained: 0n })
    expect(await record(world.wrapped.address, 'same block')).toMatchObject({ cause: 'wrap', unexplained: 0n })

    const withdraw = encodeFunctionData({ abi: weth9.abi, functionName: 'withdraw', args: [4n * WEI] })
    await send({ from: holder, to: world.wrapped.address, data: withdraw })
    expect(await record('native')).toMatchObject({ unexplained: 0n })
    expect(await record(world.wrapped.address, 'same block')).toMatchObject({ cause: 'wrap', unexplained: 0n })
  })

  it('is said to be unknown, with the whole amount unexplained, where no traces are at hand', async () => {
    const { world, send, record, holder, proxy } = await raise([])
    proxy.intercept((call, forward) =>
      /trace/.test(call.method) ? { error: { code: -32_601, message: 'method not found' } } : forward(call),
    )
    const data = encodeFunctionData({ abi: splitter.abi, functionName: 'split', args: [[holder], [3n]] })
    await send({ from: world.treasury, to: world.splitter, data, value: 3n })
    expect(await record('native')).toMatchObject({ cause: 'unknown', unexplained: 3n, transactionHashes: [] })
  })

  it('is found with trace_block where the node has no call tracer', async () => {
    const { world, send, record, holder, proxy } = await raise([])
    proxy.intercept((call, forward) =>
      call.method.startsWith('debug_') ? { error: { code: -32_601, message: 'method not found' } } : forward(call),
    )
    const data = encodeFunctionData({ abi: splitter.abi, functionName: 'split', args: [[holder], [3n]] })
    const hash = await send({ from: world.treasury, to: world.splitter, data, value: 3n })
    expect(await record('native')).toMatchObject({ cause: 'internal', unexplained: 0n, transactionHashes: [hash] })
  })

  it('is a reward where the block itself pays out a validator', async () => {
    const { anvil, record, holder, proxy } = await raise([])
    // The test node has no validators: its blocks are given a withdrawal, and the state what it pays.
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      if (call.method !== 'eth_getBlockByHash' || call.params[1] !== true || !('result' in answer)) return answer
      const withdrawals = [{ index: '0x1', validatorIndex: '0x1', address: holder, amount: '0x2' }]
      return { result: { ...(answer.result as object), withdrawals } }
    })
    const rpc = createRpc(anvil.rpcUrl)
    const before = await rpc.quantity('eth_getBalance', [holder, 'latest'])
    await rpc.request('anvil_setBalance', [holder, `0x${(before + 2_000_000_000n).toString(16)}`])
    expect(await record('native')).toMatchObject({ cause: 'reward', unexplained: 0n, transactionHashes: [] })
  })
})

describe('the cause of a change in a token', () => {
  it('is a wrapping counted once where a Transfer stands beside Deposit and Withdrawal', async () => {
    const { tokens, send, record, holder } = await raise([bridgedWETH])
    const [token] = tokens
    const deposit = encodeFunctionData({ abi: bridgedWETH.abi, functionName: 'deposit' })
    const hash = await send({ from: holder, to: token, data: deposit, value: 9n * WEI })
    expect(await record(token)).toMatchObject({ cause: 'wrap', unexplained: 0n, transactionHashes: [hash] })
    const withdraw = encodeFunctionData({ abi: bridgedWETH.abi, functionName: 'withdraw', args: [4n * WEI] })
    await send({ from: holder, to: token, data: withdraw })
    expect(await record(token)).toMatchObject({ balance: 5n * WEI, cause: 'wrap', unexplained: 0n })
  })

  it('is a rebase with its amount unexplained, announced or silent', async () => {
    const { world, tokens, send, mint, record } = await raise([rebasingToken])
    const [token] = tokens
    for (const solver of world.solvers) await mint(token, solver, 100n)
    expect(await record(token)).toMatchObject({ balance: 100n, cause: 'transfer', unexplained: 0n })
    const rebase = async (functionName: 'rebase' | 'rebaseSilently', total: bigint): Promise<void> => {
      const data = encodeFunctionData({ abi: rebasingToken.abi, functionName, args: [total] })
      await send({ from: world.treasury, to: token, data })
    }
    await rebase('rebase', 300n)
    expect(await record(token)).toMatchObject({ balance: 150n, cause: 'rebase', unexplained: 50n })
    await rebase('rebaseSilently', 100n)
    expect(await record(token)).toMatchObject({ balance: 50n, cause: 'rebase', unexplained: -100n })
  })

  it('shows the fee a token took, and is unknown where a token says nothing', async () => {
    const { tokens, mint, record, holder } = await raise([feeOnTransferToken, silentToken, collectibleToken])
    const [taking, silent, collectible] = tokens
    await mint(taking, holder, 100n)
    expect(await record(taking)).toMatchObject({ balance: 98n, cause: 'transfer', unexplained: -2n })
    await mint(silent, holder, 100n)
    expect(await record(silent)).toMatchObject({ balance: 100n, cause: 'unknown', unexplained: 100n })
    await mint(collectible, holder, 7n)
    expect(await record(collectible)).toMatchObject({ balance: 1n, cause: 'unknown', unexplained: 1n })
  })

  it('makes no record of a transfer that is only claimed', async () => {
    const { world, tokens, send, mint, follower, record, holder } = await raise([phantomToken])
    const [token] = tokens
    await mint(token, holder, 100n)
    const first = await record(token)
    const args = [world.treasury, holder, 5n] as const
    const data = encodeFunctionData({ abi: phantomToken.abi, functionName: 'phantom', args })
    await send({ from: world.treasury, to: token, data })
    await follower.reached(await world.mine())
    expect((await follower.records({ token, solver: holder })).at(-1)).toEqual(first)
  })

  it('is found in the receipts where the node leaves logs out', async () => {
    const { world, send, record, holder, proxy } = await raise([])
    const [plain] = world.tokens
    if (plain === undefined) throw new Error('expected a token')
    proxy.intercept((call, forward) => (call.method === 'eth_getLogs' ? { result: [] } : forward(call)))
    const data = encodeFunctionData({ abi: testToken.abi, functionName: 'mint', args: [holder, 5n] })
    const hash = await send({ from: world.treasury, to: plain.address, data })
    expect(await record(plain.address)).toMatchObject({ cause: 'transfer', unexplained: 0n, transactionHashes: [hash] })
  })
})

describe('logs that are no proof', () => {
  it('explain nothing when they are of another block, or taken back', async () => {
    const { tokens, mint, record, holder, proxy } = await raise([silentToken])
    const [token] = tokens
    const spoil = (spoilt: object): Intercept => {
      const word = `0x${'0'.repeat(24)}${holder.slice(2)}`
      return async (call, forward) => {
        if (call.method !== 'eth_getLogs') return forward(call)
        const [{ blockHash }] = call.params as readonly [{ readonly blockHash: string }]
        const place = { blockHash, transactionHash: `0x${'07'.repeat(32)}`, transactionIndex: '0x0' }
        const data = `0x${(5).toString(16).padStart(64, '0')}`
        return {
          result: [{ address: token, topics: [TRANSFER, `0x${'0'.repeat(64)}`, word], data, ...place, ...spoilt }],
        }
      }
    }
    for (const spoilt of [
      { blockHash: `0x${'08'.repeat(32)}` },
      { removed: true },
      { address: `0x${'f'.repeat(39)}e` },
    ]) {
      proxy.intercept(spoil(spoilt))
      await mint(token, holder, 5n)
      expect(await record(token)).toMatchObject({ cause: 'unknown', unexplained: 5n, transactionHashes: [] })
    }
  })

  it('of native transfers are not taken for those of a token', async () => {
    const { world, send, record, follower, holder, proxy } = await raise([])
    const system = `0x${'f'.repeat(39)}e`
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      if (call.method !== 'eth_getBlockReceipts' || !('result' in answer)) return answer
      const receipts = answer.result as readonly Readonly<Record<string, unknown>>[]
      const word = `0x${'0'.repeat(24)}${holder.slice(2)}`
      const result = receipts.map((receipt) => {
        const { blockHash, transactionHash, transactionIndex } = receipt
        const data = `0x${(5).toString(16).padStart(64, '0')}`
        const log = {
          address: system,
          topics: [TRANSFER, word, word],
          data,
          blockHash,
          transactionHash,
          transactionIndex,
        }
        return { ...receipt, logs: [log] }
      })
      return { result }
    })
    await send({ from: world.treasury, to: holder, value: 5n })
    expect(await record('native')).toMatchObject({ cause: 'transfer', unexplained: 0n })
    expect(await follower.manager.getCurrentBalance(31_337n, system as Address, holder)).toBeNull()
  })
})

describe('tokens that lie', () => {
  it('are read for what they hold, side by side', async () => {
    const lying = [rebasingToken, feeOnTransferToken, accruingToken, silentToken, collectibleToken, absurdMetadataToken]
    const { world, anvil, tokens, mint, follower, native } = await raise([...lying, nativeAliasToken])
    for (const token of tokens.slice(0, lying.length)) {
      for (const solver of world.solvers) await mint(token, solver, 1000n)
    }
    const head = await world.mine()
    await follower.reached(head)
    for (const token of [...tokens, ...world.tokens.map(({ address }) => address), 'native' as const]) {
      for (const solver of world.solvers) {
        const expected = await balanceAt(anvil.rpcUrl, { token, solver }, head)
        const balance = await follower.manager.getCurrentBalance(31_337n, token, solver)
        expect(balance, `${token} of ${solver}`).toMatchObject({ balance: expected, staleReason: null })
      }
    }
    expect((await follower.chain()).state).toBe('live')
    expect(native(tokens[lying.length])).toBe(true)
    expect(native(tokens[0])).toBe(false)
  })
})

interface Scene {
  readonly anvil: Anvil
  readonly world: World
  readonly follower: Follower
  readonly proxy: RpcProxy
  readonly holder: Address
  send(transaction: Omit<WorldTransaction, 'gas'>): Promise<Hash>
  readonly tokens: readonly [Address, Address, Address, ...Address[]]
  mint(token: Address, to: Address, value: bigint): Promise<void>
  /** Closes the block, and gives the newest record of the first solver. */
  record(token: Address | 'native', block?: 'same block'): Promise<BalanceRecord | undefined>
  /** Whether the log has warned that the token is the native currency. */
  native(token: Address | undefined): boolean
}

/** A chain with these tokens beside the world's own, followed from its newest block on. */
async function raise(artifacts: readonly { readonly bytecode: `0x${string}` }[]): Promise<Scene> {
  const anvil = await startAnvil({ blockTimeSeconds: 'manual' })
  closing.push(() => anvil.stop())
  const world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 41, solverCount: 2 })
  const deployed: Address[] = []
  for (const { bytecode } of artifacts) deployed.push(await deploy(anvil, world, bytecode))
  // Wallets of one balance could not be told from each other.
  const [holder] = world.solvers
  if (holder === undefined) throw new Error('expected a solver')
  const send = (transaction: Omit<WorldTransaction, 'gas'>): Promise<Hash> =>
    world.send({ ...transaction, gas: 300_000n })
  await send({ from: world.treasury, to: holder, value: 1n })
  const proxy = await startProxy(anvil)
  closing.push(() => proxy.close())
  const plain = [...world.tokens, world.wrapped].map(({ address }) => address)
  const follower = await follow({
    rpcUrls: [proxy.url],
    tokens: [...new Set([...deployed, ...plain])],
    solvers: world.solvers,
  })
  closing.push(() => follower.close())
  await follower.reached(await world.mine())
  return {
    anvil,
    world,
    follower,
    proxy,
    holder,
    send,
    tokens: [...deployed, ...plain] as unknown as Scene['tokens'],
    async mint(token, to, value) {
      const data = encodeFunctionData({ abi: testToken.abi, functionName: 'mint', args: [to, value] })
      await send({ from: world.treasury, to: token, data })
    },
    async record(token, block) {
      if (block === undefined) await follower.reached(await world.mine())
      return (await follower.records({ token, solver: holder })).at(-1)
    },
    native: (token) => follower.log.some(({ fields }) => fields['token'] === token && fields['aliasOf'] === 'native'),
  }
}
