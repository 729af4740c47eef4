import type { Address } from '../../model/address.js'
import type { Attribution, SpanChange } from '../../model/chain-event.js'
import { messageOf } from '../../model/errors.js'
import type { Hash } from '../../model/position.js'
import { positionKey } from '../../model/position.js'
import { attributeChanges } from '../balances/attribute.js'
import { BlockUnavailableError } from '../rpc/rpc-errors.js'
import { attributeByTraces, isNative } from './attribute-by-traces.js'
import type { BlockPins } from './block-pins.js'
import { explainByLogs } from './explain-by-logs.js'
import { fetchRangeLogs } from './fetch-range-logs.js'
import type { RangeLogs } from './fetch-range-logs.js'
import type { Findings, FoundChange } from './found-change.js'
import { BLOCKS_AT_ONCE } from './search-context.js'
import type { SearchContext } from './search-context.js'

/** Fewer blocks than this cost no more one by one. */
const RANGE_BLOCKS_MIN = 3
/** For each of them: a slow archive answers late, and one that never does must not hold up the search. */
const ATTRIBUTION_TIMEOUT_MS = 10_000

/**
 * Finds the transactions of changes: from the logs and the traces of ranges as far as these add up to a change, else
 * block by block within the budget of the findings. What it cannot pay for is left unknown: the balances themselves never
 * depend on it.
 *
 * @returns the changes in their order
 */
export async function attributeSpan(
  context: SearchContext,
  pins: BlockPins,
  findings: Pick<Findings, 'changes' | 'logs' | 'bodiesMax'>,
): Promise<readonly SpanChange[]> {
  const { changes, bodiesMax } = findings
  const logs = findings.logs ?? (await logsOfChanged(context, pins, changes))
  const found = new Map<FoundChange, Attribution>()
  for (const change of changes) {
    const { position, balance, previous, block } = change
    const inBlock = logs.get(block.number)
    if (isNative(position) || inBlock === undefined) continue
    const attribution = explainByLogs({ position, delta: balance - previous }, inBlock)
    if (attribution.unexplained === 0n) found.set(change, attribution)
  }
  for (const [change, attribution] of await attributeByTraces(context, pins, { changes, logs })) {
    found.set(change, attribution)
  }
  const byBlock = new Map<Hash, FoundChange[]>()
  for (const change of changes) {
    if (found.has(change)) continue
    const same = byBlock.get(change.block.hash)
    if (same === undefined) byBlock.set(change.block.hash, [change])
    else same.push(change)
  }
  const blocks = [...byBlock.values()].slice(0, bodiesMax)
  for (let first = 0; first < blocks.length; first += BLOCKS_AT_ONCE) {
    context.signal?.throwIfAborted()
    const together = blocks.slice(first, first + BLOCKS_AT_ONCE)
    await Promise.all(together.map((inBlock) => attributeBlock(context, inBlock, found)))
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

/** Logs of the tokens that changed, in a few requests for all blocks; a failure leaves the blocks to be asked one by one. */
async function logsOfChanged(
  context: SearchContext,
  pins: BlockPins,
  changes: readonly FoundChange[],
): Promise<RangeLogs> {
  const tokens = new Set<Address>()
  const wallets = new Set<Address>()
  const blocks = new Set<bigint>()
  for (const { position, block } of changes) {
    if (position.token === 'native' || isNative(position)) continue
    tokens.add(position.token)
    wallets.add(position.solver)
    blocks.add(block.number)
  }
  if (blocks.size < RANGE_BLOCKS_MIN) return new Map()
  try {
    const { logs } = await fetchRangeLogs(context, pins, { tokens: [...tokens], wallets: [...wallets] })
    return logs
  } catch (error) {
    if (error instanceof BlockUnavailableError || context.client.signal.aborted) throw error
    context.logger.info({ error: messageOf(error) }, 'logs of changes could not be had for all blocks at once')
    return new Map()
  }
}

function unknown({ balance, previous }: FoundChange): Attribution {
  return { transactionHashes: [], cause: 'unknown', unexplained: balance - previous }
}
