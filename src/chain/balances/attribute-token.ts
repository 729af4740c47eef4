import type { Address } from '../../model/address.js'
import type { Attribution } from '../../model/chain-event.js'
import type { Hash } from '../../model/position.js'
import type { BalanceChange } from './balance-change.js'
import { DEPOSIT, TRANSFER, WITHDRAWAL } from './fetch-activity.js'
import type { TransferLog } from './fetch-activity.js'

interface Movement {
  readonly log: TransferLog
  /** Signed amount for the wallet. */
  readonly amount: bigint
  readonly isTransfer: boolean
}

/**
 * Adds up a token's logs for one wallet. Some wrapped tokens emit a Transfer beside Deposit and Withdrawal, others do
 * not: the transfers alone are tried first, then all of them.
 */
export function attributeToken({ position, delta }: BalanceChange, logs: readonly TransferLog[]): Attribution {
  const movements = logs
    .filter((log) => log.token === position.token)
    .flatMap((log) => movementOf(log, position.solver) ?? [])
    .toSorted((a, b) => a.log.transactionIndex - b.log.transactionIndex)
  const transfers = movements.filter((movement) => movement.isTransfer)
  for (const candidate of [transfers, movements]) {
    if (sumOf(candidate) === delta)
      return { transactionHashes: hashesOf(candidate), cause: 'transfer', unexplained: 0n }
  }
  return { transactionHashes: hashesOf(movements), cause: 'unknown', unexplained: delta - sumOf(movements) }
}

function movementOf(log: TransferLog, wallet: Address): Movement | null {
  const [topic, first, second] = log.topics
  if (log.data.length !== 66) return null
  const amount = BigInt(log.data)
  // ERC-721 has the same event with a fourth topic; its last field is no amount.
  if (topic === TRANSFER && log.topics.length === 3) {
    const out = isWallet(first, wallet) ? amount : 0n
    const received = isWallet(second, wallet) ? amount : 0n
    return isWallet(first, wallet) || isWallet(second, wallet)
      ? { log, amount: received - out, isTransfer: true }
      : null
  }
  if (!isWallet(first, wallet)) return null
  if (topic === DEPOSIT) return { log, amount, isTransfer: false }
  if (topic === WITHDRAWAL) return { log, amount: -amount, isTransfer: false }
  return null
}

function isWallet(topic: Hash | undefined, wallet: Address): boolean {
  return topic !== undefined && topic.slice(26) === wallet.slice(2)
}

function sumOf(movements: readonly Movement[]): bigint {
  return movements.reduce((sum, movement) => sum + movement.amount, 0n)
}

function hashesOf(movements: readonly Movement[]): readonly Hash[] {
  return [...new Set(movements.map((movement) => movement.log.transactionHash))]
}
