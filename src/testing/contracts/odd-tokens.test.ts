import { type Abi, decodeFunctionResult, encodeFunctionData, type Hex, size, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Address } from '../../model/address.js'
import { type Anvil, startAnvil } from '../anvil.js'
import { createRpc, type Rpc } from '../rpc.js'
import { createWorld, type World } from '../world.js'
import {
  bytes32Token,
  gasBurningToken,
  hostileNameToken,
  phantomToken,
  returnBombToken,
  revertingToken,
  shortReturnToken,
  testToken,
} from './artifacts.js'

describe('odd tokens', { timeout: 60_000 }, () => {
  let anvil: Anvil
  let world: World
  let rpc: Rpc
  let owner: Address

  beforeAll(async () => {
    anvil = await startAnvil({ blockTimeSeconds: 'manual' })
    world = await createWorld({ rpcUrl: anvil.rpcUrl, seed: 1, solverCount: 1 })
    rpc = createRpc(anvil.rpcUrl)
    owner = world.solvers[0] ?? world.treasury
  })

  afterAll(() => anvil?.stop())

  async function transact(to: Address | undefined, data: Hex): Promise<Record<string, unknown>> {
    const hash = await world.send({ from: world.treasury, to, data, gas: 3_000_000n })
    await world.mine()
    return (await rpc.request('eth_getTransactionReceipt', [hash])) as Record<string, unknown>
  }

  const deploy = async ({ bytecode }: { readonly bytecode: Hex }): Promise<Address> =>
    (await transact(undefined, bytecode))['contractAddress'] as Address

  const read = async (to: Address, data: Hex, gas = 10_000_000): Promise<Hex> =>
    (await rpc.request('eth_call', [{ to, data, gas: toHex(gas) }, 'latest'])) as Hex

  const balanceOf = (): Hex => encodeFunctionData({ abi: testToken.abi, functionName: 'balanceOf', args: [owner] })

  const textOf = async (token: Address, abi: Abi, functionName: 'name' | 'symbol'): Promise<unknown> =>
    decodeFunctionResult({ abi, functionName, data: await read(token, encodeFunctionData({ abi, functionName })) })

  it('RevertingToken reverts until it is healed, and holds what was minted meanwhile', async () => {
    const token = await deploy(revertingToken)
    const { abi } = revertingToken
    await transact(token, encodeFunctionData({ abi, functionName: 'mint', args: [owner, 5n] }))
    await expect(read(token, balanceOf())).rejects.toThrow(/revert/)
    await transact(token, encodeFunctionData({ abi, functionName: 'setBroken', args: [false] }))
    expect(BigInt(await read(token, balanceOf()))).toBe(5n)
  })

  it('GasBurningToken takes all the gas it is given', async () => {
    await expect(read(await deploy(gasBurningToken), balanceOf(), 1_000_000)).rejects.toThrow(/out ?of ?gas/i)
  })

  it('ReturnBombToken answers with one megabyte', async () => {
    expect(size(await read(await deploy(returnBombToken), balanceOf()))).toBe(1_048_576)
  })

  it('ShortReturnToken answers with five bytes', async () => {
    expect(await read(await deploy(shortReturnToken), balanceOf())).toBe('0xffffffffff')
  })

  it('Bytes32Token names itself in bytes32 and has no decimals', async () => {
    const token = await deploy(bytes32Token)
    expect(await textOf(token, bytes32Token.abi, 'symbol')).toBe(toHex('MKR', { size: 32 }))
    expect(await textOf(token, bytes32Token.abi, 'name')).toBe(toHex('Maker', { size: 32 }))
    await expect(read(token, encodeFunctionData({ abi: testToken.abi, functionName: 'decimals' }))).rejects.toThrow()
  })

  it('HostileNameToken has a symbol of 10,000 characters with markup, control and bidirectional characters', async () => {
    const token = await deploy(hostileNameToken)
    const symbol = String(await textOf(token, hostileNameToken.abi, 'symbol'))
    expect(symbol).toHaveLength(10_000)
    for (const part of ['<script>', '\u0000', '\u001b', '\u202e', '\u2066', '\r\n']) expect(symbol).toContain(part)
    expect(await textOf(token, hostileNameToken.abi, 'name')).toContain('USD Coin\u202e\u0000<script>')
  })

  it('PhantomToken emits a Transfer that moves nothing', async () => {
    const token = await deploy(phantomToken)
    const { abi } = phantomToken
    await transact(token, encodeFunctionData({ abi, functionName: 'mint', args: [owner, 3n] }))
    const args = [world.treasury, owner, 10n ** 24n] as const
    const receipt = await transact(token, encodeFunctionData({ abi, functionName: 'phantom', args }))
    expect(receipt['logs']).toHaveLength(1)
    expect(BigInt(await read(token, balanceOf()))).toBe(3n)
  })
})
