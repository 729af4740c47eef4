import type { Address } from '../../src/model/address.js'
import type { Hash, Token } from '../../src/model/position.js'

export interface TruthBlock {
  readonly number: bigint
  readonly hash: Hash
  readonly parentHash: Hash
  readonly timestampSeconds: number
  readonly transactionHashes: readonly Hash[]
}

/** What a chain really is, for checking what was made of it. Blocks of every branch are known for ever. */
export interface ChainTruth {
  /** The chain was left alone for so long that its blocks were not all read. */
  readonly mayBeSampled: boolean
  readonly chainId: bigint
  readonly head: TruthBlock
  block(hash: Hash): TruthBlock | undefined
  balanceAt(hash: Hash, token: Token, wallet: Address): bigint | 'unreadable'
}

/** The blocks from the first one to the given one, by number. */
export function branchOf(truth: ChainTruth, hash: Hash): readonly TruthBlock[] {
  const branch: TruthBlock[] = []
  let next = truth.block(hash)
  while (next !== undefined) {
    branch.push(next)
    next = next.number === 0n ? undefined : truth.block(next.parentHash)
  }
  return branch.toReversed()
}
