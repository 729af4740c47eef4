import { decodeFunctionResult, encodeFunctionData, type Hex, isHex } from 'viem'
import type { Address } from '../model/address.js'
import { testToken } from './contracts/artifacts.js'
import { WorldError } from './errors.js'
import { createRpc } from './rpc.js'

/** One token, or the native currency, of one account. */
export interface Holding {
  readonly token: Address | 'native'
  readonly solver: Address
}

/** What the node itself says an account held at a block, asked in the plainest way: the measure for every faster way. */
export async function balanceAt(rpcUrl: string, holding: Holding, blockNumber: bigint): Promise<bigint> {
  const [balance] = await balancesAt(rpcUrl, [holding], blockNumber)
  if (balance === undefined) throw new WorldError('expected one balance, got none')
  return balance
}

/** `balanceAt` for many holdings, in their order, with one request each, sent in batches. */
export async function balancesAt(
  rpcUrl: string,
  holdings: readonly Holding[],
  blockNumber: bigint | 'latest',
): Promise<bigint[]> {
  const rpc = createRpc(rpcUrl)
  const block = blockNumber === 'latest' ? blockNumber : (`0x${blockNumber.toString(16)}` as const)
  return Promise.all(
    holdings.map(async ({ token, solver }) => {
      if (token === 'native') return rpc.quantity('eth_getBalance', [solver, block])
      const data = encodeFunctionData({ abi: testToken.abi, functionName: 'balanceOf', args: [solver] })
      return decodeBalance(token, await rpc.request('eth_call', [{ to: token, data }, block]))
    }),
  )
}

function decodeBalance(token: Address, answer: unknown): bigint {
  const data: Hex | null = isHex(answer) && answer.length === 66 ? answer : null
  if (data === null) throw new WorldError(`expected balanceOf of ${token} to answer 32 bytes, got ${String(answer)}`)
  return decodeFunctionResult({ abi: testToken.abi, functionName: 'balanceOf', data })
}
