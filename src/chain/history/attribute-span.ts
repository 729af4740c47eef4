import type { Attribution, SpanChange } from '../../model/chain-event.js'
import { messageOf } from '../../model/errors.js'
import type { Hash } from '../../model/position.js'
import { positionKey } from '../../model/position.js'
import { attributeChanges } from '../balances/attribute.js'
import { explainByLogs } from './explain-by-logs.js'
import type { Findings, FoundChange } from './found-change.js'
import type { SearchContext } from './search-context.js'

/** Blocks of one span whose bodies are fetched to explain changes: what a search costs must not grow with its changes. */
const BODIES_MAX = 64
/** For each of them: a slow archive answers late, and one that never does must not hold up the search. */
const ATTRIBUTION_TIMEOUT_MS = 10_000

/**
 * Finds the transactions of changes: from the logs that are known already, else block by block within a budget. What it cannot pay for is left unknown: the
 * balances themselves never depend on it.
 *
 * @returns the changes in their order
 */
export async function attributeSpan(
  context: SearchContext,
  { changes, logs }: Pick<Findings, 'changes' | 'logs'>,
): Promise<readonly SpanChange[]> {
  const found = new Map<FoundChange, Attribution>()
  for (const change of changes) {
    const { position, balance, previous, block } = change
    const inBlock = logs.get(block.number)
    if (position.token === 'native' || inBlock === undefined) continue
    const attribution = explainByLogs({ position, delta: balance - previous }, inBlock)
    if (attribution.unexplained === 0n) found.set(change, attribution)
  }
  const byBlock = new Map<Hash, FoundChange[]>()
  for (const change of changes) {
    if (found.has(change)) continue
    const same = byBlock.get(change.block.hash)
    if (same === undefined) byBlock.set(change.block.hash, [change])
    else same.push(change)
  }
  for (const inBlock of [...byBlock.values()].slice(0, BODIES_MAX)) {
    context.signal?.throwIfAborted()
    await attributeBlock(context, inBlock, found)
  }
  return changes.map((change) => ({
    position: change.position,
    block: change.block,
    balance: change.balance,
    attribution: found.get(change) ?? unknown(change),
  }))
}

async function attributeBlock(
  { client, logger }: SearchContext,
  changes: readonly FoundChange[],
  found: Map<FoundChange, Attribution>,
): Promise<void> {
  const [first] = changes
  if (first === undefined) return
  try {
    const deltas = changes.map(({ position, balance, previous }) => ({ position, delta: balance - previous }))
    const attributions = await attributeChanges(client, first.block, deltas, { timeoutMs: ATTRIBUTION_TIMEOUT_MS })
    for (const change of changes) {
      const attribution = attributions.get(positionKey(change.position))
      if (attribution !== undefined) found.set(change, attribution)
    }
  } catch (error) {
    if (client.signal.aborted) throw error
    const { number } = first.block
    logger.warn({ block: number.toString(), error: messageOf(error) }, 'transactions of a change could not be found')
  }
}

function unknown({ balance, previous }: FoundChange): Attribution {
  return { transactionHashes: [], cause: 'unknown', unexplained: balance - previous }
}
