import type { WireCurrentBalance } from '../../api/balance-wire.js'
import type { WireBalanceChange, WirePositionStarted } from '../../api/event-wire.js'

/** One position as the table shows it. */
export interface BalanceRow {
  readonly chainId: string
  readonly tokenAddress: string
  readonly solverAddress: string
  readonly symbol: string | null
  readonly decimals: number | null
  readonly balance: bigint
  /** The last change; null when only one balance was ever seen. */
  readonly change: bigint | null
  /** The block of the last change. */
  readonly blockNumber: bigint
  /** Time of that block, milliseconds since 1970. */
  readonly changedAtMs: number
  readonly stale: boolean
}

/** Identifies a position whatever the letter case of its addresses. */
export function rowKey(position: { chainId: string; tokenAddress: string; solverAddress: string }): string {
  return `${position.chainId}/${position.tokenAddress}/${position.solverAddress}`.toLowerCase()
}

export function rowOfBalance(item: WireCurrentBalance): BalanceRow {
  const balance = BigInt(item.balance)
  return {
    ...positionOf(item),
    symbol: item.tokenSymbol ?? null,
    decimals: item.decimals ?? null,
    balance,
    change: item.previousBalance === null ? null : balance - BigInt(item.previousBalance),
    blockNumber: BigInt(item.blockNumber),
    changedAtMs: Date.parse(item.timestamp),
    stale: item.stale,
  }
}

export function rowOfStart(event: WirePositionStarted): BalanceRow {
  return {
    ...positionOf(event),
    symbol: event.tokenSymbol ?? null,
    decimals: event.decimals ?? null,
    balance: BigInt(event.balance),
    change: null,
    blockNumber: BigInt(event.blockNumber),
    changedAtMs: Date.parse(event.timestamp),
    stale: false,
  }
}

/** The row after a change. The event does not say what token it is about, so a row must be there. */
export function rowAfterChange(row: BalanceRow, event: WireBalanceChange): BalanceRow {
  return {
    ...row,
    balance: BigInt(event.newBalance),
    change: BigInt(event.changeAmount),
    blockNumber: BigInt(event.blockNumber),
    changedAtMs: Date.parse(event.timestamp),
    stale: false,
  }
}

function positionOf({
  chainId,
  tokenAddress,
  solverAddress,
}: Pick<BalanceRow, 'chainId' | 'tokenAddress' | 'solverAddress'>): Pick<
  BalanceRow,
  'chainId' | 'tokenAddress' | 'solverAddress'
> {
  return { chainId, tokenAddress, solverAddress }
}
