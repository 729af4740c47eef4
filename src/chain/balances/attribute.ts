import type { BlockHeader } from '../../model/block.js'
import type { Attribution } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import type { RpcClient } from '../rpc/rpc-client.js'
import type { BalanceChange } from './balance-change.js'
import { attributeNative } from './attribute-native.js'
import { attributeToken } from './attribute-token.js'
import { fetchBlockActivity, fetchTransferLogs } from './fetch-activity.js'
import type { BlockActivity, TransferLog } from './fetch-activity.js'
import { fetchValueTransfers } from './fetch-value-transfers.js'

/**
 * Finds the transactions of a block that moved balances. The balances themselves are never taken from here: logs and
 * bodies only tell which transaction did what the state shows.
 *
 * @returns attributions by `positionKey`; `unexplained` is 0 only where the found movements add up to the change.
 */
export async function attributeChanges(
  client: RpcClient,
  header: BlockHeader,
  changes: readonly BalanceChange[],
): Promise<ReadonlyMap<string, Attribution>> {
  const attributions = new Map<string, Attribution>()
  const tokens = changes.filter((change) => change.position.token !== 'native')
  const natives = changes.filter((change) => change.position.token === 'native')

  let logs: readonly TransferLog[] = []
  if (natives.length > 0) {
    const activity = await fetchBlockActivity(client, header)
    logs = activity.logs
    for (const [key, attribution] of await attributeNatives(client, header, { changes: natives, activity })) {
      attributions.set(key, attribution)
    }
  } else if (tokens.length > 0) {
    logs = await fetchTransferLogs(
      client,
      header,
      tokens.map((change) => change.position.token),
    )
  }
  for (const change of tokens) attributions.set(positionKey(change.position), attributeToken(change, logs))
  return attributions
}

/** Bodies and receipts explain most changes. Only where they do not is the node asked what happened inside contracts. */
async function attributeNatives(
  client: RpcClient,
  header: BlockHeader,
  { changes, activity }: { readonly changes: readonly BalanceChange[]; readonly activity: BlockActivity },
): Promise<ReadonlyMap<string, Attribution>> {
  const attribute = (traces?: Awaited<ReturnType<typeof fetchValueTransfers>>): Map<string, Attribution> =>
    new Map(
      changes.map((change) => [positionKey(change.position), attributeNative(change, activity, traces ?? undefined)]),
    )
  const attributions = attribute()
  if ([...attributions.values()].every(({ unexplained }) => unexplained === 0n)) return attributions
  const traces = await fetchValueTransfers(client, header)
  return traces === null ? attributions : attribute(traces)
}
