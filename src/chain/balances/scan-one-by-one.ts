import type { BlockHeader } from '../../model/block.js'
import type { Hex } from '../../model/position.js'
import { decodeData, decodeQuantity, encodeQuantity } from '../rpc/quantity.js'
import type { RpcCall, RpcOutcome } from '../rpc/http-endpoint.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed } from './balance-query.js'
import { balanceOfCall, decodeBalanceOf } from './balance-of.js'
import { blockArgument } from './block-argument.js'

/**
 * Enough for every token we know of. It also bounds what a token can answer, which it pays for by the byte: many
 * megabytes in one batch would be taken for the node's fault.
 */
export const GAS_PER_CALL: Hex = encodeQuantity(350_000n)

/** Reads each balance with its own call, in one batch: the form every node understands. */
export async function scanOneByOne(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const block = blockArgument(session, header)
  const outcomes = await session.batch(
    queries.map(({ token, solver }): RpcCall =>
      token === 'native'
        ? { method: 'eth_getBalance', params: [solver, block] }
        : { method: 'eth_call', params: [{ to: token, data: balanceOfCall(solver), gas: GAS_PER_CALL }, block] },
    ),
  )
  return outcomes.map((outcome, index) => answerOf(outcome, queries[index]))
}

function answerOf(outcome: RpcOutcome, query: BalanceQuery | undefined): BalanceAnswer {
  if (query?.token === 'native') {
    if (!outcome.ok) throw outcome.error
    return { kind: 'balance', balance: decodeQuantity(outcome.result, 'eth_getBalance') }
  }
  if (!outcome.ok) return tokenFailed
  const balance = decodeBalanceOf(decodeData(outcome.result, 'balanceOf'))
  return balance === null ? tokenFailed : { kind: 'balance', balance }
}
