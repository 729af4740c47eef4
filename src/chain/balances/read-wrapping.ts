import type { Address } from '../../model/address.js'
import type { Hash } from '../../model/position.js'
import type { TransferLog } from './fetch-activity.js'
import { DEPOSIT, WITHDRAWAL } from './transfer-topics.js'

/** What a `Deposit` or `Withdrawal` did to the wallet's wrapped balance, signed; null for any other log. */
export function readWrapping({ topics, data }: TransferLog, wallet: Address): bigint | null {
  const [topic, holder] = topics
  if (topics.length !== 2 || data.length !== 66 || !namesWallet(holder, wallet)) return null
  if (topic === DEPOSIT) return BigInt(data)
  if (topic === WITHDRAWAL) return -BigInt(data)
  return null
}

/** True when an indexed field of a log is this address. */
export function namesWallet(topic: Hash | undefined, wallet: Address): boolean {
  return topic !== undefined && topic.startsWith(ADDRESS_PADDING) && topic.endsWith(wallet.slice(2))
}

const ADDRESS_PADDING = `0x${'0'.repeat(24)}`
