import { decodeFunctionResult, encodeFunctionData, keccak256, parseAbi } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hex, Token } from '../../model/position.js'
import { decodeData } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { MalformedAnswerError, StateUnavailableError } from '../rpc/rpc-errors.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed } from './balance-query.js'
import { balanceOfCall, decodeBalanceOf } from './balance-of.js'
import { blockArgument } from './block-argument.js'
import { requireBlock } from './scan-by-override.js'

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
const MEMORY_KEY = 'tokens that failed in a multicall'

/** True when the known Multicall3 code stands at its address in this block. */
export async function hasMulticall(session: EndpointSession, header: BlockHeader): Promise<boolean> {
  const code = decodeData(
    await session.request('eth_getCode', [MULTICALL3_ADDRESS, blockArgument(session, header)]),
    'eth_getCode',
  )
  return code !== '0x' && MULTICALL3_CODE_HASHES.has(keccak256(code))
}

/**
 * Reads balances through Multicall3: one request where all tokens behave, and one more for each that does not.
 *
 * Within a batch one token can use up the gas of those after it. So what failed is asked for again, each token on its
 * own, and for as long as that brings something new: the first item of a batch has all the gas there is, and where not
 * even that one answers, the token is to blame. A token that failed last time is not put together with others at all.
 */
export async function scanByMulticall(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const suspects = suspectsOf(session)
  const answers = new Map<BalanceQuery, BalanceAnswer>()
  const failing = new Set<BalanceQuery>(queries.filter(({ token }) => suspects.has(token)))
  const together = queries.filter((query) => !failing.has(query))
  if (together.length > 0)
    for (const query of await aggregate(session, header, { queries: together, answers })) failing.add(query)
  for (const token of new Set([...failing].map((query) => query.token))) {
    const ofToken = [...failing].filter((query) => query.token === token)
    const left = await readToken(session, header, { queries: ofToken, answers })
    if (left.length > 0) suspects.add(token)
    else suspects.delete(token)
  }
  return queries.map((query) => answers.get(query) ?? tokenFailed)
}

interface MulticallTask {
  readonly queries: readonly BalanceQuery[]
  /** Balances that were read are put here. */
  readonly answers: Map<BalanceQuery, BalanceAnswer>
}

/** @returns what does not answer even when nothing else uses up its gas. */
async function readToken(
  session: EndpointSession,
  header: BlockHeader,
  { queries, answers }: MulticallTask,
): Promise<readonly BalanceQuery[]> {
  for (let left = queries; ;) {
    const failed = await aggregate(session, header, { queries: left, answers })
    if (failed.length === 0 || failed.length === left.length) return failed
    left = failed
  }
}

/** Reads balances in one request. @returns the queries that failed. */
async function aggregate(
  session: EndpointSession,
  header: BlockHeader,
  { queries, answers }: MulticallTask,
): Promise<readonly BalanceQuery[]> {
  const data = encodeFunctionData({ abi: multicallAbi, functionName: 'aggregate3', args: [aggregateCalls(queries)] })
  const answer = await session.request('eth_call', [{ to: MULTICALL3_ADDRESS, data }, blockArgument(session, header)])
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
  return queries.filter((query, index) => {
    const balance = balances[index] ?? null
    if (balance !== null) answers.set(query, { kind: 'balance', balance })
    return balance === null
  })
}

/** Tokens that did not answer the last time. */
function suspectsOf(session: EndpointSession): Set<Token> {
  const suspects = (session.memory.get(MEMORY_KEY) as Set<Token> | undefined) ?? new Set<Token>()
  session.memory.set(MEMORY_KEY, suspects)
  return suspects
}

function decodeResults(data: Hex): readonly { readonly success: boolean; readonly returnData: Hex }[] {
  try {
    return decodeFunctionResult({ abi: multicallAbi, functionName: 'aggregate3', data })
  } catch (error) {
    throw new MalformedAnswerError('multicall: expected a list of results, got something else', { cause: error })
  }
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
