import type { Address } from '../../model/address.js'
import type { Attribution } from '../../model/chain-event.js'
import { messageOf } from '../../model/errors.js'
import { isNativeAlias } from '../../model/native-alias.js'
import type { Hash, Position } from '../../model/position.js'
import { attributeNative } from '../balances/attribute-native.js'
import { feeOf, readReceiptLogs } from '../balances/fetch-activity.js'
import type { BlockActivity, BlockTransaction } from '../balances/fetch-activity.js'
import { decodeObject } from '../rpc/quantity.js'
import { MalformedAnswerError } from '../rpc/rpc-errors.js'
import type { BlockPins } from './block-pins.js'
import type { RangeLogs } from './fetch-range-logs.js'
import { fetchRangeTraces } from './fetch-range-traces.js'
import type { BlockTraces } from './fetch-range-traces.js'
import type { FoundChange } from './found-change.js'
import type { SearchContext } from './search-context.js'

/** Fewer blocks than this cost less one by one, and many nodes run every block of a range again to trace it. */
const TRACED_BLOCKS_MIN = 4
/** Receipts of one span: what a search costs must not grow with its changes. */
const RECEIPTS_MAX = 256

/** True where the position's balance is the chain's own currency. */
export function isNative({ chainId, token }: Position): boolean {
  return token === 'native' || isNativeAlias(chainId, token)
}

interface NativeChanges {
  readonly changes: readonly FoundChange[]
  readonly logs: RangeLogs
}

/**
 * Explains changes of the chain's own currency by the traces of whole ranges, and the receipts of what the wallets sent
 * themselves.
 *
 * @returns those that the found movements add up to; none where the endpoint cannot filter traces
 */
export async function attributeByTraces(
  context: SearchContext,
  pins: BlockPins,
  { changes, logs }: NativeChanges,
): Promise<ReadonlyMap<FoundChange, Attribution>> {
  const natives = changes.filter(({ position }) => isNative(position))
  const blocks = [...new Set(natives.map(({ block }) => block.number))].toSorted((a, b) => (a < b ? -1 : 1))
  const found = new Map<FoundChange, Attribution>()
  if (blocks.length < TRACED_BLOCKS_MIN) return found
  const wallets = new Set(natives.map(({ position }) => position.solver))
  const traces = await fetchRangeTraces(context, pins, { blocks, wallets })
  if (traces === null) return found
  const receipts = await fetchReceipts(context, natives, traces)
  for (const change of natives) {
    const { position, balance, previous, block } = change
    const traced = traces.get(block.number)
    if (traced === undefined) continue
    const activity = activityOf(change, traced, { receipts, logs })
    if (activity === null) continue
    const attribution = attributeNative({ position, delta: balance - previous }, activity, traced.transfers)
    if (attribution.unexplained === 0n) found.set(change, attribution)
  }
  return found
}

type Receipt = Readonly<Record<string, unknown>>
type Receipts = ReadonlyMap<Hash, Receipt>

/** Receipts of the transactions that the changed wallets sent; what is not there was not had. */
async function fetchReceipts(
  { client, logger }: SearchContext,
  changes: readonly FoundChange[],
  traces: ReadonlyMap<bigint, BlockTraces>,
): Promise<Receipts> {
  const blockOf = new Map<Hash, Hash>()
  for (const { position, block } of changes) {
    for (const hash of sentBy(position.solver, traces.get(block.number))) blockOf.set(hash, block.hash)
  }
  const asked = [...blockOf].slice(0, RECEIPTS_MAX)
  if (asked.length === 0) return new Map()
  try {
    return await client.run(async (session) => {
      const outcomes = await session.batch(
        asked.map(([hash]) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
      )
      const receipts = new Map<Hash, Receipt>()
      asked.forEach(([hash, blockHash], index) => {
        const outcome = outcomes[index]
        if (outcome?.ok !== true || outcome.result === null) return
        const receipt = decodeObject(outcome.result, 'receipt')
        if (receipt['transactionHash'] !== hash || receipt['blockHash'] !== blockHash) {
          throw new MalformedAnswerError('expected the receipt of a transaction of the block, got another one')
        }
        receipts.set(hash, receipt)
      })
      return receipts
    })
  } catch (error) {
    if (client.signal.aborted) throw error
    logger.info({ error: messageOf(error) }, 'receipts of traced transactions could not be had')
    return new Map()
  }
}

function sentBy(wallet: Address, traces: BlockTraces | undefined): readonly Hash[] {
  return [...(traces?.sent ?? [])].flatMap(([hash, sender]) => (sender === wallet ? [hash] : []))
}

/** What is known of a block for one change; null where the fee of one of the wallet's transactions is not. */
function activityOf(
  { position, block }: FoundChange,
  traced: BlockTraces,
  { receipts, logs }: { readonly receipts: Receipts; readonly logs: RangeLogs },
): BlockActivity | null {
  const own: Receipt[] = []
  const transactions: BlockTransaction[] = []
  for (const hash of sentBy(position.solver, traced)) {
    const receipt = receipts.get(hash)
    if (receipt === undefined) return null
    own.push(receipt)
    transactions.push({
      hash,
      index: traced.indexes.get(hash) ?? 0,
      from: position.solver,
      to: null,
      created: null,
      // The traces tell what moved.
      value: 0n,
      succeeded: true,
      fee: feeOf(receipt),
      tip: 0n,
      minted: 0n,
    })
  }
  const interest = { wallets: new Set([position.solver]), tokens: new Set<never>() }
  return {
    producer: null,
    transactions,
    indexes: traced.indexes,
    withdrawals: [],
    logs: [...(logs.get(block.number) ?? []), ...readReceiptLogs(own, block, interest)],
  }
}
