/** What a Merkle proof at a block shows of a wallet's native balance. */
export type BalanceProof =
  /** The block's hash commits to this balance. */
  | { readonly kind: 'proven'; readonly balance: bigint }
  /** The proof does not fit the block's state root: the node lies, or is broken. */
  | { readonly kind: 'refuted'; readonly reason: string }
  /** No endpoint of this chain can prove it. */
  | { readonly kind: 'unprovable'; readonly reason: string }
