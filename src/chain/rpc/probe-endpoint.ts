import type { BlockHeader } from '../../model/block.js'
import type { EndpointCapabilities } from '../../model/chain-state.js'
import { decodeHeader } from './decode-header.js'
import { LOG_RANGE_MAX } from './endpoint-capabilities.js'
import { decodeArray, decodeQuantity, encodeQuantity } from './quantity.js'
import type { EndpointSession, EndpointVoice, RpcClient } from './rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError, NodeError, StateUnavailableError } from './rpc-errors.js'

const PROBE_TIMEOUT_MS = 30_000
/** Nobody's account: where it has no code of its own, any code can be put. */
const NOBODY = '0x00000000000000000000000000000000711de3a4'
/** Returns the number 42. */
const ANSWER_CODE = '0x602a60005260206000f3'
/** Requests that find the oldest state served: enough for an exact block of chains with a few million of them. */
const STATE_PROBES_MAX = 24
const LOG_PROBES_MAX = 6

/** What an endpoint showed of itself. */
export interface EndpointProbe {
  readonly host: string
  readonly head: BlockHeader
  readonly capabilities: EndpointCapabilities
}

/**
 * Tries out what each endpoint can do, in some forty requests to each, and remembers it for the work that follows.
 *
 * @returns one voice for each endpoint that is not down; an error where it could not be asked
 */
export function probeEndpoints(client: RpcClient): Promise<readonly EndpointVoice<EndpointProbe>[]> {
  return client.askEach(probeEndpoint, PROBE_TIMEOUT_MS)
}

/** @throws {RetryableError} when the endpoint does not answer; what it refuses it cannot do */
export async function probeEndpoint(session: EndpointSession): Promise<EndpointProbe> {
  const { capabilities } = session
  const head = decodeHeader(await session.request('eth_getBlockByNumber', ['latest', false]))
  session.sawHead(head.number)
  const atHash = { blockHash: head.hash, requireCanonical: true }
  const number = encodeQuantity(head.number)
  capabilities.blockHash = await can(async () =>
    decodeQuantity(await session.request('eth_getBalance', [NOBODY, atHash]), 'balance'),
  )
  capabilities.stateOverride = await can(async () => {
    const override = { [NOBODY]: { code: ANSWER_CODE } }
    const answer = await session.request('eth_call', [{ to: NOBODY }, number, override])
    if (decodeQuantity(answer, 'eth_call') !== 42n) throw new MalformedAnswerError('the code was not put there')
  })
  capabilities.receipts = await can(async () =>
    decodeArray(await session.request('eth_getBlockReceipts', [number]), 'receipts'),
  )
  capabilities.traces =
    (await can(async () =>
      decodeArray(await session.request('debug_traceBlockByHash', [head.hash, { tracer: 'callTracer' }]), 'traces'),
    )) || (await can(async () => decodeArray(await session.request('trace_block', [number]), 'traces')))
  // How a batch is taken is learned by sending one.
  await session.batch(['eth_chainId', 'eth_blockNumber'].map((method) => ({ method, params: [] })))
  await probeLogRange(session, head.number)
  capabilities.oldestStateBlock = await oldestState(session, head.number)
  return { host: session.host, head, capabilities: capabilities.known() }
}

async function probeLogRange(session: EndpointSession, head: bigint): Promise<void> {
  const { capabilities } = session
  for (let probe = 1; probe <= LOG_PROBES_MAX; probe += 1) {
    const blocks = capabilities.logRangeBlocks
    const first = head >= BigInt(blocks) ? head - BigInt(blocks) + 1n : 0n
    const range = { address: NOBODY, fromBlock: encodeQuantity(first), toBlock: encodeQuantity(head) }
    try {
      decodeArray(await session.request('eth_getLogs', [range]), 'logs')
      capabilities.logRangeWorked(blocks)
      if (first === 0n || blocks === LOG_RANGE_MAX || capabilities.logRangeBlocks === blocks) return
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      capabilities.logRangeRefused(blocks, error.message)
    }
  }
}

/** Bisects over old blocks; null when not even the head's state is served. The oldest that was seen to be served. */
async function oldestState(session: EndpointSession, head: bigint): Promise<bigint | null> {
  const serves = (block: bigint): Promise<boolean> =>
    can(async () => decodeQuantity(await session.request('eth_getBalance', [NOBODY, encodeQuantity(block)]), 'balance'))
  if (await serves(0n)) return 0n
  if (!(await serves(head))) return null
  let missing = 0n
  let served = head
  for (let probe = 3; probe <= STATE_PROBES_MAX && served - missing > 1n; probe += 1) {
    const middle = (missing + served) / 2n
    if (await serves(middle)) served = middle
    else missing = middle
  }
  return served
}

/** What a node refuses, or answers with nonsense, it cannot do. Trouble of other kinds is not its answer. */
async function can(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt()
    return true
  } catch (error) {
    const refused = [NodeError, MalformedAnswerError, StateUnavailableError, BlockUnavailableError]
    if (refused.some((kind) => error instanceof kind)) return false
    throw error
  }
}
