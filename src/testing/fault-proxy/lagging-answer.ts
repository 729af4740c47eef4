import type { NodeAnswer, NodeCall, RpcNode } from '../rpc-node.js'
import {
  blockNumberOf,
  askedBlock,
  headNumber,
  isRecord,
  namesBlock,
  resultOf,
  toHex,
  withBlock,
} from './block-parameter.js'

const absentAnswers = new Set(['eth_getBlockByNumber', 'eth_getBlockByHash', 'eth_getBlockReceipts'])

/**
 * What a node would answer that is some blocks behind: nothing newer than its own head exists for it.
 *
 * @returns null when the answer is the same as that of a node that is not behind.
 */
export async function laggingAnswer(node: RpcNode, call: NodeCall, blocks: number): Promise<NodeAnswer | null> {
  const newest = await headNumber(node)
  if (newest === null || blocks === 0) return null
  const head = newest > BigInt(blocks) ? newest - BigInt(blocks) : 0n
  if (call.method === 'eth_blockNumber') return { result: toHex(head) }
  if (call.method === 'eth_getLogs') return laggingLogs(node, call, head)
  if (call.method === 'eth_getTransactionReceipt') {
    const receipt = resultOf(await node.answer(call))
    const isNewer = isRecord(receipt) && BigInt(String(receipt['blockNumber'])) > head
    return isNewer ? { result: null } : null
  }
  if (!namesBlock(call.method)) return null
  const asked = await askedBlock(node, call)
  if (asked === null || asked <= head) return null
  if (namesTag(call)) return node.answer(withBlock(call, toHex(head)))
  return absentAnswers.has(call.method)
    ? { result: null }
    : { error: { code: -32_000, message: 'header for hash not found' } }
}

/** Beyond its head a node has no logs, and says so with an empty list. */
async function laggingLogs(node: RpcNode, call: NodeCall, head: bigint): Promise<NodeAnswer | null> {
  const [filter] = call.params
  if (!isRecord(filter)) return null
  if (filter['blockHash'] !== undefined) {
    const number = await blockNumberOf(node, filter['blockHash'])
    return number === null || number <= head ? null : { error: { code: -32_000, message: 'unknown block' } }
  }
  return logsUpTo(node, filter, head)
}

/** Logs of a range as far as `head`; null when the range ends there or before. */
export async function logsUpTo(
  node: RpcNode,
  filter: Readonly<Record<string, unknown>>,
  head: bigint,
): Promise<NodeAnswer | null> {
  const from = await blockNumberOf(node, filter['fromBlock'] ?? 'latest')
  const to = await blockNumberOf(node, filter['toBlock'] ?? 'latest')
  if (to === null || to <= head) return null
  if (from === null || from > head) return { result: [] }
  return node.answer({ method: 'eth_getLogs', params: [{ ...filter, toBlock: toHex(head) }] })
}

function namesTag(call: NodeCall): boolean {
  return call.params.some(
    (param) => param === 'latest' || param === 'pending' || param === 'safe' || param === 'finalized',
  )
}
