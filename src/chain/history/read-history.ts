import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { BalanceReading, SpanChange, SpanPosition } from '../../model/chain-event.js'
import type { Logger } from '../../model/logger.js'
import { fetchHeadersByNumber } from '../head/fetch-headers.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import { findServed } from './find-served.js'
import { balanceQuery, readingOf } from './found-change.js'
import type { SearchedPosition } from './found-change.js'
import { HistoryTrack } from './history-track.js'
import { readPast } from './read-past.js'
import { SLICE_BLOCKS, searchSlice } from './search-slice.js'

/** Ranges of unreadable blocks after which the rest is given up: a node that loses states here and there. */
const HOLES_MAX = 8

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

/** Blocks whose state no endpoint serves, inclusive: what happened in them is not known. */
export interface UnreadableBlocks {
  readonly from: bigint
  readonly to: bigint
  readonly reason: string
}

export interface HistoryAnswer {
  /**
   * Every change that was found, by ascending block, each read at its block's hash. What blocks that cannot be read
   * changed is told of the first block after them, unexplained.
   */
  readonly changes: readonly SpanChange[]
  /** One for each position, in order; `sampled` where some blocks could not be read. */
  readonly positions: readonly SpanPosition[]
  /** Ascending; empty where all blocks were searched. */
  readonly unreadable: readonly UnreadableBlocks[]
  /** JSON-RPC calls of the client meanwhile, each item of a batch by itself. */
  readonly requests: number
}

/**
 * Searches a range of blocks for every change of some positions, slice by slice. Blocks whose state no endpoint has any
 * more are passed over and named, the others are searched all the same.
 *
 * @throws {BlockUnavailableError} when the range is not, or not any more, part of the canonical chain
 */
export async function readHistory(client: RpcClient, request: HistoryRequest): Promise<HistoryAnswer> {
  const { from, to, logger, signal, onProgress, positions } = request
  const total = to.number - from.number
  const countBefore = requestsOf(client)
  const track = new HistoryTrack(positions)
  const unreadable: UnreadableBlocks[] = []
  let done = 0n
  const onBlocks = (blocks: bigint): void => onProgress?.({ done: (done += blocks), total })
  for (let start: BlockRef = from; start.number < to.number;) {
    signal?.throwIfAborted()
    const end = await sliceEnd(client, start, to)
    try {
      const slice = { from: start, to: end, positions: track.positions(), linked: false }
      track.follow(end, await searchSlice({ client, logger, signal, onBlocks }, slice))
      start = end
    } catch (error) {
      if (client.signal.aborted || signal?.aborted === true) throw error
      const span = { from: start, end, to }
      const served = await findServed(client, { span, error, patience: unreadable.length < HOLES_MAX, logger })
      const lost = { from: start.number + 1n, to: served === null ? to.number : served.number - 1n }
      const reason = `no endpoint has the state of blocks ${lost.from} to ${lost.to} any more`
      logger.warn({ reason }, 'blocks of the past cannot be read')
      if (lost.from <= lost.to) unreadable.push({ ...lost, reason })
      track.lose(reason)
      if (served !== null) track.meet(served, await readAll(client, served, { positions, logger }))
      start = served ?? to
    }
    done = start.number - from.number
    onProgress?.({ done, total })
  }
  return { changes: track.changes, positions: track.ends(), unreadable, requests: requestsOf(client) - countBefore }
}

async function readAll(
  client: RpcClient,
  block: BlockHeader,
  { positions, logger }: Pick<HistoryRequest, 'positions' | 'logger'>,
): Promise<readonly BalanceReading[]> {
  const { answers } = await readPast(client, block, positions.map(balanceQuery), logger)
  return positions.map((position, index) => readingOf(position, answers[index]))
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
