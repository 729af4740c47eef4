/** Why a balance changed, as far as the chain tells. */
export const balanceCauses = [
  /** A transaction, or a token contract, moved the amount between accounts. */
  'transfer',
  /** Only the fees of the wallet's own transactions. */
  'gas',
  /** Native currency that a contract sent or took within a transaction. */
  'internal',
  /** Deposits into and withdrawals from a wrapped currency. */
  'wrap',
  /** The token changed its holders' balances without a transfer of theirs. */
  'rebase',
  /** Tips of a block's producer, withdrawals of a validator, and other currency that no transaction sent. */
  'reward',
  'unknown',
] as const

export type BalanceCause = (typeof balanceCauses)[number]
