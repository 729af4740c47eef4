import type { FinalityCursors } from '../../model/block.js'
import { decodeHeader } from '../rpc/decode-header.js'
import type { EndpointSession, RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError, NodeError, StateUnavailableError } from '../rpc/rpc-errors.js'

/** The `safe` and `finalized` blocks. A chain without a tag answers with an error or null, which is no trouble. */
export function fetchFinality(client: RpcClient): Promise<FinalityCursors> {
  return client.run(async (session) => {
    const [safe, finalized] = await Promise.all([numberOf(session, 'safe'), numberOf(session, 'finalized')])
    return { safe, finalized }
  })
}

/** A tag that stands for no block yet is told as an unknown block by some nodes: asking again would not help. */
async function numberOf(session: EndpointSession, tag: 'safe' | 'finalized'): Promise<bigint | null> {
  try {
    const answer = await session.request('eth_getBlockByNumber', [tag, false])
    return answer === null ? null : decodeHeader(answer).number
  } catch (error) {
    const untold = [NodeError, BlockUnavailableError, StateUnavailableError].some((kind) => error instanceof kind)
    if (untold) return null
    throw error
  }
}
