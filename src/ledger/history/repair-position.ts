import type { BlockHeader } from '../../model/block.js'
import { RetryableError } from '../../model/errors.js'
import type { HistoryCommit, StoredPosition } from '../ledger-store.js'
import { checkSpan } from './check-span.js'
import type { ChainTruth } from './compare-records.js'
import type { HistoryScope } from './history-scope.js'
import { repairRecords } from './repair-records.js'

/** The first look back, where a difference mostly lies; each further one is twice as long. */
const FIRST_LOOK_BLOCKS = 256n
const LOOK_BLOCKS_MAX = 16_384n

export interface RepairOptions {
  /** The first block of the interval whose changes are said to be all recorded. */
  readonly since: bigint
  /** Where to look back from; the cursor when absent. */
  readonly to?: BlockHeader | undefined
  readonly reason: HistoryCommit['reason']
  /** The balance that is known to hold at the cursor: a search that ends with another one is not believed. */
  readonly endBalance?: bigint | undefined
}

/**
 * Finds and puts right what is wrong with one position's newest records: looks back from the cursor until chain and
 * store agree, or the interval begins.
 *
 * @returns how many differences were put right.
 */
export async function repairPosition(
  scope: HistoryScope,
  position: StoredPosition,
  options: RepairOptions,
): Promise<number> {
  const { since, reason } = options
  const target = { position, since }
  let repaired = 0
  let to = options.to ?? scope.cursor
  let blocks = FIRST_LOOK_BLOCKS
  for (;;) {
    const number = to.number - blocks > since ? to.number - blocks : since
    const from = await scope.header(number)
    const [result] = await checkSpan(scope, { targets: [target], from, to })
    if (result?.kind !== 'checked') return repaired
    if (to === scope.cursor && options.endBalance !== undefined) assertEnd(result.truth, options.endBalance)
    repaired += await repairRecords(scope, result, { reason, isFirst: number === since })
    const agrees = result.differences[0]?.block.number !== from.number
    if (agrees || number === since) return repaired
    to = from
    blocks = blocks * 2n < LOOK_BLOCKS_MAX ? blocks * 2n : LOOK_BLOCKS_MAX
  }
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
