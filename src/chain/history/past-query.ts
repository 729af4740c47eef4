import type { Address } from '../../model/address.js'
import type { Token } from '../../model/position.js'

/** A balance of an account, a value that differs whenever its nonce does, or the size of its code in bytes. */
export interface PastQuery {
  readonly subject: Token | 'fingerprint' | 'code'
  readonly account: Address
}

/** A failure is never a zero. */
export type PastAnswer =
  | { readonly kind: 'value'; readonly value: bigint }
  | { readonly kind: 'failed'; readonly reason: string }

export interface PastReading {
  readonly timestampSeconds: number
  /** One for each query, in order. */
  readonly answers: readonly PastAnswer[]
}
