import type { Address } from '../../model/address.js'
import type { BlockHeader } from '../../model/block.js'
import type { Attribution } from '../../model/chain-event.js'
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

type Attributions = ReadonlyMap<string, Attribution>

/**
 * Finds the transactions of a block that moved balances, and why. The balances themselves are never taken from here:
 * logs and bodies only tell what did what the state shows.
 *
 * Costs one query for logs where only tokens changed, else the body and the receipts in one batch; the receipts, or the
 * traces, come on top only where something is left unexplained.
 *
 * @param ahead the block's body and receipts, when they were asked for beforehand
 * @returns attributions by `positionKey`; `unexplained` is 0 only where the found movements add up to the change.
 */
export async function attributeChanges(
  client: RpcClient,
  header: BlockHeader,
  changes: readonly BalanceChange[],
  ahead: Promise<BlockPapers> | null = null,
): Promise<Attributions> {
  const natives = changes.filter((change) => isNative(change))
  const tokens = changes.filter((change) => !isNative(change))
  const interest = interestOf(changes, tokens)
  if (natives.length === 0 && ahead === null) return attributeByLogs(client, header, { tokens, interest })
  const papers = (await ahead?.catch(() => null)) ?? (await fetchBlockPapers(client, header))
  const activity = readBlockActivity(papers, interest)
  const attributions = await attributeNatives(client, header, { changes: natives, activity })
  return new Map([...attributions, ...attributeTokens(tokens, activity.logs)])
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
  client: RpcClient,
  header: BlockHeader,
  { tokens, interest }: { readonly tokens: readonly BalanceChange[]; readonly interest: Interest },
): Promise<Attributions> {
  if (tokens.length === 0) return new Map()
  const attributions = attributeTokens(tokens, await fetchTransferLogs(client, header, interest))
  if (explainsAll(attributions)) return attributions
  const complete = await fetchReceiptLogs(client, header, interest).catch((error: unknown) => {
    if (client.signal.aborted) throw error
    return null
  })
  return complete === null ? attributions : attributeTokens(tokens, complete)
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
  client: RpcClient,
  header: BlockHeader,
  { changes, activity }: { readonly changes: readonly BalanceChange[]; readonly activity: BlockActivity },
): Promise<Attributions> {
  const attribute = (traces?: Awaited<ReturnType<typeof fetchValueTransfers>>): Attributions =>
    new Map(
      changes.map((change) => [positionKey(change.position), attributeNative(change, activity, traces ?? undefined)]),
    )
  const attributions = attribute()
  if (explainsAll(attributions)) return attributions
  const traces = await fetchValueTransfers(client, header)
  return traces === null ? attributions : attribute(traces)
}

function explainsAll(attributions: Attributions): boolean {
  return [...attributions.values()].every(({ unexplained }) => unexplained === 0n)
}
