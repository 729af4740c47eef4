import type { BlockHeader } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import { decodeHeader } from '../rpc/decode-header.js'
import { encodeQuantity } from '../rpc/quantity.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError, MalformedAnswerError } from '../rpc/rpc-errors.js'

/** The newest header an endpoint has. */
export async function fetchLatestHeader(client: RpcClient): Promise<BlockHeader> {
  const { header } = await fetchNamedHead(client)
  return header
}

/** A head, and the place of the endpoint that named it. */
export interface NamedHead {
  readonly header: BlockHeader
  readonly place: number
}

/** As `fetchLatestHeader`, with the endpoint that has to answer for it. */
export function fetchNamedHead(client: RpcClient): Promise<NamedHead> {
  return client.run(async (session) => {
    const header = decodeHeader(await session.request('eth_getBlockByNumber', ['latest', false]))
    session.sawHead(header.number)
    return { header, place: session.place }
  })
}

/** @throws {BlockUnavailableError} when no endpoint knows the block. */
export function fetchHeaderByHash(client: RpcClient, hash: Hash): Promise<BlockHeader> {
  return client.run(async (session) => {
    const answer = await session.request('eth_getBlockByHash', [hash, false])
    // Null is retried on another endpoint: the one asked may lag behind.
    if (answer === null) throw new BlockUnavailableError(`no endpoint knows block ${hash}`)
    const header = decodeHeader(answer)
    if (header.hash !== hash) throw new MalformedAnswerError(`asked for block ${hash}, got ${header.hash}`)
    return header
  })
}

/** Consecutive headers by number; stops at the first one the endpoint does not have. */
export function fetchHeadersByNumber(client: RpcClient, first: bigint, count: number): Promise<readonly BlockHeader[]> {
  const numbers = Array.from({ length: count }, (_, offset) => first + BigInt(offset))
  return client.run(async (session) => {
    const outcomes = await session.batch(
      numbers.map((number) => ({ method: 'eth_getBlockByNumber', params: [encodeQuantity(number), false] })),
    )
    const headers: BlockHeader[] = []
    for (const outcome of outcomes) {
      if (!outcome.ok || outcome.result === null) break
      const header = decodeHeader(outcome.result)
      if (header.number !== numbers[headers.length]) {
        throw new MalformedAnswerError(`asked for block ${numbers[headers.length]}, got ${header.number}`)
      }
      headers.push(header)
    }
    return headers
  })
}

/** The hash of block 0; null where the node does not serve it. */
export async function fetchGenesisHash(client: RpcClient): Promise<Hash | null> {
  const [genesis] = await fetchHeadersByNumber(client, 0n, 1)
  return genesis?.hash ?? null
}
