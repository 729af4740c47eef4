import type { BlockHeader } from '../../model/block.js'
import { RetryableError } from '../../model/errors.js'
import type { HistoryCommit } from '../ledger-store.js'
import { checkSpan } from './check-span.js'
import type { CheckTarget } from './check-span.js'
import type { ChainTruth } from './compare-records.js'
import type { HistoryScope } from './history-scope.js'
import { repairRecords } from './repair-records.js'

/** The first look back, where a difference mostly lies; each further one is twice as long. */
const FIRST_LOOK_BLOCKS = 256n
const LOOK_BLOCKS_MAX = 16_384n

/** A position to be put right, from the first block of the interval whose changes are said to be all recorded. */
export interface RepairTarget extends CheckTarget {
  /** The balance that is known to hold at the cursor: a search that ends with another one is not believed. */
  readonly endBalance?: bigint | undefined
}

export interface RepairOptions {
  /** Where to look back from; the cursor when absent. */
  readonly to?: BlockHeader | undefined
  readonly reason: HistoryCommit['reason']
}

/**
 * Finds and puts right what is wrong with the newest records of some positions: looks back from the cursor until chain
 * and store agree, or the interval begins. All of them are searched at once.
 *
 * @returns how many differences were put right.
 */
export async function repairPositions(
  scope: HistoryScope,
  targets: readonly RepairTarget[],
  { reason, ...options }: RepairOptions,
): Promise<number> {
  const endBalances = new Map(targets.map(({ position, endBalance }) => [position.id, endBalance]))
  let repaired = 0
  let to = options.to ?? scope.cursor
  let blocks = FIRST_LOOK_BLOCKS
  for (let open: readonly CheckTarget[] = targets; open.length > 0;) {
    const from = await scope.header(lookBack(open, to, blocks))
    const left: CheckTarget[] = []
    for (const result of await checkSpan(scope, { targets: open, from, to })) {
      if (result.kind !== 'checked') continue
      const { target, truth, differences } = result
      const endBalance = endBalances.get(target.position.id)
      if (to === scope.cursor && endBalance !== undefined) assertEnd(truth, endBalance)
      const isFirst = truth.start.number === target.since
      repaired += await repairRecords(scope, result, { reason, isFirst })
      if (differences[0]?.block.number === truth.start.number && !isFirst) left.push(target)
    }
    open = left
    to = from
    blocks = blocks * 2n < LOOK_BLOCKS_MAX ? blocks * 2n : LOOK_BLOCKS_MAX
  }
  return repaired
}

/** The first block of a look back, at the lowest that of the interval that begins first. */
function lookBack(targets: readonly CheckTarget[], to: BlockHeader, blocks: bigint): bigint {
  const begun = targets.reduce((lowest, { since }) => (since < lowest ? since : lowest), to.number)
  return to.number - blocks > begun ? to.number - blocks : begun
}

/** The chain told two things of one block. Nothing is repaired by it. */
export class InconsistentChainError extends RetryableError {
  readonly code = 'inconsistent_chain'
}

function assertEnd({ changes, startBalance }: ChainTruth, expected: bigint): void {
  const found = changes.at(-1)?.balance ?? startBalance
  if (found !== expected) {
    throw new InconsistentChainError(`expected a search that ends with ${expected}, as was read, got ${found}`)
  }
}
