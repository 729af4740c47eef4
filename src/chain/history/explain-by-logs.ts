import type { Attribution } from '../../model/chain-event.js'
import { attributeToken } from '../balances/attribute-token.js'
import type { BalanceChange } from '../balances/balance-change.js'
import type { TransferLog } from '../balances/fetch-activity.js'

/** What the logs of one block say of a token's change in it; `unexplained` is 0 where they add up to it. */
export function explainByLogs(change: BalanceChange, logs: readonly TransferLog[]): Attribution {
  const attribution = attributeToken([change], logs).get(change.position)
  if (attribution === undefined) throw new Error('invariant: an attribution for each change')
  return attribution
}
