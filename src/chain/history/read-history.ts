import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { SpanChange, SpanPosition } from '../../model/chain-event.js'
import type { Logger } from '../../model/logger.js'
import { positionKey } from '../../model/position.js'
import { fetchHeadersByNumber } from '../head/fetch-headers.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import type { SearchedPosition } from './found-change.js'
import { SLICE_BLOCKS, searchSlice } from './search-slice.js'

export interface HistoryRequest {
  /** With the balance at `from`; null where it is to be read there first. */
  readonly positions: readonly SearchedPosition[]
  /** The block before the first one that is searched. */
  readonly from: BlockRef
  readonly to: BlockHeader
  readonly logger: Logger
  readonly onProgress?: ((progress: { readonly done: bigint; readonly total: bigint }) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface HistoryAnswer {
  /** Every change that was found, by ascending block, each read at its block's hash. */
  readonly changes: readonly SpanChange[]
  /** One for each position, in order. */
  readonly positions: readonly SpanPosition[]
  /** JSON-RPC calls of the client meanwhile, each item of a batch by itself. */
  readonly requests: number
}

/**
 * Searches a range of blocks for every change of some positions, slice by slice.
 *
 * @throws {BlockUnavailableError} when the range is not, or not any more, part of the canonical chain
 * @throws {StateUnavailableError} when no endpoint has the state of its blocks
 */
export async function readHistory(client: RpcClient, request: HistoryRequest): Promise<HistoryAnswer> {
  const { from, to, logger, signal, onProgress } = request
  const total = to.number - from.number
  const countBefore = requestsOf(client)
  const changes: SpanChange[] = []
  const sampled = new Set<string>()
  let positions = request.positions
  let ends: readonly SpanPosition[] = []
  let done = 0n
  const onBlocks = (blocks: bigint): void => onProgress?.({ done: (done += blocks), total })
  for (let start = from; start.number < to.number;) {
    signal?.throwIfAborted()
    const end = await sliceEnd(client, start, to)
    const slice = await searchSlice(
      { client, logger, signal, onBlocks },
      { from: start, to: end, positions, linked: false },
    )
    changes.push(...slice.changes)
    ends = slice.positions
    for (const { position, coverage } of ends) if (coverage === 'sampled') sampled.add(positionKey(position))
    positions = ends.map(({ position, reading }) => ({
      ...position,
      balance: reading.kind === 'balance' ? reading.balance : null,
    }))
    start = end
    done = end.number - from.number
    onProgress?.({ done, total })
  }
  return {
    changes,
    positions: ends.map((end) => (sampled.has(positionKey(end.position)) ? { ...end, coverage: 'sampled' } : end)),
    requests: requestsOf(client) - countBefore,
  }
}

async function sliceEnd(client: RpcClient, start: BlockRef, to: BlockHeader): Promise<BlockHeader> {
  if (to.number - start.number <= SLICE_BLOCKS) return to
  const number = start.number + SLICE_BLOCKS
  const [header] = await fetchHeadersByNumber(client, number, 1)
  if (header === undefined) throw new BlockUnavailableError(`no endpoint has block ${number}`)
  return header
}

function requestsOf(client: RpcClient): number {
  return [...client.requests.values()].reduce((sum, count) => sum + count, 0)
}
