import type { Attribution } from '../../model/chain-event.js'
import type { Hash } from '../../model/position.js'
import type { BalanceChange } from './balance-change.js'
import type { BlockActivity, BlockTransaction } from './fetch-activity.js'
import type { ValueTransfer } from './fetch-value-transfers.js'

/**
 * Transactions that paid the wallet or were paid by it. Values, fees and the tips of a block's producer are added up and
 * compared with the change. What was paid inside contracts shows only in traces; rewards and withdrawals show nowhere
 * and leave the change unexplained.
 *
 * @param traces value moved inside each transaction, where the endpoint can tell
 */
export function attributeNative(
  { position, delta }: BalanceChange,
  { transactions, producer }: BlockActivity,
  traces?: ReadonlyMap<Hash, readonly ValueTransfer[]>,
): Attribution {
  const { solver } = position
  const transactionHashes: Hash[] = []
  let sum = 0n
  for (const transaction of transactions) {
    const amounts = (traces?.get(transaction.hash) ?? transfersOf(transaction))
      .filter(({ value }) => value > 0n)
      .flatMap(({ from, to, value }) => [...(to === solver ? [value] : []), ...(from === solver ? [-value] : [])])
    if (transaction.from === solver) amounts.push(-transaction.fee)
    if (producer === solver && transaction.tip > 0n) amounts.push(transaction.tip)
    if (amounts.length === 0) continue
    sum += amounts.reduce((total, amount) => total + amount, 0n)
    transactionHashes.push(transaction.hash)
  }
  return { transactionHashes, cause: transactionHashes.length === 0 ? 'unknown' : 'transfer', unexplained: delta - sum }
}

/** What a transaction's body tells of the value it moved. */
function transfersOf({ from, to, created, value, succeeded }: BlockTransaction): readonly ValueTransfer[] {
  return succeeded ? [{ from, to: to ?? created, value }] : []
}
