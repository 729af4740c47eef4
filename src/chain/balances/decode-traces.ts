import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { decodeArray, decodeHash, decodeObject, decodeQuantity } from '../rpc/quantity.js'
import { MalformedAnswerError } from '../rpc/rpc-errors.js'

/** Native currency that went from one account to another, in a transaction or inside it. */
export interface ValueTransfer {
  readonly from: Address | null
  readonly to: Address | null
  readonly value: bigint
  /** True for what a contract sent while the transaction ran. */
  readonly inner: boolean
}

export type ValueTransfers = ReadonlyMap<Hash, readonly ValueTransfer[]>

type Json = Readonly<Record<string, unknown>>

/** Delegated calls carry their caller's value without moving it. */
const movingTypes = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT'])

/** The answer of `debug_traceBlockByHash` with the call tracer: one tree of calls for each transaction. */
export function decodeCallTraces(answer: unknown): ValueTransfers {
  return new Map(
    decodeArray(answer, 'block trace').map((value) => {
      const item = decodeObject(value, 'transaction trace')
      return [decodeHash(item['txHash'], 'transaction hash'), transfersOf(decodeObject(item['result'], 'call trace'))]
    }),
  )
}

/** What a call that failed did, and all within it, did not happen. */
function transfersOf(root: Json): readonly ValueTransfer[] {
  const transfers: ValueTransfer[] = []
  // A list of what is left to visit, not recursion: calls nest up to 1024 deep.
  const left = [root]
  for (let call = left.pop(); call !== undefined; call = left.pop()) {
    if (call['error'] !== undefined) continue
    if (typeof call['type'] === 'string' && movingTypes.has(call['type']) && call['value'] !== undefined) {
      const value = decodeQuantity(call['value'], 'call value')
      if (value > 0n) {
        transfers.push({ from: addressOf(call['from']), to: addressOf(call['to']), value, inner: call !== root })
      }
    }
    for (const inner of decodeArray(call['calls'] ?? [], 'inner calls')) left.push(decodeObject(inner, 'inner call'))
  }
  return transfers
}

/**
 * The answer of `trace_block`: a flat list of all calls, each with its path in the tree of its transaction. The method
 * takes a number only, so the answer itself has to show that it is of this block.
 *
 * @throws {MalformedAnswerError} when it is of another block.
 */
export function decodeFlatTraces(answer: unknown, header: Pick<BlockHeader, 'hash'>): ValueTransfers {
  const transfers = new Map<Hash, ValueTransfer[]>()
  const failed = new Set<string>()
  for (const value of decodeArray(answer, 'block trace')) {
    const trace = decodeObject(value, 'trace')
    if (trace['blockHash'] !== header.hash) throw new MalformedAnswerError('expected traces of the block asked for')
    // Rewards for the block belong to no transaction.
    if (typeof trace['transactionHash'] !== 'string') continue
    const hash = decodeHash(trace['transactionHash'], 'transaction hash')
    const path = decodeArray(trace['traceAddress'], 'trace address').map(String)
    const list = transfers.get(hash) ?? []
    transfers.set(hash, list)
    // A parent comes before what it called.
    if (trace['error'] !== undefined || failed.has(placeOf(hash, path.slice(0, -1)))) {
      failed.add(placeOf(hash, path))
      continue
    }
    const transfer = flatTransferOf(trace, path.length > 0)
    if (transfer !== null && transfer.value > 0n) list.push(transfer)
  }
  return transfers
}

function placeOf(hash: Hash, path: readonly string[]): string {
  return `${hash} ${path.join('.')}`
}

function flatTransferOf(trace: Json, inner: boolean): ValueTransfer | null {
  const action = decodeObject(trace['action'], 'trace action')
  const result = decodeObject(trace['result'] ?? {}, 'trace result')
  switch (trace['type']) {
    case 'call':
      if (action['callType'] !== 'call') return null
      return { from: addressOf(action['from']), to: addressOf(action['to']), value: valueOf(action['value']), inner }
    case 'create':
      return {
        from: addressOf(action['from']),
        to: addressOf(result['address']),
        value: valueOf(action['value']),
        inner,
      }
    case 'suicide':
    case 'selfdestruct': {
      const value = valueOf(action['balance'])
      return { from: addressOf(action['address']), to: addressOf(action['refundAddress']), value, inner }
    }
    default:
      return null
  }
}

function valueOf(value: unknown): bigint {
  return decodeQuantity(value ?? '0x0', 'call value')
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null
}
