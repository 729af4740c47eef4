import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { Clock } from '../../model/clock.js'
import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { decodeArray, decodeHash, decodeObject, decodeQuantity } from '../rpc/quantity.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { TransportError } from '../rpc/rpc-errors.js'

/** Native currency that went from one account to another, in a transaction or inside it. */
export interface ValueTransfer {
  readonly from: Address | null
  readonly to: Address | null
  readonly value: bigint
}

const MEMORY_KEY = 'tracing'
/** An endpoint that could not trace a block is not asked again for this long: tracing is dear, and few offer it. */
const REST_MS = 60 * 60_000
/** The block is not committed before its changes are attributed: a slow trace must not hold it up. */
const TIMEOUT_MS = 2000
/** Delegated calls carry their caller's value without moving it. */
const movingTypes = new Set(['CALL', 'CREATE', 'CREATE2', 'SELFDESTRUCT'])

/**
 * Value moved inside each of a block's transactions, from the node's call traces.
 *
 * @returns null where the endpoint cannot tell: a trace only says which transaction did what the state shows already, so
 * its lack is no failure.
 */
export function fetchValueTransfers(
  client: RpcClient,
  header: BlockHeader,
): Promise<ReadonlyMap<Hash, readonly ValueTransfer[]> | null> {
  return client.run(async (session) => {
    const restUntilMs = session.memory.get(MEMORY_KEY)
    if (typeof restUntilMs === 'number' && client.clock.monotonicMs() < restUntilMs) return null
    try {
      const asked = session.request('debug_traceBlockByHash', [header.hash, { tracer: 'callTracer' }])
      const answer = await withinTime(client.clock, asked)
      return new Map(decodeArray(answer, 'block trace').map(readTransaction))
    } catch (error) {
      if (client.signal.aborted) throw error
      session.memory.set(MEMORY_KEY, client.clock.monotonicMs() + REST_MS)
      return null
    }
  })
}

/** The answer, or a failure when it takes too long; a late answer or failure is passed over. */
async function withinTime(clock: Clock, answer: Promise<unknown>): Promise<unknown> {
  let callOff = (): void => undefined
  const late = new Promise<never>((_resolve, reject) => {
    callOff = clock.schedule(TIMEOUT_MS, () => reject(new TransportError(`no trace within ${TIMEOUT_MS} ms`)))
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    callOff()
  }
}

function readTransaction(value: unknown): readonly [Hash, readonly ValueTransfer[]] {
  const item = decodeObject(value, 'transaction trace')
  return [decodeHash(item['txHash'], 'transaction hash'), transfersOf(decodeObject(item['result'], 'call trace'))]
}

/** What a call that failed did, and all within it, did not happen. */
function transfersOf(root: Readonly<Record<string, unknown>>): readonly ValueTransfer[] {
  const transfers: ValueTransfer[] = []
  // A list of what is left to visit, not recursion: calls nest up to 1024 deep.
  const left = [root]
  for (let call = left.pop(); call !== undefined; call = left.pop()) {
    if (call['error'] !== undefined) continue
    if (typeof call['type'] === 'string' && movingTypes.has(call['type']) && call['value'] !== undefined) {
      const value = decodeQuantity(call['value'], 'call value')
      if (value > 0n) transfers.push({ from: addressOf(call['from']), to: addressOf(call['to']), value })
    }
    for (const inner of decodeArray(call['calls'] ?? [], 'inner calls')) left.push(decodeObject(inner, 'inner call'))
  }
  return transfers
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null
}
