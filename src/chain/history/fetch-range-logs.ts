import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import { messageOf } from '../../model/errors.js'
import type { Hash } from '../../model/position.js'
import { DEPOSIT, TRANSFER, WITHDRAWAL } from '../balances/transfer-topics.js'
import type { TransferLog } from '../balances/fetch-activity.js'
import { decodeHeader } from '../rpc/decode-header.js'
import { decodeArray, decodeData, decodeHash, decodeObject, decodeQuantity, encodeQuantity } from '../rpc/quantity.js'
import type { EndpointSession, RunOptions } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError, NodeError, RateLimitedError } from '../rpc/rpc-errors.js'
import type { BlockPins } from './block-pins.js'
import type { SearchContext } from './search-context.js'

/** Addresses in one list of a filter, of tokens or of wallets: what nodes commonly take. */
const FILTER_MAX = 1000
const FILTER_MAX_KEY = 'log-filter-max'
/** Filters that share a request, and the header that proves what they saw; more may make an answer that is too large. */
const FILTERS_AT_ONCE = 4
/** Times that the logs of single blocks are asked for by fewer tokens: an endpoint may refuse for another reason. */
const SPLITS_MAX = 64
/** How providers word that a range has too many blocks or too many logs; some call it a rate limit. */
export const tooMuchPattern: RegExp =
  /range|too (large|big)|too many (blocks|logs|results)|results|response size|more than|at most \d+ bytes/i
/** How they word that a filter has too many entries. */
const tooManyEntriesPattern = /(max|many|exceed|limit|most)[^.]*(addresses|topics)/i

export interface LogInterest {
  readonly tokens: readonly Address[]
  readonly wallets: readonly Address[]
}

/** Logs by the number of their block. */
export type RangeLogs = ReadonlyMap<bigint, readonly TransferLog[]>

export interface FetchedLogs {
  readonly logs: RangeLogs
  /** Tokens with so many logs in one block that the endpoint does not give them: some of theirs are missing. */
  readonly withheld: ReadonlySet<Address>
}

/**
 * All logs of a span that may tell of movements of these tokens from, to, or by these wallets. The ranges of one request
 * become smaller where the endpoint refuses them, and it is remembered which it takes.
 *
 * The queries travel with the header of their last block: a node that does not have that block yet would answer with what
 * it has, as if there were no more. Where there is a second endpoint it is asked the same, and what either has counts: a
 * node that keeps a log to itself is found out by one that does not.
 *
 * @throws {BlockUnavailableError} when the logs are of other blocks than the span's
 */
export async function fetchRangeLogs(
  context: SearchContext,
  pins: BlockPins,
  interest: LogInterest,
): Promise<FetchedLogs> {
  const { client, logger } = context
  const asked = new Set<number>()
  const { found: first, withheld } = await collectLogs(context, pins, { interest, asked, options: {} })
  let second: ReadonlyMap<string, RangeItem> = new Map()
  if (client.size > 1) {
    try {
      const { found } = await collectLogs(context, pins, { interest, asked, options: { elsewhere: true } })
      second = found
    } catch (error) {
      if (client.signal.aborted) throw error
      logger.info({ error: messageOf(error) }, 'a second endpoint could not be asked for logs')
    }
  }
  const all = new Map([...second, ...first])
  if (second.size > 0 && all.size > first.size) {
    logger.warn({ missing: all.size - first.size }, 'an endpoint keeps logs to itself that another one has')
  }
  const byBlock = new Map<bigint, TransferLog[]>()
  for (const { number, log } of all.values()) {
    const same = byBlock.get(number)
    if (same === undefined) byBlock.set(number, [log])
    else same.push(log)
  }
  return { logs: byBlock, withheld }
}

interface CollectedLogs {
  /** By block and index: a transfer between two watched wallets is in the answer to more than one filter. */
  readonly found: ReadonlyMap<string, RangeItem>
  readonly withheld: ReadonlySet<Address>
}

interface Collecting {
  readonly interest: LogInterest
  /** Places of the endpoints that gave logs: filled by the first pass, avoided by the second. */
  readonly asked: Set<number>
  readonly options: RunOptions
}

async function collectLogs(
  { client, signal }: SearchContext,
  pins: BlockPins,
  { interest, asked, options }: Collecting,
): Promise<CollectedLogs> {
  const found = new Map<string, RangeItem>()
  const withheld = new Set<Address>()
  const splits = { left: SPLITS_MAX }
  for (let first = pins.from.number + 1n; first <= pins.to.number;) {
    signal?.throwIfAborted()
    const start = first
    const tokens = interest.tokens.filter((token) => !withheld.has(token))
    if (tokens.length === 0) break
    const answer = await client.run(async (session) => {
      // The others are down: to ask the same one again proves nothing.
      if (options.elsewhere === true && asked.has(session.place)) return null
      const range = await fetchRange(session, pins, {
        interest: { ...interest, tokens },
        first: start,
        until: pins.to.number,
        splits,
      })
      if (options.elsewhere !== true) asked.add(session.place)
      return range
    }, options)
    if (answer === null) break
    for (const item of answer.logs) found.set(item.key, item)
    for (const token of answer.withheld) withheld.add(token)
    first = answer.last + 1n
  }
  return { found, withheld }
}

interface Filter {
  readonly address: readonly Address[]
  readonly topics: readonly (readonly Hash[] | null)[]
}

/** Topics are joined by "and": who sent and who received are two questions. */
function filtersOf({ tokens, wallets }: LogInterest, entriesMax: number): Filter[] {
  return chunks(tokens, entriesMax).flatMap((address) =>
    chunks(
      wallets.map((wallet): Hash => `0x${wallet.slice(2).padStart(64, '0')}`),
      entriesMax,
    ).flatMap((topics): Filter[] => [
      { address, topics: [[TRANSFER, DEPOSIT, WITHDRAWAL], topics] },
      { address, topics: [[TRANSFER], null, topics] },
    ]),
  )
}

export function chunks<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

interface RangeItem {
  readonly key: string
  readonly number: bigint
  readonly log: TransferLog
}

interface RangeQuery {
  readonly interest: LogInterest
  readonly first: bigint
  readonly until: bigint
  readonly splits: { left: number }
}

interface RangeAnswer {
  readonly logs: readonly RangeItem[]
  readonly last: bigint
  readonly withheld: readonly Address[]
}

async function fetchRange(session: EndpointSession, pins: BlockPins, query: RangeQuery): Promise<RangeAnswer> {
  const { interest, first, until } = query
  const { capabilities, memory } = session
  for (;;) {
    const known = memory.get(FILTER_MAX_KEY)
    const entriesMax = typeof known === 'number' ? known : FILTER_MAX
    const wished = first + BigInt(capabilities.logRangeBlocks) - 1n
    const last = wished < until ? wished : until
    const blocks = Number(last - first) + 1
    const filters = filtersOf(interest, entriesMax)
    try {
      const logs: RangeItem[] = []
      for (const part of chunks(filters, FILTERS_AT_ONCE)) {
        const answers = await requestFilters(session, pins, { filters: part, first, last })
        logs.push(...answers.map((log) => readLog(log, pins)))
      }
      capabilities.logRangeWorked(blocks)
      return { logs, last, withheld: [] }
    } catch (error) {
      if (!isRefusal(error)) throw error
      const { message } = error
      if (tooManyEntriesPattern.test(message) && entriesMax > 1) {
        const longest = Math.max(interest.tokens.length, interest.wallets.length)
        memory.set(FILTER_MAX_KEY, Math.ceil(Math.min(longest, entriesMax) / 2))
      } else if (!tooMuchPattern.test(message)) throw error
      else if (blocks === 1) return fetchCrowdedBlock(session, pins, query)
      else capabilities.logRangeRefused(blocks, message)
    }
  }
}

/** The logs of one block that are too many together, by halves of the tokens: what is left is the token that is to blame. */
async function fetchCrowdedBlock(
  session: EndpointSession,
  pins: BlockPins,
  { interest, first, splits }: RangeQuery,
): Promise<RangeAnswer> {
  const { tokens, wallets } = interest
  session.capabilities.logBlockRefused()
  if (tokens.length === 1) return { logs: [], last: first, withheld: tokens }
  if (splits.left === 0) throw new NodeError(`the endpoint does not give the logs of block ${first}`, 0)
  splits.left -= 1
  const logs: RangeItem[] = []
  const withheld: Address[] = []
  for (const half of chunks(tokens, Math.ceil(tokens.length / 2))) {
    const part = { interest: { tokens: half, wallets }, first, until: first, splits }
    const answer = await fetchRange(session, pins, part)
    logs.push(...answer.logs)
    withheld.push(...answer.withheld)
  }
  return { logs, last: first, withheld }
}

/** An answer that is too large to be read is one that was too large to be asked for. */
function isRefusal(error: unknown): error is NodeError | RateLimitedError | MalformedAnswerError {
  if (error instanceof NodeError) return true
  return (
    (error instanceof RateLimitedError || error instanceof MalformedAnswerError) && tooMuchPattern.test(error.message)
  )
}

interface FiltersQuery {
  readonly filters: readonly Filter[]
  readonly first: bigint
  readonly last: bigint
}

async function requestFilters(
  session: EndpointSession,
  pins: BlockPins,
  { filters, first, last }: FiltersQuery,
): Promise<readonly unknown[]> {
  const bounds = { fromBlock: encodeQuantity(first), toBlock: encodeQuantity(last) }
  const outcomes = await session.batch([
    ...filters.map((filter) => ({ method: 'eth_getLogs', params: [{ ...filter, ...bounds }] })),
    { method: 'eth_getBlockByNumber', params: [bounds.toBlock, false] },
  ])
  const logs = outcomes.slice(0, filters.length).flatMap((outcome) => {
    if (!outcome.ok) throw outcome.error
    return decodeArray(outcome.result, 'logs')
  })
  const header = outcomes[filters.length]
  if (header === undefined) throw new MalformedAnswerError(`expected ${filters.length + 1} answers`)
  if (!header.ok) throw header.error
  if (header.result === null) throw new BlockUnavailableError(`the endpoint does not have block ${last}`)
  if (decodeHeader(header.result).hash !== pins.at(last).hash) {
    throw new BlockUnavailableError(`block ${last} of the logs is not the one that is searched`)
  }
  return logs
}

function readLog(value: unknown, pins: BlockPins): RangeItem {
  const log = decodeObject(value, 'log')
  const number = decodeQuantity(log['blockNumber'], 'log block')
  const index = decodeQuantity(log['logIndex'], 'log index')
  const blockHash = decodeHash(log['blockHash'], 'log block hash')
  if (number <= pins.from.number || number > pins.to.number || pins.at(number).hash !== blockHash) {
    throw new BlockUnavailableError(`a log of block ${number} is of another block than the one that is searched`)
  }
  const token = typeof log['address'] === 'string' ? parseAddress(log['address']) : null
  if (token === null) throw new MalformedAnswerError('log: expected an address')
  return {
    key: `${number}:${index}`,
    number,
    log: {
      token,
      topics: decodeArray(log['topics'], 'log topics').map((topic) => decodeHash(topic, 'log topic')),
      data: decodeData(log['data'], 'log data'),
      transactionHash: decodeHash(log['transactionHash'], 'transaction hash'),
      transactionIndex: Number(decodeQuantity(log['transactionIndex'], 'transaction index')),
    },
  }
}
