import type { BlockHeader } from '../../model/block.js'
import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'
import { decodeData } from '../rpc/quantity.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { MalformedAnswerError } from '../rpc/rpc-errors.js'
import type { BalanceAnswer, BalanceQuery } from './balance-query.js'
import { tokenFailed, tokenWithoutCode } from './balance-query.js'
import { atBlock } from './block-argument.js'
import { scannerBytecode } from './scanner/scanner-bytecode.js'

/** Where the scanner's code is placed for the length of one call; nobody holds the key to this address. */
const SCANNER_ADDRESS: Address = '0x7469646d61726b207363616e6e65720000000001'
/** Enough for every proxied or rebasing token we know of, and little enough that a hostile one cannot use up a call. */
const GAS_PER_ITEM = 300_000
/** Holders of one group: the count travels in two bytes. */
const GROUP_MAX = 0xffff
const HEAD_CHARS = 128
const ITEM_CHARS = 66

/**
 * Reads balances with the scanner placed by a state override: one request, however many balances fit its gas.
 *
 * @returns answers for the queries from the first one on; fewer than asked when the gas ran low.
 * @throws {MalformedAnswerError} when the call did not run on the block asked for.
 */
export async function scanByOverride(
  session: EndpointSession,
  header: BlockHeader,
  queries: readonly BalanceQuery[],
): Promise<readonly BalanceAnswer[]> {
  const answer = await session.request('eth_call', [
    { to: SCANNER_ADDRESS, data: encodeScan(queries) },
    atBlock(header),
    { [SCANNER_ADDRESS]: { code: scannerBytecode } },
  ])
  return decodeScan(decodeData(answer, 'scanner'), header, queries.length)
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

function decodeScan(data: Hex, header: BlockHeader, asked: number): BalanceAnswer[] {
  const words = data.slice(2)
  const count = (words.length - HEAD_CHARS) / ITEM_CHARS
  if (!Number.isInteger(count) || count < 0 || count > asked) {
    throw new MalformedAnswerError(`scanner: expected ${asked} items, got ${words.length / 2} bytes`)
  }
  requireBlock(header, BigInt(`0x${words.slice(0, 64)}`), BigInt(`0x${words.slice(64, HEAD_CHARS)}`))
  const answers: BalanceAnswer[] = []
  for (let index = 0; index < count; index += 1) {
    const at = HEAD_CHARS + index * ITEM_CHARS
    answers.push(decodeItem(words.slice(at, at + 2), words.slice(at + 2, at + ITEM_CHARS)))
  }
  return answers
}

function decodeItem(status: string, value: string): BalanceAnswer {
  switch (status) {
    case '01':
      return { kind: 'balance', balance: BigInt(`0x${value}`) }
    case '00':
      return tokenFailed
    case '03':
      return tokenWithoutCode
    default:
      throw new MalformedAnswerError(`scanner: unknown item status ${status}`)
  }
}

/** The call itself tells on which block it ran: a node that answered from another one is not believed. */
export function requireBlock(header: BlockHeader, number: bigint, timestampSeconds: bigint): void {
  if (number !== header.number || timestampSeconds !== BigInt(header.timestampSeconds)) {
    throw new MalformedAnswerError(
      `expected an answer from block ${header.number} at ${header.timestampSeconds}, got one from block ${number} at ${timestampSeconds}`,
    )
  }
}
