import type { BlockHeader, FinalityCursors } from '../../model/block.js'
import type { Logger } from '../../model/logger.js'
import type { ChainStatus } from '../chain-status.js'
import type { Hash } from '../../model/position.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import { checkGenesis } from './check-genesis.js'
import { refuseReorg } from './confirm-reorg.js'
import { findAncestor } from './find-ancestor.js'
import type { KnownChain } from './find-ancestor.js'
import { DeepReorgError, linkHead } from './link-head.js'
import type { HeadStep, HeaderSource } from './link-head.js'

type Reorg = Extract<HeadStep, { kind: 'reorg' }>

export interface StepOptions {
  readonly client: RpcClient
  readonly heads: HeaderSource
  readonly view: KnownChain & { readonly finality: FinalityCursors; readonly genesisHash: Hash | null }
  readonly status: Pick<ChainStatus, 'disputed'>
  readonly logger: Logger
}

/**
 * The next step from the known chain towards a head, of whatever depth. A reorganisation counts only when the endpoints
 * do not contradict it; one that is refused is no step, is told as a dispute, and another endpoint is used from then on.
 *
 * What goes deeper than the kept headers, or below finality, may be another chain behind the same address: the chain id
 * and the first block are compared once more before it counts.
 *
 * @throws {RetryableError} when the endpoints cannot show the headers between
 * @throws {WrongGenesisError} when the endpoint has come to serve another chain
 */
export async function stepTowards(head: BlockHeader, options: StepOptions): Promise<HeadStep> {
  const { client, view, status, logger } = options
  const step = await linkDeep(head, options)
  if (step.kind === 'extend') status.disputed(null)
  if (step.kind !== 'reorg') return step
  const cursor = view.headers.at(-1)
  const longer = cursor !== undefined && head.number > cursor.number
  const refusal = await refuseReorg(client, step.branch, longer)
  if (refusal !== null) {
    logger.warn({ head: head.number.toString(), reason: refusal }, 'reorganisation is not followed')
    status.disputed(refusal)
    client.turnAway()
    return { kind: 'none' }
  }
  const { finalized } = view.finality
  if (finalized !== null && step.ancestor.number < finalized) await requireSameChain(options)
  status.disputed(null)
  tellDepth(step, options)
  return step
}

async function linkDeep(head: BlockHeader, options: StepOptions): Promise<HeadStep> {
  const { client, heads, view } = options
  try {
    return await linkHead(view.headers, head, heads)
  } catch (error) {
    if (!(error instanceof DeepReorgError)) throw error
    await requireSameChain(options)
    const found = await findAncestor(view, heads)
    if (found !== null) return { kind: 'reorg', ...found }
    // The head was one of a node that is far behind.
    client.turnAway()
    return { kind: 'none' }
  }
}

async function requireSameChain({ client, view }: StepOptions): Promise<void> {
  client.doubtChain()
  await checkGenesis(client, view.genesisHash)
}

/** What nobody expects must not go by unseen, though it is rolled back like any other. */
function tellDepth({ ancestor, orphaned }: Reorg, { view, logger }: StepOptions): void {
  const [cursor] = orphaned
  const [oldest] = view.headers
  const depth = cursor === undefined ? 0 : Number(cursor.number - ancestor.number)
  const finalized = view.finality.finalized
  const fields = { ancestor: ancestor.number.toString(), depth, finalized: finalized?.toString() ?? null }
  if (finalized !== null && ancestor.number < finalized) {
    logger.error(fields, 'blocks that the chain called final were reorganised')
  } else if (oldest !== undefined && ancestor.number < oldest.number) {
    logger.error(fields, 'chain reorganised deeper than the headers that are kept')
  }
}
