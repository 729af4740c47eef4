import type { Address } from '../../model/address.js'
import { parseAddress } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import { DEPOSIT, TRANSFER, WITHDRAWAL } from '../balances/transfer-topics.js'
import type { TransferLog } from '../balances/fetch-activity.js'
import { decodeHeader } from '../rpc/decode-header.js'
import { decodeArray, decodeData, decodeHash, decodeObject, decodeQuantity, encodeQuantity } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError, NodeError, RateLimitedError } from '../rpc/rpc-errors.js'
import type { BlockPins } from './block-pins.js'
import type { SearchContext } from './search-context.js'

/** Addresses in one filter, of tokens or of wallets: what nodes commonly take. */
const FILTER_MAX = 1000
const RANGE_START = 2000
const MEMORY_KEY = 'log-range'
/** How providers word that a range has too many blocks or too many logs; some call it a rate limit. */
const tooMuchPattern = /range|too (large|big)|too many (blocks|logs|results)|results|response size|more than/i

export interface LogInterest {
  readonly tokens: readonly Address[]
  readonly wallets: readonly Address[]
}

/** Logs by the number of their block. */
export type RangeLogs = ReadonlyMap<bigint, readonly TransferLog[]>

/**
 * All logs of a span that may tell of movements of these tokens from, to, or by these wallets. The ranges of one request
 * become smaller where the endpoint refuses them, and it is remembered which it takes.
 *
 * Each query travels with the header of its last block: a node that does not have that block yet would answer with what
 * it has, as if there were no more.
 *
 * @throws {BlockUnavailableError} when the logs are of other blocks than the span's
 */
export async function fetchRangeLogs(
  { client, signal }: SearchContext,
  pins: BlockPins,
  interest: LogInterest,
): Promise<RangeLogs> {
  const found = new Map<string, { readonly number: bigint; readonly log: TransferLog }>()
  for (const filter of filtersOf(interest)) {
    for (let first = pins.from.number + 1n; first <= pins.to.number;) {
      signal?.throwIfAborted()
      const start = first
      const answer = await client.run((session) => fetchRange(session, pins, { filter, first: start }))
      // A transfer between two watched wallets is in the answer to more than one filter.
      for (const item of answer.logs) found.set(item.key, item)
      first = answer.last + 1n
    }
  }
  const byBlock = new Map<bigint, TransferLog[]>()
  for (const { number, log } of found.values()) {
    const same = byBlock.get(number)
    if (same === undefined) byBlock.set(number, [log])
    else same.push(log)
  }
  return byBlock
}

interface Filter {
  readonly address: readonly Address[]
  readonly topics: readonly (readonly Hash[] | null)[]
}

function filtersOf({ tokens, wallets }: LogInterest): Filter[] {
  return chunks(tokens).flatMap((address) =>
    chunks(wallets.map((wallet): Hash => `0x${wallet.slice(2).padStart(64, '0')}`)).flatMap((topics): Filter[] => [
      { address, topics: [[TRANSFER, DEPOSIT, WITHDRAWAL], topics] },
      { address, topics: [[TRANSFER], null, topics] },
    ]),
  )
}

function chunks<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / FILTER_MAX) }, (_, index) =>
    items.slice(index * FILTER_MAX, (index + 1) * FILTER_MAX),
  )
}

interface RangeItem {
  readonly key: string
  readonly number: bigint
  readonly log: TransferLog
}

interface RangeQuery {
  readonly filter: Filter
  readonly first: bigint
}

async function fetchRange(
  session: EndpointSession,
  pins: BlockPins,
  { filter, first }: RangeQuery,
): Promise<{ readonly logs: readonly RangeItem[]; readonly last: bigint }> {
  for (;;) {
    const known = session.memory.get(MEMORY_KEY)
    const range = typeof known === 'number' ? known : RANGE_START
    const wished = first + BigInt(range) - 1n
    const last = wished < pins.to.number ? wished : pins.to.number
    const answer = await requestRange(session, { ...filter, fromBlock: first, toBlock: last })
    if (answer === 'too much') {
      const blocks = Number(last - first) + 1
      if (blocks === 1) throw new NodeError(`the endpoint does not give the logs of block ${first}`, 0)
      session.memory.set(MEMORY_KEY, Math.ceil(blocks / 2))
      continue
    }
    if (decodeHeader(answer.header).hash !== pins.at(last).hash) {
      throw new BlockUnavailableError(`block ${last} of the logs is not the one that is searched`)
    }
    return { logs: answer.logs.map((log) => readLog(log, pins)), last }
  }
}

interface RangeFilter extends Filter {
  readonly fromBlock: bigint
  readonly toBlock: bigint
}

async function requestRange(
  session: EndpointSession,
  { fromBlock, toBlock, ...filter }: RangeFilter,
): Promise<{ readonly logs: readonly unknown[]; readonly header: unknown } | 'too much'> {
  const bounds = { fromBlock: encodeQuantity(fromBlock), toBlock: encodeQuantity(toBlock) }
  try {
    const [logs, header] = await session.batch([
      { method: 'eth_getLogs', params: [{ ...filter, ...bounds }] },
      { method: 'eth_getBlockByNumber', params: [bounds.toBlock, false] },
    ])
    if (logs === undefined || header === undefined) throw new MalformedAnswerError('expected two answers')
    if (!logs.ok) throw logs.error
    if (!header.ok) throw header.error
    if (header.result === null) throw new BlockUnavailableError(`the endpoint does not have block ${toBlock}`)
    return { logs: decodeArray(logs.result, 'logs'), header: header.result }
  } catch (error) {
    const refused = error instanceof NodeError || error instanceof RateLimitedError
    if (refused && tooMuchPattern.test(error.message)) return 'too much'
    throw error
  }
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
