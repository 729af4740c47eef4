import type { BlockRef } from '../../model/block.js'
import { balanceOfCall, decodeBalanceOf } from '../balances/balance-of.js'
import { atBlock, requireSameBlock } from '../balances/block-argument.js'
import { GAS_PER_CALL } from '../balances/scan-one-by-one.js'
import { decodeHeader } from '../rpc/decode-header.js'
import type { RpcCall, RpcOutcome } from '../rpc/http-endpoint.js'
import { decodeData, decodeQuantity, encodeQuantity } from '../rpc/quantity.js'
import { isSupported } from '../rpc/is-supported.js'
import type { EndpointSession } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError, NodeError } from '../rpc/rpc-errors.js'
import type { PastAnswer, PastQuery, PastReading } from './past-query.js'

/** Calls of one batch: what every provider takes. */
const BATCH_MAX = 100

/** How a block is named to an endpoint: by its hash, or by its number where the endpoint takes nothing else. */
export type BlockName = 'hash' | 'number'

/** The block parameter; what is read by number holds only if the number still is this block's afterwards. */
export function nameBlock(block: BlockRef, name: BlockName): unknown {
  return name === 'hash' ? atBlock(block) : encodeQuantity(block.number)
}

/** Finds out whether an endpoint takes hashes for blocks. */
export async function nameOfBlocks(session: EndpointSession, block: BlockRef): Promise<BlockName> {
  const takes = (name: BlockName): Promise<boolean> =>
    isSupported(session, `past by ${name}`, async () => {
      const params = ['0x0000000000000000000000000000000000000b0b', nameBlock(block, name)]
      decodeQuantity(await session.request('eth_getBalance', params), 'balance')
      return true
    })
  return (await takes('hash')) || !(await takes('number')) ? 'hash' : 'number'
}

/**
 * Reads each value with a call of its own: the form that every node understands.
 *
 * @throws {BlockUnavailableError} when the endpoint has another block in its place
 */
export async function readPastPlainly(
  session: EndpointSession,
  block: BlockRef,
  { queries, name }: { readonly queries: readonly PastQuery[]; readonly name: BlockName },
): Promise<PastReading> {
  const answer = await session.request('eth_getBlockByHash', [block.hash, false])
  if (answer === null) throw new BlockUnavailableError(`the endpoint does not know block ${block.hash}`)
  const header = decodeHeader(answer)
  if (header.hash !== block.hash || header.number !== block.number) {
    throw new MalformedAnswerError(`asked for block ${block.hash}, got ${header.hash}`)
  }
  const answers: PastAnswer[] = []
  for (let start = 0; start < queries.length; start += BATCH_MAX) {
    const part = queries.slice(start, start + BATCH_MAX)
    const outcomes = await session.batch(part.map((query) => callOf(query, nameBlock(block, name))))
    part.forEach((query, index) => answers.push(answerOf(query, outcomes[index])))
  }
  if (name === 'number') await requireSameBlock(session, block)
  return { timestampSeconds: header.timestampSeconds, answers }
}

function callOf({ subject, account }: PastQuery, at: unknown): RpcCall {
  switch (subject) {
    case 'native':
      return { method: 'eth_getBalance', params: [account, at] }
    case 'fingerprint':
      return { method: 'eth_getTransactionCount', params: [account, at] }
    case 'code':
      return { method: 'eth_getCode', params: [account, at] }
    default:
      return { method: 'eth_call', params: [{ to: subject, data: balanceOfCall(account), gas: GAS_PER_CALL }, at] }
  }
}

function answerOf({ subject }: PastQuery, outcome: RpcOutcome | undefined): PastAnswer {
  if (outcome === undefined) throw new MalformedAnswerError('expected one answer for each call')
  switch (subject) {
    case 'native':
    case 'fingerprint':
      if (!outcome.ok) throw outcome.error
      return { kind: 'value', value: decodeQuantity(outcome.result, subject) }
    case 'code':
      if (!outcome.ok) throw outcome.error
      return { kind: 'value', value: BigInt((decodeData(outcome.result, 'code').length - 2) / 2) }
    default: {
      if (!outcome.ok) {
        if (!(outcome.error instanceof NodeError)) throw outcome.error
        return { kind: 'failed', reason: 'the token’s balanceOf reverted, ran out of gas, or answered too little' }
      }
      const balance = decodeBalanceOf(decodeData(outcome.result, 'balanceOf'))
      if (balance === null) {
        return { kind: 'failed', reason: 'the token’s balanceOf answered too little or far too much' }
      }
      return { kind: 'value', value: balance }
    }
  }
}
