import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import { decodeFlatTraces } from '../balances/decode-traces.js'
import type { ValueTransfers } from '../balances/decode-traces.js'
import { withinTime } from '../balances/fetch-value-transfers.js'
import { decodeArray, decodeHash, decodeObject, encodeQuantity } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { MalformedAnswerError, NodeError } from '../rpc/rpc-errors.js'
import type { BlockPins } from './block-pins.js'
import { chunks, tooMuchPattern } from './fetch-range-logs.js'
import type { SearchContext } from './search-context.js'

/** Accounts in one list of a filter. */
const FILTER_MAX = 1000
const RANGE_START = 1024
/** A node that traces fewer blocks than this at once is asked for each block by itself. */
const RANGE_MIN = 16
const MEMORY_KEY = 'trace-ranges'
/** An endpoint that does not filter traces is not asked again for this long. */
const UNSUPPORTED_REST_MS = 60 * 60_000
/** One that was too slow, or told what does not fit, may only have been busy. */
const FAILED_REST_MS = 60_000
/** Many nodes run the blocks again to answer: no longer than any other request. */
const TIMEOUT_MS = 10_000
/** Traces of one span that are looked at: a wallet that does more is explained block by block. */
const TRACES_MAX = 100_000

interface RangeTracing {
  readonly range: number
  readonly restUntilMs: number
}

/** What the traces of one block tell of the accounts that were asked for. */
export interface BlockTraces {
  readonly transfers: ValueTransfers
  /** Their transactions' places in the block. */
  readonly indexes: ReadonlyMap<Hash, number>
  /** Transactions that an account of interest sent, failed ones too. */
  readonly sent: ReadonlyMap<Hash, Address>
}

/**
 * Value that moved to and from some accounts in some blocks, within transactions and inside them, from the traces of
 * whole ranges. Payers and payees are asked for apart, because nodes do not agree on what both together mean.
 *
 * A call that was undone with the one around it cannot be told where that one is not of these accounts: what is found
 * here counts only where it adds up to what the state shows.
 *
 * @param blocks ascending, all of the span
 * @returns null where the endpoint cannot tell; blocks of which it told nothing are missing
 */
export function fetchRangeTraces(
  { client, signal }: SearchContext,
  pins: BlockPins,
  { blocks, wallets }: { readonly blocks: readonly bigint[]; readonly wallets: ReadonlySet<Address> },
): Promise<ReadonlyMap<bigint, BlockTraces> | null> {
  return client.run(async (session) => {
    const known = session.memory.get(MEMORY_KEY) as RangeTracing | undefined
    if (known !== undefined && client.clock.monotonicMs() < known.restUntilMs) return null
    const traces = new Map<string, TraceItem>()
    try {
      let left = blocks
      for (let [first] = left; first !== undefined; [first] = left) {
        signal?.throwIfAborted()
        const start = first
        const range = (session.memory.get(MEMORY_KEY) as RangeTracing | undefined)?.range ?? RANGE_START
        const reach = left.filter((number) => number < start + BigInt(range))
        const found = await withinTime(client.clock, requestRange(session, pins, { reach, wallets }), TIMEOUT_MS)
        if (found === null) continue
        for (const item of found) traces.set(item.key, item)
        if (traces.size > TRACES_MAX) return null
        left = left.slice(reach.length)
      }
      return sortTraces([...traces.values()], wallets)
    } catch (error) {
      if (client.signal.aborted || signal?.aborted === true) throw error
      const restMs = error instanceof NodeError ? UNSUPPORTED_REST_MS : FAILED_REST_MS
      session.memory.set(MEMORY_KEY, { range: RANGE_START, restUntilMs: client.clock.monotonicMs() + restMs })
      return null
    }
  })
}

interface RangeRequest {
  /** Blocks of interest that are covered by one request. */
  readonly reach: readonly bigint[]
  readonly wallets: ReadonlySet<Address>
}

/** @returns null when the range was too wide: a narrower one is remembered */
async function requestRange(
  session: EndpointSession,
  pins: BlockPins,
  { reach, wallets }: RangeRequest,
): Promise<readonly TraceItem[] | null> {
  const [first = 0n] = reach
  const last = reach.at(-1) ?? first
  // Some nodes take a range of one block for none.
  const fromBlock = first === last && first > pins.from.number + 1n ? first - 1n : first
  const bounds = { fromBlock: encodeQuantity(fromBlock), toBlock: encodeQuantity(last) }
  const filters = chunks([...wallets], FILTER_MAX).flatMap((accounts) => [
    { ...bounds, fromAddress: accounts },
    { ...bounds, toAddress: accounts },
  ])
  try {
    const outcomes = await session.batch(filters.map((filter) => ({ method: 'trace_filter', params: [filter] })))
    return outcomes.flatMap((outcome) => {
      if (!outcome.ok) throw outcome.error
      return decodeArray(outcome.result, 'traces').map((value) => readTrace(value, pins))
    })
  } catch (error) {
    const refused = error instanceof NodeError || error instanceof MalformedAnswerError
    const blocks = Number(last - fromBlock) + 1
    if (!refused || !tooMuchPattern.test(error.message) || blocks < 2 * RANGE_MIN) throw error
    session.memory.set(MEMORY_KEY, { range: Math.floor(blocks / 2), restUntilMs: 0 } satisfies RangeTracing)
    return null
  }
}

interface TraceItem {
  readonly key: string
  readonly number: bigint
  readonly blockHash: Hash
  /** Null for a reward, which belongs to no transaction. */
  readonly transactionHash: Hash | null
  readonly transactionIndex: number
  readonly path: readonly number[]
  readonly sender: Address | null
  readonly trace: Readonly<Record<string, unknown>>
}

/** @throws {MalformedAnswerError} when it is of another block than the one that is searched */
function readTrace(value: unknown, pins: BlockPins): TraceItem {
  const trace = decodeObject(value, 'trace')
  const number = readPlace(trace['blockNumber'], 'block number')
  const blockHash = decodeHash(trace['blockHash'], 'trace block hash')
  const block = BigInt(number)
  if (block <= pins.from.number || block > pins.to.number || pins.at(block).hash !== blockHash) {
    throw new MalformedAnswerError(`a trace of block ${number} is of another block than the one that is searched`)
  }
  const ofTransaction = typeof trace['transactionHash'] === 'string'
  const path = decodeArray(trace['traceAddress'], 'trace address').map((step) => readPlace(step, 'trace address'))
  const transactionHash = ofTransaction ? decodeHash(trace['transactionHash'], 'transaction hash') : null
  const from = decodeObject(trace['action'], 'trace action')['from']
  return {
    key: `${number}:${transactionHash ?? ''}:${path.join('.')}:${String(trace['type'])}`,
    number: block,
    blockHash,
    transactionHash,
    transactionIndex: ofTransaction ? readPlace(trace['transactionPosition'], 'transaction position') : 0,
    path,
    sender: typeof from === 'string' ? parseAddress(from) : null,
    trace,
  }
}

/** Nodes give these as numbers, unlike all others. */
function readPlace(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedAnswerError(`trace: expected a ${what} that is a whole number`)
  }
  return value
}

function sortTraces(items: readonly TraceItem[], wallets: ReadonlySet<Address>): ReadonlyMap<bigint, BlockTraces> {
  const byBlock = new Map<bigint, TraceItem[]>()
  for (const item of items) {
    if (item.transactionHash === null) continue
    const same = byBlock.get(item.number)
    if (same === undefined) byBlock.set(item.number, [item])
    else same.push(item)
  }
  return new Map(
    [...byBlock].map(([number, same]) => {
      // A parent comes before what it called.
      const ordered = same.toSorted((a, b) => a.transactionIndex - b.transactionIndex || comparePaths(a.path, b.path))
      const indexes = new Map<Hash, number>()
      const sent = new Map<Hash, Address>()
      for (const { transactionHash, transactionIndex, path, sender } of ordered) {
        if (transactionHash === null) continue
        indexes.set(transactionHash, transactionIndex)
        if (path.length === 0 && sender !== null && wallets.has(sender)) sent.set(transactionHash, sender)
      }
      const transfers = decodeFlatTraces(
        ordered.map(({ trace }) => trace),
        { hash: ordered[0]?.blockHash ?? '0x' },
      )
      return [number, { transfers, indexes, sent }]
    }),
  )
}

function comparePaths(one: readonly number[], other: readonly number[]): number {
  for (let depth = 0; depth < Math.min(one.length, other.length); depth += 1) {
    const difference = (one[depth] ?? 0) - (other[depth] ?? 0)
    if (difference !== 0) return difference
  }
  return one.length - other.length
}
