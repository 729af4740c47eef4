import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'

/** What a model token does to its readers. */
export const modelTokenKinds = [
  /** ERC-20 as the standard has it. */
  'plain',
  /** Wraps the native currency; deposits and withdrawals emit no Transfer. */
  'weth9',
  /** Wraps the native currency; deposits and withdrawals emit Transfer beside Deposit and Withdrawal. */
  'arbitrum-weth',
  /** Every balance is a share of an index that changes without an event. */
  'rebasing',
  /** The same, and the change of the index is told by LogRebase. */
  'rebasing-with-event',
  /** The receiver gets a hundredth less than the log says. */
  'fee-on-transfer',
  /** Balances grow with the block's time. */
  'accruing',
  /** Emits Transfer logs for movements that never happen, beside real ones. */
  'phantom',
  /** Moves balances without any log. */
  'silent',
  /** balanceOf reverts while the token is broken. */
  'reverting',
  /** balanceOf uses up whatever gas it is given. */
  'gas-burning',
  /** balanceOf answers with half a megabyte. */
  'return-bomb',
  /** balanceOf answers with five bytes. */
  'short-return',
  /** Name and symbol are bytes32. */
  'bytes32-metadata',
  /** Says it has 2^200 decimals. */
  'absurd-decimals',
  /** Its name holds markup, control characters and text that runs from right to left. */
  'hostile-name',
  /** Its balances are the native ones. */
  'native-alias',
  /** There is no code at the token's address. */
  'no-code',
] as const

export type ModelTokenKind = (typeof modelTokenKinds)[number]

export interface ModelTokenSpec {
  readonly kind: ModelTokenKind
  /** Drawn from the chain's seed when left out. */
  readonly address?: Address
  readonly name?: string
  readonly symbol?: string
  readonly decimals?: number
  /** Balances in the block that deploys the token. */
  readonly holders?: Readonly<Record<Address, bigint>>
  /** A `reverting` token begins broken. */
  readonly broken?: boolean
}

export interface ModelToken {
  readonly kind: ModelTokenKind
  readonly address: Address
  readonly name: string
  readonly symbol: string
  readonly decimals: bigint
  readonly code: Hex
}

/** Kinds whose balances nobody can read, ever. */
export const unreadableKinds: ReadonlySet<ModelTokenKind> = new Set([
  'gas-burning',
  'return-bomb',
  'short-return',
  'no-code',
])
