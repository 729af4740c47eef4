import { decodeFunctionResult, encodeFunctionData, keccak256, parseAbi } from 'viem/utils'

import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hex, Token } from '../../model/position.js'
import { decodeData } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { MalformedAnswerError, NodeError, StateUnavailableError } from '../rpc/rpc-errors.js'
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
/** Requests for one token in one block; what is left then counts as failed. */
const TOKEN_REQUESTS_MAX = 16
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
 * own, and a token that failed the last time is not put together with others at all.
 */
export async function scanByMulticall(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const suspects = suspectsOf(session)
  const answers = new Map<BalanceQuery, BalanceAnswer>()
  const doubtful = new Set(queries.filter(({ token }) => suspects.has(token)))
  const together = queries.filter((query) => !doubtful.has(query))
  const failed = together.length > 0 ? await aggregate(session, header, { queries: together, answers }) : []
  for (const query of failed) doubtful.add(query)
  for (const token of new Set([...doubtful].map((query) => query.token))) {
    const ofToken = [...doubtful].filter((query) => query.token === token)
    const left = await readToken(session, header, { queries: ofToken, answers })
    if (left === 0) suspects.delete(token)
    else suspects.set(token, left === ofToken.length ? 'none' : 'some')
  }
  return queries.map((query) => answers.get(query) ?? tokenFailed)
}

interface MulticallTask {
  readonly queries: readonly BalanceQuery[]
  /** Balances that were read are put here. */
  readonly answers: Map<BalanceQuery, BalanceAnswer>
}

/**
 * Reads one token's balances, in halves where together they use up the gas of the call.
 *
 * Where none of them answered the last time, one holder is tried first, another one in each block: while that fails,
 * all are taken as failed, so that a token that burns whatever gas it gets costs one request.
 *
 * @returns how many do not answer.
 */
async function readToken(session: EndpointSession, header: BlockHeader, task: MulticallTask): Promise<number> {
  const { queries, answers } = task
  const tried = queries[Number(header.number % BigInt(queries.length))]
  if (tried !== undefined && suspectsOf(session).get(tried.token) === 'none') {
    const failed = await tryAggregate(session, header, { queries: [tried], answers })
    if (failed?.length !== 0) return queries.length
  }
  const left = [queries]
  let failures = 0
  for (let requests = 0; left.length > 0; requests += 1) {
    const part = left.pop() ?? []
    const failed =
      requests < TOKEN_REQUESTS_MAX ? await tryAggregate(session, header, { queries: part, answers }) : part
    // The first of a batch has all the gas there is: where nothing answers, it is not for want of gas.
    if (failed !== null && failed.length === part.length) failures += failed.length
    else if (failed !== null && failed.length > 0) left.push(failed)
    else if (failed === null && part.length === 1) failures += 1
    else if (failed === null) left.push(...halvesOf(part))
  }
  return failures
}

function halvesOf(queries: readonly BalanceQuery[]): readonly (readonly BalanceQuery[])[] {
  const middle = Math.ceil(queries.length / 2)
  return [queries.slice(0, middle), queries.slice(middle)]
}

/** As `aggregate`; null when the node refuses the call as a whole, as it does when its gas runs out. */
async function tryAggregate(
  session: EndpointSession,
  header: BlockHeader,
  task: MulticallTask,
): Promise<readonly BalanceQuery[] | null> {
  try {
    return await aggregate(session, header, task)
  } catch (error) {
    if (error instanceof NodeError) return null
    throw error
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

/** Tokens of which not all holders, or none, answered the last time. */
function suspectsOf(session: EndpointSession): Map<Token, 'some' | 'none'> {
  const suspects = (session.memory.get(MEMORY_KEY) as Map<Token, 'some' | 'none'> | undefined) ?? new Map()
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
