import { decodeFunctionResult, encodeFunctionData, keccak256, parseAbi } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hex } from '../../model/position.js'
import { decodeData } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { MalformedAnswerError, StateUnavailableError } from '../rpc/rpc-errors.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed } from './balance-query.js'
import { balanceOfCall, decodeBalanceOf } from './balance-of.js'
import { atBlock } from './block-argument.js'
import { requireBlock } from './scan-by-override.js'
import { scanOneByOne } from './scan-one-by-one.js'

/** Multicall3 stands at the same address on most chains. Its deployer key leaked, so the address alone proves nothing. */
export const MULTICALL3_ADDRESS: Address = '0xca11bde05977b3631167028862be2a173976ca11'
/** Keccak-256 of the runtime codes that are known to be Multicall3. */
const MULTICALL3_CODE_HASHES: ReadonlySet<string> = new Set([
  // As deployed on nearly every chain (mds1/multicall3, solc 0.8.12, optimised).
  '0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891',
  // The same source not optimised, as viem carries it for calls without a deployment.
  '0x5a29a1eb2f59e45e4249b938c8192cac0d2bd32398e1afa03f302a867db692ea',
])
const multicallAbi = parseAbi([
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'struct Result { bool success; bytes returnData; }',
  'function aggregate3(Call[] calls) payable returns (Result[])',
  'function getBlockNumber() view returns (uint256)',
  'function getCurrentBlockTimestamp() view returns (uint256)',
  'function getEthBalance(address) view returns (uint256)',
])
const ARB_SYS: Address = '0x0000000000000000000000000000000000000064'
const ARB_BLOCK_NUMBER: Hex = '0xa3b1b31d'
/** Calls that tell on which block the batch ran, ahead of the balances. */
const PROBES = 3

/** True when the known Multicall3 code stands at its address in this block. */
export async function hasMulticall(session: EndpointSession, header: BlockHeader): Promise<boolean> {
  const code = decodeData(await session.request('eth_getCode', [MULTICALL3_ADDRESS, atBlock(header)]), 'eth_getCode')
  return code !== '0x' && MULTICALL3_CODE_HASHES.has(keccak256(code))
}

/** Reads balances through Multicall3, in one request. */
export async function scanByMulticall(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const data = encodeFunctionData({ abi: multicallAbi, functionName: 'aggregate3', args: [aggregateCalls(queries)] })
  const answer = await session.request('eth_call', [{ to: MULTICALL3_ADDRESS, data }, atBlock(header)])
  const encoded = decodeData(answer, 'multicall')
  if (encoded === '0x') throw new StateUnavailableError('Multicall3 has no code in this block')
  const results = decodeResults(encoded)
  if (results.length !== queries.length + PROBES) {
    throw new MalformedAnswerError(`multicall: expected ${queries.length + PROBES} results, got ${results.length}`)
  }
  const [number, timestamp, arbNumber, ...balances] = results.map((result) =>
    result.success ? decodeBalanceOf(result.returnData) : null,
  )
  requireBlock(header, arbNumber ?? number ?? -1n, timestamp ?? -1n)
  const answers = balances.map((balance): BalanceAnswer =>
    balance === null || balance === undefined ? tokenFailed : { kind: 'balance', balance },
  )
  return confirmFailures(session, header, { queries, answers })
}

function decodeResults(data: Hex): readonly { readonly success: boolean; readonly returnData: Hex }[] {
  try {
    return decodeFunctionResult({ abi: multicallAbi, functionName: 'aggregate3', data })
  } catch (error) {
    throw new MalformedAnswerError('multicall: expected a list of results, got something else', { cause: error })
  }
}

/** Within a batch one token can use up the gas of those after it: what failed is asked for again, each on its own. */
async function confirmFailures(
  session: EndpointSession,
  header: BlockHeader,
  { queries, answers }: { queries: readonly BalanceQuery[]; answers: readonly BalanceAnswer[] },
): Promise<readonly BalanceAnswer[]> {
  const doubtful = queries.filter((_, index) => answers[index]?.kind !== 'balance')
  if (doubtful.length === 0) return answers
  const confirmed = (await scanOneByOne(session, header, doubtful)).values()
  return answers.map((answer) => (answer.kind === 'balance' ? answer : (confirmed.next().value ?? answer)))
}

function aggregateCalls(queries: readonly BalanceQuery[]): { target: Address; allowFailure: boolean; callData: Hex }[] {
  const call = (target: Address, callData: Hex): { target: Address; allowFailure: boolean; callData: Hex } => ({
    target,
    allowFailure: true,
    callData,
  })
  return [
    call(MULTICALL3_ADDRESS, encodeFunctionData({ abi: multicallAbi, functionName: 'getBlockNumber' })),
    call(MULTICALL3_ADDRESS, encodeFunctionData({ abi: multicallAbi, functionName: 'getCurrentBlockTimestamp' })),
    call(ARB_SYS, ARB_BLOCK_NUMBER),
    ...queries.map(({ token, solver }) =>
      token === 'native'
        ? call(
            MULTICALL3_ADDRESS,
            encodeFunctionData({ abi: multicallAbi, functionName: 'getEthBalance', args: [solver] }),
          )
        : call(token, balanceOfCall(solver)),
    ),
  ]
}
