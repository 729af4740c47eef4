import type { BlockHeader } from '../../model/block.js'
import type { SpanChange, SpanPosition } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import { fetchHeadersByNumber } from '../head/fetch-headers.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import { attributeSpan } from './attribute-span.js'
import { pinByAncestors, pinByHeaders } from './block-pins.js'
import type { BlockPins, PinnedSpan } from './block-pins.js'
import { balanceQuery } from './found-change.js'
import type { Findings, SearchedPosition } from './found-change.js'
import { readPast } from './read-past.js'
import { searchChanges } from './search-changes.js'
import { sweepBlocks } from './sweep-blocks.js'
import type { SearchContext } from './search-context.js'

/** A slice's readings are held in memory until it is done, and a slice that fails is searched again as a whole. */
export const SLICE_BLOCKS = 1024n
/** Blocks of a slice that is read block by block; a longer one is searched. */
export const DENSE_BLOCKS_MAX = 300n
/** Positions that are read at every block of a short slice: as many as fit one call on most nodes. */
export const DENSE_POSITIONS_MAX = 2500
/** Headers kept from a slice, so that a reorganisation of its last blocks can be linked. */
const LINKED_HEADERS = 64n

export interface Slice extends PinnedSpan {
  readonly positions: readonly SearchedPosition[]
  /** True to have the headers below the last block: only near the head are they worth their requests. */
  readonly linked: boolean
}

export interface SliceFindings {
  /** Linked headers that end with the slice's last block: that one alone, or more where they were asked for or known. */
  readonly headers: readonly BlockHeader[]
  /** By ascending block. */
  readonly changes: readonly SpanChange[]
  /** One for each position, in order. */
  readonly positions: readonly SpanPosition[]
}

/**
 * Searches one slice of the past for every change of the positions. Each balance is read at its block's hash.
 *
 * @throws {BlockUnavailableError} when a block of the slice is not canonical any more: nothing of it is to be believed
 * @throws {StateUnavailableError} when no endpoint has the state of its blocks
 */
export async function searchSlice(context: SearchContext, slice: Slice): Promise<SliceFindings> {
  const { client, logger } = context
  const hearsay = await pinByAncestors(client, slice, logger)
  if (hearsay !== null) {
    try {
      return await searchPinned(context, hearsay, slice)
    } catch (error) {
      if (!(error instanceof BlockUnavailableError)) throw error
      logger.info({ block: slice.to.number.toString() }, 'block hashes of the EVM are not the chain’s, reading headers')
    }
  }
  return searchPinned(context, await pinByHeaders(client, slice), slice)
}

async function searchPinned(
  context: SearchContext,
  pins: BlockPins,
  { positions, linked }: Slice,
): Promise<SliceFindings> {
  const known = await withBalances(context, pins, positions)
  const findings = await findChanges(context, pins, known)
  return {
    headers: await headersOf(context, { pins, findings, linked }),
    changes: await attributeSpan(context, pins, findings),
    positions: known.map((position) => {
      const end = findings.ends.get(positionKey(position))
      if (end === undefined) throw new Error('invariant: every position was read at the end')
      return { position: end.reading.position, before: position.balance, ...end }
    }),
  }
}

/** Every position at every block, where there are few of both; otherwise where logs and bisection point at. */
async function findChanges(
  context: SearchContext,
  pins: BlockPins,
  positions: readonly SearchedPosition[],
): Promise<Findings> {
  const blocks = pins.to.number - pins.from.number
  // What grows by itself changes in every block: it is read at the end and nowhere else.
  const growing = positions.filter((position) => position.accruing === true)
  const steady = positions.filter((position) => position.accruing !== true)
  if (blocks <= DENSE_BLOCKS_MAX && steady.length > 0 && steady.length <= DENSE_POSITIONS_MAX) {
    const swept = await sweepBlocks(context, pins, steady)
    if (growing.length === 0) return swept
    const { ends } = await searchChanges(context, pins, growing)
    return { ...swept, ends: new Map([...swept.ends, ...ends]) }
  }
  const findings = await searchChanges(context, pins, positions)
  context.onBlocks?.(blocks)
  return findings
}

/** Balances before the slice that are not known are read. One that cannot be read stays unknown. */
async function withBalances(
  { client, logger }: SearchContext,
  pins: BlockPins,
  positions: readonly SearchedPosition[],
): Promise<readonly SearchedPosition[]> {
  const unknown = positions.filter(({ balance }) => balance === null)
  if (unknown.length === 0) return positions
  const { answers } = await readPast(client, pins.from, unknown.map(balanceQuery), logger)
  const read = new Map(unknown.map((position, index) => [positionKey(position), answers[index]]))
  return positions.map((position) => {
    const answer = read.get(positionKey(position))
    return answer?.kind === 'value' ? { ...position, balance: answer.value } : position
  })
}

interface HeadersWanted {
  readonly pins: BlockPins
  readonly findings: Findings
  readonly linked: boolean
}

/** The newest headers: made of hash, parent and the time that the readings told, else fetched where they are wanted. */
async function headersOf({ client }: SearchContext, { pins, findings, linked }: HeadersWanted): Promise<BlockHeader[]> {
  const { from, to } = pins
  const { times } = findings
  const headers: BlockHeader[] = [to]
  for (let number = to.number - 1n; number > from.number && times.has(number); number -= 1n) {
    headers.unshift(pins.header(number, times.get(number) ?? 0))
  }
  const [lowest = to] = headers
  const first = to.number - LINKED_HEADERS > from.number ? to.number - LINKED_HEADERS : from.number
  if (!linked || first + 1n >= lowest.number) return headers
  const fetched = await fetchHeadersByNumber(client, first + 1n, Number(lowest.number - first - 1n))
  if (fetched.some(({ number, hash }) => pins.at(number).hash !== hash)) {
    throw new BlockUnavailableError(`a block below ${to.number} is not canonical any more`)
  }
  return [...fetched, ...headers]
}
