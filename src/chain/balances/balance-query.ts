import type { Address } from '../../model/address.js'
import type { Token } from '../../model/position.js'

/** One balance to read. */
export interface BalanceQuery {
  readonly token: Token
  readonly solver: Address
}

/** The answer to one query: the balance, or why there is none. A failure is never a zero. */
export type BalanceAnswer =
  | { readonly kind: 'balance'; readonly balance: bigint }
  | { readonly kind: 'failed'; readonly reason: string }

export const tokenFailed: BalanceAnswer = {
  kind: 'failed',
  reason: 'the token’s balanceOf reverted, ran out of gas, or answered too little or far too much',
}

export const tokenWithoutCode: BalanceAnswer = { kind: 'failed', reason: 'there is no contract at the token’s address' }
