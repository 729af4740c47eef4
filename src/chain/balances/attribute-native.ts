import type { Address } from '../../model/address.js'
import type { Attribution } from '../../model/chain-event.js'
import type { Hash } from '../../model/position.js'
import type { BalanceChange } from './balance-change.js'
import { concludeAttribution } from './conclude-attribution.js'
import type { Movement } from './conclude-attribution.js'
import type { BlockActivity, BlockTransaction, TransferLog } from './fetch-activity.js'
import type { ValueTransfer } from './decode-traces.js'
import { readWrapping } from './read-wrapping.js'

/**
 * What the block did to a wallet's native currency: value of transactions, their fees, the tips of a block's producer,
 * validators' withdrawals, mints of a rollup's deposits, and, where traces are at hand, value moved inside contracts.
 * For a plain account begin + in - out - fees = end holds; what does not add up is `unexplained`.
 *
 * @param traces value moved in each transaction, where the endpoint can tell; it replaces the value of the body
 */
export function attributeNative(
  { position, delta }: BalanceChange,
  activity: BlockActivity,
  traces?: ReadonlyMap<Hash, readonly ValueTransfer[]>,
): Attribution {
  const { solver } = position
  const movements: Movement[] = rewardsOf(activity, solver)
  const traced = new Set<Hash>()
  for (const [hash, transfers] of traces ?? []) {
    traced.add(hash)
    movements.push(...movementsOf(transfers, { solver, hash, activity }))
  }
  for (const transaction of activity.transactions) {
    const { hash, index } = transaction
    if (!traced.has(hash)) movements.push(...movementsOf(transfersOf(transaction), { solver, hash, activity }))
    const by = { transactionHash: hash, transactionIndex: index }
    if (transaction.from === solver && transaction.fee > 0n) {
      movements.push({ ...by, kind: 'gas', amount: -transaction.fee })
    }
    if (transaction.from === solver && transaction.minted > 0n) {
      movements.push({ ...by, kind: 'reward', amount: transaction.minted })
    }
    if (activity.producer === solver && transaction.tip > 0n) {
      movements.push({ ...by, kind: 'reward', amount: transaction.tip })
    }
  }
  return concludeAttribution(delta, movements)
}

interface Place {
  readonly solver: Address
  readonly hash: Hash
  readonly activity: BlockActivity
}

function movementsOf(transfers: readonly ValueTransfer[], { solver, hash, activity }: Place): Movement[] {
  return transfers.flatMap((transfer): Movement[] => {
    const { from, to, value, inner } = transfer
    // What an account sends to itself moves nothing.
    if (value === 0n || from === to || (from !== solver && to !== solver)) return []
    const kind = wraps(transfer, { solver, hash, activity }) ? 'wrap' : inner ? 'internal' : 'transfer'
    const transactionIndex = activity.indexes.get(hash) ?? 0
    return [{ kind, amount: to === solver ? value : -value, transactionHash: hash, transactionIndex }]
  })
}

/** True where the other side of a transfer says in the same transaction that it wrapped or unwrapped that very amount. */
function wraps({ from, to, value }: ValueTransfer, { solver, hash, activity }: Place): boolean {
  const contract = from === solver ? to : from
  const matches = (log: TransferLog): boolean => {
    if (log.token !== contract || log.transactionHash !== hash) return false
    return readWrapping(log, solver) === (from === solver ? value : -value)
  }
  return activity.logs.some(matches)
}

function rewardsOf({ withdrawals, indexes }: BlockActivity, solver: Address): Movement[] {
  // Withdrawals follow the block's last transaction.
  return withdrawals
    .filter(({ to, value }) => to === solver && value > 0n)
    .map(({ value }) => ({ kind: 'reward', amount: value, transactionHash: null, transactionIndex: indexes.size }))
}

/** What a transaction's body tells of the value it moved. */
function transfersOf({ from, to, created, value, succeeded }: BlockTransaction): readonly ValueTransfer[] {
  return succeeded ? [{ from, to: to ?? created, value, inner: false }] : []
}
