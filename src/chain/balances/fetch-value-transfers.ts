import type { Clock } from '../../model/clock.js'
import type { BlockHeader } from '../../model/block.js'
import { encodeQuantity } from '../rpc/quantity.js'
import type { EndpointSession, RpcClient } from '../rpc/rpc-client.js'
import { NodeError, TransportError } from '../rpc/rpc-errors.js'
import { decodeCallTraces, decodeFlatTraces } from './decode-traces.js'
import type { ValueTransfers } from './decode-traces.js'

/** The ways to trace a block, best first: by hash as Geth and its kin do, by number as others do. */
type TraceMethod = 'debug_traceBlockByHash' | 'trace_block'

interface Tracing {
  readonly method: TraceMethod | null
  readonly restUntilMs: number
}

const MEMORY_KEY = 'tracing'
/** An endpoint that does not trace is not asked again for this long. */
const UNSUPPORTED_REST_MS = 60 * 60_000
/** One that was too slow, or broke off, may only have been busy; but each try holds a block up. */
const FAILED_REST_MS = 60_000
/**
 * Value moved inside each of a block's transactions, from the node's call traces.
 *
 * @returns null where the endpoint cannot tell: a trace only says which transaction did what the state shows already, so
 * its lack is no failure.
 * @param timeoutMs after which the answer is not waited for
 */
export function fetchValueTransfers(
  client: RpcClient,
  header: BlockHeader,
  timeoutMs: number,
): Promise<ValueTransfers | null> {
  return client.run(async (session) => {
    const known = session.memory.get(MEMORY_KEY) as Tracing | undefined
    if (known?.method === null && client.clock.monotonicMs() < known.restUntilMs) return null
    const remember = (tracing: Tracing): void => void session.memory.set(MEMORY_KEY, tracing)
    try {
      const tracing = traceBlock(session, header, known?.method ?? null)
      const { method, transfers } = await withinTime(client.clock, tracing, timeoutMs)
      remember({ method, restUntilMs: 0 })
      return transfers
    } catch (error) {
      if (client.signal.aborted) throw error
      const restMs = error instanceof NodeError ? UNSUPPORTED_REST_MS : FAILED_REST_MS
      remember({ method: null, restUntilMs: client.clock.monotonicMs() + restMs })
      return null
    }
  })
}

async function traceBlock(
  session: EndpointSession,
  header: BlockHeader,
  preferred: TraceMethod | null,
): Promise<{ readonly method: TraceMethod; readonly transfers: ValueTransfers }> {
  if (preferred !== 'trace_block') {
    try {
      const answer = await session.request('debug_traceBlockByHash', [header.hash, { tracer: 'callTracer' }])
      return { method: 'debug_traceBlockByHash', transfers: decodeCallTraces(answer) }
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
    }
  }
  const answer = await session.request('trace_block', [encodeQuantity(header.number)])
  return { method: 'trace_block', transfers: decodeFlatTraces(answer, header) }
}

/** The answer, or a failure when it takes too long; a late answer or failure is passed over. */
export async function withinTime<Value>(clock: Clock, answer: Promise<Value>, timeoutMs: number): Promise<Value> {
  let callOff = (): void => undefined
  const late = new Promise<never>((_resolve, reject) => {
    callOff = clock.schedule(timeoutMs, () => reject(new TransportError(`no trace within ${timeoutMs} ms`)))
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    callOff()
  }
}
