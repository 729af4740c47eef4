import type { WireBalanceRecord, WireCurrentBalance } from '../api/balance-wire.js'
import type { WireBalanceChange } from '../api/event-wire.js'

/** The amounts and numbers of a record, exact: bigint in the token's smallest unit, and times as dates. */
export type Decoded<Wire, Integers extends keyof Wire> = Omit<Wire, Integers | 'timestamp'> & {
  readonly [Name in Integers]: null extends Wire[Name] ? bigint | null : bigint
} & { readonly timestamp: Date }

type RecordIntegers = 'chainId' | 'balance' | 'previousBalance' | 'unexplained' | 'blockNumber'
type ChangeIntegers = 'chainId' | 'previousBalance' | 'newBalance' | 'changeAmount' | 'unexplained' | 'blockNumber'

/** Reads the amounts of a record, or of a newest balance. */
export function decodeBalance<Wire extends WireBalanceRecord | WireCurrentBalance>(
  record: Wire,
): Decoded<Wire, RecordIntegers> {
  return {
    ...record,
    chainId: BigInt(record.chainId),
    balance: BigInt(record.balance),
    previousBalance: record.previousBalance === null ? null : BigInt(record.previousBalance),
    unexplained: BigInt(record.unexplained),
    blockNumber: BigInt(record.blockNumber),
    timestamp: new Date(record.timestamp),
  } as Decoded<Wire, RecordIntegers>
}

/** Reads the amounts of a `balance:updated` event. */
export function decodeChange(change: WireBalanceChange): Decoded<WireBalanceChange, ChangeIntegers> {
  return {
    ...change,
    chainId: BigInt(change.chainId),
    previousBalance: BigInt(change.previousBalance),
    newBalance: BigInt(change.newBalance),
    changeAmount: BigInt(change.changeAmount),
    unexplained: BigInt(change.unexplained),
    blockNumber: BigInt(change.blockNumber),
    timestamp: new Date(change.timestamp),
  }
}
