import type { BlockHeader } from '../../model/block.js'
import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { EmptyAnswerError, MalformedAnswerError } from '../rpc/rpc-errors.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed, tokenWithoutCode } from './balance-query.js'
import { blockArgument } from './block-argument.js'
import { otherBlockError } from './other-block.js'
import { scannerBytecode } from './scanner/scanner-bytecode.js'

/** Where the scanner's code is placed for the length of one call; nobody holds the key to this address. */
const SCANNER_ADDRESS: Address = '0x7469646d61726b207363616e6e65720000000001'
/** Enough for every proxied or rebasing token we know of, and little enough that a hostile one cannot use up a call. */
const GAS_PER_ITEM = 300_000
/** Holders of one group: the count travels in two bytes. */
const GROUP_MAX = 0xffff
const HEAD_BYTES = 64
const ITEM_BYTES = 33
/** Items compared at once: few change in a block. */
const RUN_ITEMS = 64
const MEMORY_KEY = 'scans'
/** Lists of queries whose last scan is kept; a chain with more positions than these lists hold only works more. */
const SCANS_MAX = 8

/** One list of queries, its call data, and what the last scan of it answered. */
interface Scan {
  readonly queries: readonly BalanceQuery[]
  readonly callData: Hex
  bytes: Buffer
  answers: readonly BalanceAnswer[]
}

/**
 * Reads balances with the scanner placed by a state override: one request, however many balances fit its gas.
 *
 * @returns answers for the queries from the first one on; fewer than asked when the gas ran low. An answer that is the
 * same as in the last scan of these queries is the same object.
 * @throws {MalformedAnswerError} when the call did not run on the block asked for.
 */
export async function scanByOverride(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const scan = scanOf(session, queries)
  const answer = await session.request('eth_call', [
    { to: SCANNER_ADDRESS, data: scan.callData },
    blockArgument(session, header),
    { [SCANNER_ADDRESS]: { code: scannerBytecode } },
  ])
  const bytes = decodeBytes(answer)
  requireBlock(header, wordAt(bytes, 0), wordAt(bytes, 32))
  scan.answers = decodeItems(bytes, scan)
  scan.bytes = bytes
  return scan.answers
}

/** The queries are the same in nearly every block: they are encoded once, not in each. */
function scanOf(session: EndpointSession, queries: readonly BalanceQuery[]): Scan {
  const scans = (session.memory.get(MEMORY_KEY) as Scan[] | undefined) ?? []
  session.memory.set(MEMORY_KEY, scans)
  const known = scans.find((scan) => asksTheSame(scan.queries, queries))
  if (known !== undefined) return known
  // Only what is asked is kept, not the positions that came with it.
  const kept = queries.map(({ token, solver }): BalanceQuery => ({ token, solver }))
  const scan: Scan = { queries: kept, callData: encodeScan(queries), bytes: Buffer.alloc(0), answers: [] }
  scans.push(scan)
  if (scans.length > SCANS_MAX) scans.shift()
  return scan
}

function asksTheSame(known: readonly BalanceQuery[], asked: readonly BalanceQuery[]): boolean {
  if (known.length !== asked.length) return false
  for (let index = 0; index < asked.length; index += 1) {
    const [one, other] = [known[index], asked[index]]
    if (one?.solver !== other?.solver || one?.token !== other?.token) return false
  }
  return true
}

/** Queries of one token that follow each other share a group. */
function encodeScan(queries: readonly BalanceQuery[]): Hex {
  const parts = [GAS_PER_ITEM.toString(16).padStart(8, '0')]
  for (let start = 0; start < queries.length;) {
    const token = queries[start]?.token ?? 'native'
    let end = start
    while (end < queries.length && end - start < GROUP_MAX && queries[end]?.token === token) end += 1
    parts.push(token === 'native' ? '0'.repeat(40) : token.slice(2), (end - start).toString(16).padStart(4, '0'))
    for (let index = start; index < end; index += 1) parts.push(queries[index]?.solver.slice(2) ?? '')
    start = end
  }
  return `0x${parts.join('')}`
}

/** A buffer ends at the first character that is no hexadecimal digit: its length tells whether all were. */
function decodeBytes(answer: unknown): Buffer {
  if (typeof answer === 'string' && answer.startsWith('0x') && answer.length % 2 === 0) {
    const bytes = Buffer.from(answer.slice(2), 'hex')
    const isWhole = bytes.length * 2 === answer.length - 2
    if (isWhole && bytes.length >= HEAD_BYTES && (bytes.length - HEAD_BYTES) % ITEM_BYTES === 0) return bytes
  }
  if (answer === '0x') throw new EmptyAnswerError('scanner: expected a block and items, got an empty answer')
  const shown = typeof answer === 'string' ? JSON.stringify(answer.slice(0, 40)) : typeof answer
  throw new MalformedAnswerError(`scanner: expected a block and items of ${ITEM_BYTES} bytes, got ${shown}`)
}

/** An item whose bytes are those of the last scan has the answer of the last scan. */
function decodeItems(bytes: Buffer, { queries, ...last }: Scan): readonly BalanceAnswer[] {
  const count = (bytes.length - HEAD_BYTES) / ITEM_BYTES
  if (count > queries.length) {
    throw new MalformedAnswerError(`scanner: expected ${queries.length} items, got ${count}`)
  }
  const sameCount = last.bytes.length === bytes.length
  if (sameCount && bytes.compare(last.bytes, HEAD_BYTES, last.bytes.length, HEAD_BYTES) === 0) return last.answers
  const answers = last.answers.slice(0, count)
  for (let first = 0; first < count; first += RUN_ITEMS) {
    const end = Math.min(count, first + RUN_ITEMS)
    if (end <= last.answers.length && sameItems(bytes, last.bytes, { first, end })) continue
    for (let index = first; index < end; index += 1) {
      const isKnown = index < last.answers.length && sameItems(bytes, last.bytes, { first: index, end: index + 1 })
      const start = HEAD_BYTES + index * ITEM_BYTES
      if (!isKnown) answers[index] = decodeItem(bytes[start] ?? 0, wordAt(bytes, start + 1))
    }
  }
  return answers
}

function sameItems(
  one: Buffer,
  other: Buffer,
  { first, end }: { readonly first: number; readonly end: number },
): boolean {
  const [from, to] = [HEAD_BYTES + first * ITEM_BYTES, HEAD_BYTES + end * ITEM_BYTES]
  return one.compare(other, from, to, from, to) === 0
}

function decodeItem(status: number, value: bigint): BalanceAnswer {
  switch (status) {
    case 1:
      return { kind: 'balance', balance: value }
    case 0:
      return tokenFailed
    case 3:
      return tokenWithoutCode
    default:
      throw new MalformedAnswerError(`scanner: unknown item status ${status}`)
  }
}

function wordAt(bytes: Buffer, offset: number): bigint {
  return BigInt(`0x${bytes.toString('hex', offset, offset + 32)}`)
}

/**
 * The call itself tells on which block it ran: a node that answered from another one is not believed.
 *
 * @throws {BlockUnavailableError | MalformedAnswerError}
 */
export function requireBlock(header: BlockHeader, number: bigint, timestampSeconds: bigint): void {
  if (number !== header.number) throw otherBlockError(header.number, number)
  if (timestampSeconds !== BigInt(header.timestampSeconds)) {
    throw new MalformedAnswerError(
      `expected an answer from block ${header.number} at ${header.timestampSeconds}, got one from its number at ${timestampSeconds}`,
    )
  }
}
