import type { NodeAnswer, NodeCall, RpcNode } from '../rpc-node.js'

/** Where a method names the block it asks about. */
const blockIndex = new Map([
  ['eth_getBlockByNumber', 0],
  ['eth_getBlockByHash', 0],
  ['eth_getBlockReceipts', 0],
  ['debug_traceBlockByHash', 0],
  ['debug_traceBlockByNumber', 0],
  ['trace_block', 0],
  ['trace_replayBlockTransactions', 0],
  ['eth_call', 1],
  ['eth_getBalance', 1],
  ['eth_getCode', 1],
  ['eth_getTransactionCount', 1],
  ['eth_getStorageAt', 2],
  ['eth_getProof', 2],
])

const stateMethods = new Set([
  'eth_call',
  'eth_getBalance',
  'eth_getCode',
  'eth_getTransactionCount',
  'eth_getStorageAt',
  'eth_getProof',
])

/** Methods that read the state of a block. */
export function readsState(method: string): boolean {
  return stateMethods.has(method)
}

export function namesBlock(method: string): boolean {
  return blockIndex.has(method)
}

/** The same call about another block. */
export function withBlock(call: NodeCall, block: unknown): NodeCall {
  const index = blockIndex.get(call.method)
  return index === undefined ? call : { method: call.method, params: call.params.with(index, block) }
}

/** The number of the block that a call asks about; null when the node knows no such block, or the call names none. */
export async function askedBlock(node: RpcNode, call: NodeCall): Promise<bigint | null> {
  const index = blockIndex.get(call.method)
  if (index === undefined) return null
  return blockNumberOf(node, call.params[index] ?? 'latest')
}

/** @param block a number, a tag, a hash, or an object with one of them */
export async function blockNumberOf(node: RpcNode, block: unknown): Promise<bigint | null> {
  if (typeof block === 'object' && block !== null) {
    if ('blockHash' in block) return blockNumberOf(node, block.blockHash)
    if ('blockNumber' in block) return blockNumberOf(node, block.blockNumber)
  }
  if (typeof block !== 'string') return null
  if (/^0x[0-9a-f]{64}$/i.test(block)) return numberOf(await ask(node, 'eth_getBlockByHash', [block, false]))
  if (block.startsWith('0x')) return BigInt(block)
  return numberOf(await ask(node, 'eth_getBlockByNumber', [block, false]))
}

/** The newest block of a node; null when it does not tell. */
export async function headNumber(node: RpcNode): Promise<bigint | null> {
  const result = resultOf(await ask(node, 'eth_blockNumber', []))
  return typeof result === 'string' ? BigInt(result) : null
}

export function toHex(value: bigint): string {
  return `0x${value.toString(16)}`
}

export function resultOf(answer: NodeAnswer): unknown {
  return 'result' in answer ? answer.result : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function ask(node: RpcNode, method: string, params: readonly unknown[]): Promise<NodeAnswer> {
  return node.answer({ method, params })
}

function numberOf(answer: NodeAnswer): bigint | null {
  const block = resultOf(answer)
  return isRecord(block) && typeof block['number'] === 'string' ? BigInt(block['number']) : null
}
