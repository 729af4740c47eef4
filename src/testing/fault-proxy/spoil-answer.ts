import type { NodeAnswer, NodeCall, RpcNode } from '../rpc-node.js'
import {
  askedBlock,
  headNumber,
  isRecord,
  namesBlock,
  readsState,
  resultOf,
  toHex,
  withBlock,
} from './block-parameter.js'
import { hexOddities } from './fault.js'
import type { AnswerFaultKind, Fault, HexOddity, Strike } from './fault.js'
import { laggingAnswer, logsUpTo } from './lagging-answer.js'

/** Lets some faults strike one call, each around the next one; the innermost answer is the node's own. */
export async function answerWithFaults(
  node: RpcNode,
  call: NodeCall,
  strikes: readonly Strike<AnswerFaultKind>[],
): Promise<NodeAnswer> {
  const [strike, ...rest] = strikes
  if (strike === undefined) return node.answer(call)
  const within: RpcNode = {
    answer: (inner) => answerWithFaults(node, inner, rest),
    subscribe: (topic, listener) => node.subscribe(topic, listener),
  }
  const spoilt = await spoil(strike, call, { node, within })
  if (spoilt !== null) {
    strike.took()
    return spoilt
  }
  strike.missed()
  return within.answer(call)
}

interface Behind {
  /** The node itself, for finding out what is to be spoilt. */
  readonly node: RpcNode
  /** The node with the other faults, for the call. */
  readonly within: RpcNode
}

/** @returns null when there is nothing to spoil. */
async function spoil(
  { fault, lot }: Strike<AnswerFaultKind>,
  call: NodeCall,
  { node, within }: Behind,
): Promise<NodeAnswer | null> {
  const { method } = call
  switch (fault.kind) {
    case 'lagging':
      return laggingAnswer(node, call, fault.blocks)
    case 'null-block':
      return ['eth_getBlockByNumber', 'eth_getBlockByHash'].includes(method) ? { result: null } : null
    case 'null-receipt':
      return ['eth_getTransactionReceipt', 'eth_getBlockReceipts'].includes(method) ? { result: null } : null
    case 'empty-logs':
      return withoutLogs(call, await logsOf(within, call), () => false)
    case 'partial-logs': {
      const logs = await logsOf(within, call)
      return withoutLogs(call, logs, (index) => index !== lot % logs.length)
    }
    case 'removed-logs':
      return withRemovedLogs(await logsOf(within, call))
    case 'empty-past-head':
      return emptyPastHead(node, call, fault)
    case 'rate-limit-error':
      return { error: { code: -32_005, message: 'daily request count exceeded, request rate limited' } }
    case 'wrong-chain-id':
      return method === 'eth_chainId' ? { result: toHex(fault.chainId) } : null
    case 'block-unavailable':
      return namesBlock(method) ? { error: { code: -32_000, message: 'header not found' } } : null
    case 'state-pruned':
      return prunedState(node, call, fault)
    case 'other-block':
      return fromOtherBlock({ node, within }, call, fault)
    case 'no-state-override':
      return method === 'eth_call' && call.params.length > 2
        ? { error: { code: -32_602, message: 'too many arguments, want at most 2' } }
        : null
    case 'capped-gas':
      return withCappedGas(within, call, fault.gas)
    case 'capped-response': {
      const answer = await within.answer(call)
      return JSON.stringify(answer).length > fault.bytes
        ? { error: { code: -32_008, message: `response is too big: exceeded max limit of ${fault.bytes}` } }
        : null
    }
    case 'hex-oddity':
      return withOddity(await within.answer(call), method, fault.form)
    case 'subscribe-refused':
      return method === 'eth_subscribe' ? { error: { code: -32_601, message: 'notifications not supported' } } : null
  }
}

async function logsOf(node: RpcNode, { method, params }: NodeCall): Promise<readonly unknown[]> {
  if (method !== 'eth_getLogs' && method !== 'eth_getBlockReceipts') return []
  const result = resultOf(await node.answer({ method, params }))
  return Array.isArray(result) ? (result as unknown[]) : []
}

/** Receipts lose their logs, a list of logs its items. */
function withoutLogs(
  { method }: NodeCall,
  list: readonly unknown[],
  stays: (index: number) => boolean,
): NodeAnswer | null {
  if (method === 'eth_getLogs') {
    const kept = list.filter((_log, index) => stays(index))
    return kept.length < list.length ? { result: kept } : null
  }
  let lost = 0
  const receipts = list.map((receipt, index) => {
    if (!isRecord(receipt) || !Array.isArray(receipt['logs']) || stays(index)) return receipt
    lost += receipt['logs'].length
    return { ...receipt, logs: [] }
  })
  return lost > 0 ? { result: receipts } : null
}

/** Each log comes once more, as one of a block that is no longer canonical. */
function withRemovedLogs(list: readonly unknown[]): NodeAnswer | null {
  const logs = list.filter((log) => isRecord(log) && 'topics' in log)
  if (logs.length === 0) return null
  return { result: [...list, ...logs.map((log) => (isRecord(log) ? { ...log, removed: true } : log))] }
}

async function emptyPastHead(
  node: RpcNode,
  call: NodeCall,
  { blocks = 0 }: Extract<Fault, { kind: 'empty-past-head' }>,
): Promise<NodeAnswer | null> {
  const [filter] = call.params
  if (call.method !== 'eth_getLogs' || !isRecord(filter) || filter['blockHash'] !== undefined) return null
  const head = await headNumber(node)
  return head === null ? null : logsUpTo(node, filter, head - BigInt(blocks))
}

async function prunedState(
  node: RpcNode,
  call: NodeCall,
  { blocks = 0 }: Extract<Fault, { kind: 'state-pruned' }>,
): Promise<NodeAnswer | null> {
  if (!readsState(call.method)) return null
  const [asked, head] = [await askedBlock(node, call), await headNumber(node)]
  if (asked === null || head === null || (blocks > 0 && asked > head - BigInt(blocks))) return null
  return { error: { code: -32_000, message: 'missing trie node 1f2e3d (path ) state is not available' } }
}

/** The block in the call is another one, so that everything in the answer is of that block, its number too. */
async function fromOtherBlock(
  { node, within }: Behind,
  call: NodeCall,
  { shift }: Extract<Fault, { kind: 'other-block' }>,
): Promise<NodeAnswer | null> {
  if (!readsState(call.method)) return null
  const [asked, head] = [await askedBlock(node, call), await headNumber(node)]
  if (asked === null || head === null) return null
  const other = asked + BigInt(shift)
  return other < 0n || other > head ? null : within.answer(withBlock(call, toHex(other)))
}

/** As nodes do it: more gas than the cap is silently less. */
async function withCappedGas(within: RpcNode, call: NodeCall, gas: bigint): Promise<NodeAnswer | null> {
  const [transaction, ...rest] = call.params
  if (call.method !== 'eth_call' || !isRecord(transaction)) return null
  const asked = transaction['gas']
  if (typeof asked === 'string' && BigInt(asked) <= gas) return null
  return within.answer({ method: call.method, params: [{ ...transaction, gas: toHex(gas) }, ...rest] })
}

function withOddity(answer: NodeAnswer, method: string, form: HexOddity): NodeAnswer | null {
  const result = resultOf(answer)
  // A zero is a proper number: where a number is due it would be another value and not another form.
  if (form === 'zero' && method !== 'eth_call') return null
  if (typeof result === 'string') return { result: hexOddities[form] }
  if (isRecord(result) && 'number' in result) return { result: { ...result, number: hexOddities[form] } }
  return null
}
