import type { Address } from '../../model/address.js'
import { quantity } from './abi-words.js'
import type { ModelBlock, ModelCall, ModelTransaction } from './model-block.js'
import { refuse } from './node-refusal.js'
import { blockOfTag, keepsHistoryOf, readAddress, readHash } from './node-window.js'
import type { NodeMethod, NodeWindow } from './node-window.js'

export const traceMethods: Readonly<Record<string, NodeMethod>> = {
  debug_traceBlockByHash: (window, [hash, options]) => {
    const block = kept(window, window.blockOf(readHash(hash))) ?? refuse(-32000, `block ${String(hash)} not found`)
    return traceBlock(block, options)
  },
  debug_traceBlockByNumber: (window, [tag, options]) => {
    const block = kept(window, blockOfTag(window, tag)) ?? refuse(-32000, `block #${String(tag)} not found`)
    return traceBlock(block, options)
  },
  trace_block: (window, [tag]) => {
    const block = kept(window, blockOfTag(window, tag))
    return block === undefined ? null : flatTraces(block)
  },
  trace_filter: (window, [value]) => filterTraces(window, value),
}

function kept(window: NodeWindow, block: ModelBlock | undefined): ModelBlock | undefined {
  return block !== undefined && keepsHistoryOf(window, block) ? block : undefined
}

function traceBlock(block: ModelBlock, options: unknown): unknown {
  const tracer = typeof options === 'object' && options !== null && 'tracer' in options ? options.tracer : null
  if (tracer !== 'callTracer') refuse(-32000, `expected the callTracer, got ${String(tracer)}`)
  return block.transactions.map((transaction) => ({
    txHash: transaction.hash,
    result: { ...describeCall(transaction.trace), gasUsed: quantity(transaction.gasUsed), input: transaction.input },
  }))
}

function describeCall(call: ModelCall): Readonly<Record<string, unknown>> {
  return {
    type: call.type,
    from: call.from,
    to: call.to,
    value: quantity(call.value),
    gas: '0xffff',
    gasUsed: '0xff',
    input: '0x',
    output: '0x',
    ...(call.failed ? { error: 'execution reverted' } : {}),
    ...(call.calls.length === 0 ? {} : { calls: call.calls.map(describeCall) }),
  }
}

type FlatTrace = Readonly<Record<string, unknown>> & { readonly from: Address; readonly to: Address }

function flatTraces(block: ModelBlock): readonly unknown[] {
  return block.transactions
    .flatMap((transaction) => flatten(block, transaction, { call: transaction.trace, address: [] }))
    .map(({ from: _from, to: _to, ...trace }) => trace)
}

function flatten(
  block: ModelBlock,
  transaction: ModelTransaction,
  { call, address }: { readonly call: ModelCall; readonly address: readonly number[] },
): readonly FlatTrace[] {
  const { from, to, value, failed, calls } = call
  const creates = call.type === 'CREATE'
  const common = { from, value: quantity(value), gas: '0xffff' }
  const trace: FlatTrace = {
    from,
    to,
    type: creates ? 'create' : 'call',
    traceAddress: address,
    subtraces: calls.length,
    action: creates ? { ...common, init: transaction.input } : { ...common, to, callType: 'call', input: '0x' },
    ...(failed ? { error: 'Reverted' } : { result: creates ? { address: to, gasUsed: '0xff' } : { gasUsed: '0xff' } }),
    blockHash: block.hash,
    blockNumber: Number(block.number),
    transactionHash: transaction.hash,
    transactionPosition: transaction.index,
  }
  return [
    trace,
    ...calls.flatMap((inner, index) => flatten(block, transaction, { call: inner, address: [...address, index] })),
  ]
}

function filterTraces(window: NodeWindow, value: unknown): readonly unknown[] {
  const filter = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  const first = blockOfTag(window, filter['fromBlock'] ?? 'earliest')?.number ?? window.head.number + 1n
  const last = blockOfTag(window, filter['toBlock'])?.number ?? window.head.number
  const from = accountsOf(filter['fromAddress'])
  const to = accountsOf(filter['toAddress'])
  const found: unknown[] = []
  for (let number = first; number <= last; number += 1n) {
    const block = window.blockAt(number)
    if (block === undefined) break
    if (!keepsHistoryOf(window, block)) refuse(4444, 'pruned history unavailable')
    for (const transaction of block.transactions) {
      for (const trace of flatten(block, transaction, { call: transaction.trace, address: [] })) {
        const { from: payer, to: payee, ...rest } = trace
        // With both given, either of them is enough: that is how those who offer the method understand it.
        const anyone = from === null && to === null
        if (anyone || from?.has(payer) === true || to?.has(payee) === true) found.push(rest)
      }
    }
  }
  const after = Number(filter['after'] ?? 0)
  return found.slice(after, after + Number(filter['count'] ?? found.length))
}

function accountsOf(value: unknown): ReadonlySet<Address> | null {
  return Array.isArray(value) && value.length > 0 ? new Set(value.map(readAddress)) : null
}
