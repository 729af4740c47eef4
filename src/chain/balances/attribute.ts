import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Attribution } from '../../model/chain-event.js'
import { RetryableError } from '../../model/errors.js'
import { isNativeAlias } from '../../model/native-alias.js'
import { positionKey } from '../../model/position.js'
import type { Token } from '../../model/position.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import type { BalanceChange } from './balance-change.js'
import { attributeNative } from './attribute-native.js'
import { attributeToken } from './attribute-token.js'
import { fetchBlockPapers, fetchReceiptLogs, fetchTransferLogs, readBlockActivity } from './fetch-activity.js'
import type { BlockActivity, BlockPapers, Interest, TransferLog } from './fetch-activity.js'
import { fetchValueTransfers } from './fetch-value-transfers.js'

export interface AttributionOptions {
  /** For all that is asked, tries and waits included: a block is not committed before its changes are attributed. */
  readonly timeoutMs: number
  /** The block's body and receipts, when they were asked for beforehand. */
  readonly ahead?: Promise<BlockPapers> | null
}

type Attributions = ReadonlyMap<string, Attribution>

/**
 * Finds the transactions of a block that moved balances, and why. The balances themselves are never taken from here:
 * logs and bodies only tell what did what the state shows.
 *
 * Costs one query for logs where only tokens changed, else the body and the receipts in one batch; the receipts, or the
 * traces, come on top only where something is left unexplained.
 *
 * @returns attributions by `positionKey`; `unexplained` is 0 only where the found movements add up to the change. A
 * token's change that no log tells of has one only where the receipts were looked at.
 */
export async function attributeChanges(
  client: RpcClient,
  header: BlockHeader,
  changes: readonly BalanceChange[],
  { timeoutMs, ahead = null }: AttributionOptions,
): Promise<Attributions> {
  const query = queryWithin(client, header, timeoutMs)
  const natives = changes.filter((change) => isNative(change))
  const tokens = changes.filter((change) => !isNative(change))
  const interest = interestOf(changes, tokens)
  if (natives.length === 0 && ahead === null) return attributeByLogs(query, { tokens, interest })
  const papers = await fetchPapers(query, ahead).catch((error: unknown) => {
    if (client.signal.aborted || tokens.length === 0) throw error
    return null
  })
  // A node that has no receipts may well have logs.
  if (papers === null) return attributeByLogs(query, { tokens, interest })
  const activity = readBlockActivity(papers, interest)
  const attributions = await attributeNatives(query, { changes: natives, activity })
  return new Map([...attributions, ...attributeTokens(tokens, activity.logs)])
}

/** Where to ask, about which block, and for how much longer. */
interface Query {
  readonly client: RpcClient
  readonly header: BlockHeader
  readonly leftMs: () => number
}

function queryWithin(client: RpcClient, header: BlockHeader, timeoutMs: number): Query {
  const endMs = client.clock.monotonicMs() + timeoutMs
  return { client, header, leftMs: () => Math.max(0, endMs - client.clock.monotonicMs()) }
}

/** An endpoint that is slow with receipts alone is not left for it: the second half of the time is another one's. */
async function fetchPapers(
  { client, header, leftMs }: Query,
  ahead: Promise<BlockPapers> | null,
): Promise<BlockPapers> {
  if (client.size === 1 && ahead === null) return fetchBlockPapers(client, header, { timeoutMs: leftMs() })
  try {
    return await (ahead ?? fetchBlockPapers(client, header, { timeoutMs: leftMs() / 2 }))
  } catch (error) {
    if (client.signal.aborted || !(error instanceof RetryableError)) throw error
    return fetchBlockPapers(client, header, { timeoutMs: leftMs(), elsewhere: true })
  }
}

/** The face of a chain's own currency as a token has no transfers of its own: its balance is the native one. */
function isNative({ position }: BalanceChange): boolean {
  return position.token === 'native' || isNativeAlias(position.chainId, position.token)
}

function interestOf(changes: readonly BalanceChange[], tokens: readonly BalanceChange[]): Interest {
  return {
    wallets: new Set<Address>(changes.map(({ position }) => position.solver)),
    tokens: new Set<Token>(tokens.map(({ position }) => position.token)),
  }
}

/** Only where the logs do not explain all is it worth asking whether the node gave all of them. */
async function attributeByLogs(
  { client, header, leftMs }: Query,
  { tokens, interest }: { readonly tokens: readonly BalanceChange[]; readonly interest: Interest },
): Promise<Attributions> {
  if (tokens.length === 0) return new Map()
  const attributions = attributeTokens(
    tokens,
    await fetchTransferLogs(client, header, { interest, timeoutMs: leftMs() }),
  )
  if (explainsAll(attributions)) return attributions
  const complete = await fetchReceiptLogs(client, header, { interest, timeoutMs: leftMs() }).catch((error: unknown) => {
    if (client.signal.aborted) throw error
    return null
  })
  return complete === null ? onlyShown(attributions) : attributeTokens(tokens, complete)
}

/** Without receipts nothing proves that the node gave all logs: a change without one need not have come by itself. */
function onlyShown(attributions: Attributions): Attributions {
  return new Map([...attributions].filter(([, { transactionHashes }]) => transactionHashes.length > 0))
}

function attributeTokens(changes: readonly BalanceChange[], logs: readonly TransferLog[]): Attributions {
  const attributions = new Map<string, Attribution>()
  for (const token of new Set(changes.map(({ position }) => position.token))) {
    const ofToken = changes.filter(({ position }) => position.token === token)
    for (const [position, attribution] of attributeToken(ofToken, logs)) {
      attributions.set(positionKey(position), attribution)
    }
  }
  return attributions
}

/** Bodies and receipts explain most changes. Only where they do not is the node asked what happened inside contracts. */
async function attributeNatives(
  { client, header, leftMs }: Query,
  { changes, activity }: { readonly changes: readonly BalanceChange[]; readonly activity: BlockActivity },
): Promise<Attributions> {
  const attribute = (traces?: Awaited<ReturnType<typeof fetchValueTransfers>>): Attributions =>
    new Map(
      changes.map((change) => [positionKey(change.position), attributeNative(change, activity, traces ?? undefined)]),
    )
  const attributions = attribute()
  if (explainsAll(attributions)) return attributions
  const traces = await fetchValueTransfers(client, header, leftMs())
  return traces === null ? attributions : attribute(traces)
}

function explainsAll(attributions: Attributions): boolean {
  return [...attributions.values()].every(({ unexplained }) => unexplained === 0n)
}
