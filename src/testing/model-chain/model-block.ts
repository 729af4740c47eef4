import type { Address } from '../../model/address.js'
import type { Hash, Hex } from '../../model/position.js'
import type { State } from './state.js'

/** One call of a transaction's trace. */
export interface ModelCall {
  readonly type: 'CALL' | 'CREATE'
  readonly from: Address
  readonly to: Address
  readonly value: bigint
  readonly failed: boolean
  readonly calls: readonly ModelCall[]
}

export interface ModelLog {
  readonly address: Address
  readonly topics: readonly Hash[]
  readonly data: Hex
  readonly transactionHash: Hash
  readonly transactionIndex: number
  readonly logIndex: number
}

export interface ModelTransaction {
  readonly hash: Hash
  readonly index: number
  readonly from: Address
  readonly to: Address | null
  /** The contract a creation made. */
  readonly created: Address | null
  readonly nonce: bigint
  /** Wei. */
  readonly value: bigint
  readonly input: Hex
  readonly gasUsed: bigint
  /** Wei per gas, base fee included. */
  readonly gasPrice: bigint
  readonly succeeded: boolean
  readonly logs: readonly ModelLog[]
  readonly trace: ModelCall
}

export interface ModelWithdrawal {
  readonly to: Address
  readonly amountGwei: bigint
}

/** A block of any branch, with the state after it. */
export interface ModelBlock {
  readonly number: bigint
  readonly hash: Hash
  readonly parentHash: Hash
  readonly parent: ModelBlock | null
  readonly timestampSeconds: number
  readonly producer: Address
  /** Wei per gas. */
  readonly baseFee: bigint
  readonly gasUsed: bigint
  readonly logsBloom: Hex
  readonly stateRoot: Hash
  readonly transactionsRoot: Hash
  readonly receiptsRoot: Hash
  readonly withdrawalsRoot: Hash
  readonly extraData: Hex
  readonly transactions: readonly ModelTransaction[]
  readonly withdrawals: readonly ModelWithdrawal[]
  readonly state: State
}
