import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { Logger } from '../../model/logger.js'
import { fetchHeadersByNumber } from '../head/fetch-headers.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { BlockUnavailableError, StateUnavailableError } from '../rpc/rpc-errors.js'
import { readPast } from './read-past.js'

/** Any account will do to see whether a state is there. */
const NOBODY = '0x0000000000000000000000000000000000000b0b'

export interface FailedSearch {
  readonly span: {
    /** The block before the slice that failed, … */
    readonly from: BlockRef
    /** … the slice's last one, … */
    readonly end: BlockHeader
    /** … and the last one of all. */
    readonly to: BlockHeader
  }
  readonly error: unknown
  /** False to take everything for lost. */
  readonly patience: boolean
  readonly logger: Logger
}

/**
 * Finds the oldest block of a span whose state some endpoint serves, after a search failed for want of it. States go from
 * the oldest on, so that this is a matter of bisection.
 *
 * @returns null where none is served
 * @throws the search's own error where it was no lack of state: a reorganisation, or trouble that passes
 */
export async function findServed(
  client: RpcClient,
  { span, error, patience, logger }: FailedSearch,
): Promise<BlockHeader | null> {
  const { from, end, to } = span
  // Some nodes say of a block whose state they threw away that they do not know it, and list it as canonical still.
  const isLack = error instanceof StateUnavailableError || error instanceof BlockUnavailableError
  if (!isLack || !(await isCanonical(client, from)) || !(await isCanonical(client, end))) throw error
  // The block before the slice is read as well.
  let low = from.number
  if (await isServed(client, await headerOf(client, low), logger)) {
    if (error instanceof BlockUnavailableError) throw error
    low += 1n
  }
  return patience ? oldestServed(client, { low, to, logger }) : null
}

/**
 * The oldest block above `low`, up to `to`, whose state some endpoint serves.
 *
 * @returns null where not even the last one is served
 */
export async function oldestServed(
  client: RpcClient,
  { low, to, logger }: { readonly low: bigint; readonly to: BlockHeader; readonly logger: Logger },
): Promise<BlockHeader | null> {
  if (!(await isServed(client, to, logger))) return null
  let below = low
  let high = to
  while (high.number - below > 1n) {
    const middle = await headerOf(client, (below + high.number) / 2n)
    if (await isServed(client, middle, logger)) high = middle
    else below = middle.number
  }
  return high
}

async function isCanonical(client: RpcClient, block: BlockRef): Promise<boolean> {
  const [present] = await fetchHeadersByNumber(client, block.number, 1)
  return present?.hash === block.hash
}

async function headerOf(client: RpcClient, number: bigint): Promise<BlockHeader> {
  const [header] = await fetchHeadersByNumber(client, number, 1)
  if (header === undefined) throw new BlockUnavailableError(`no endpoint has block ${number}`)
  return header
}

async function isServed(client: RpcClient, block: BlockRef, logger: Logger): Promise<boolean> {
  try {
    await readPast(client, block, [{ subject: 'native', account: NOBODY }], logger)
    return true
  } catch (error) {
    if (error instanceof StateUnavailableError || error instanceof BlockUnavailableError) return false
    throw error
  }
}
