import type { SpanChange } from '../../model/chain-event.js'
import type { StoredPosition } from '../ledger-store.js'
import { compareRecords } from './compare-records.js'
import type { ChainTruth, Difference, StoredHistory } from './compare-records.js'
import type { HistoryScope } from './history-scope.js'

/** Records of one position that are read again in one check: each costs two readings. */
const RECHECKED_MAX = 64

export interface RecheckedTruth {
  readonly position: StoredPosition
  readonly truth: ChainTruth
  readonly stored: StoredHistory
}

/**
 * Reads the blocks of records that a search did not find again, each with the block before it. A search trusts logs, and
 * a node may withhold them, or a token not write them: that there are none is no reason to take a record away.
 *
 * @returns the same truth where those blocks changed nothing. Else the search has missed changes: the truth with what was
 * read, `sampled`. Null where a block could not be read.
 */
export async function recheckExtra(
  scope: HistoryScope,
  { position, truth, stored }: RecheckedTruth,
): Promise<ChainTruth | null> {
  const extra = compareRecords(truth, stored).filter(({ kind }) => kind === 'extra')
  if (extra.length === 0) return truth
  const changes: SpanChange[] = []
  for (const difference of extra.slice(0, RECHECKED_MAX)) {
    const change = await readChange(scope, position, difference)
    if (change === null) return null
    changes.push(change)
  }
  const missed = changes.some(({ attribution }) => attribution.unexplained !== 0n)
  if (!missed && extra.length <= RECHECKED_MAX) return truth
  const all = [...truth.changes, ...changes]
  return { ...truth, coverage: 'sampled', changes: all.toSorted((a, b) => (a.block.number < b.block.number ? -1 : 1)) }
}

/** What the position has at the difference's block, and how that differs from the block before. */
async function readChange(
  scope: HistoryScope,
  position: StoredPosition,
  { block }: Difference,
): Promise<SpanChange | null> {
  const header = await scope.header(block.number)
  const parent = await scope.header(block.number - 1n)
  const [now] = await scope.source.balancesAt(header, [position])
  const [before] = await scope.source.balancesAt(parent, [position])
  if (now?.kind !== 'balance' || before?.kind !== 'balance') return null
  const attribution = {
    transactionHashes: [],
    cause: 'unknown' as const,
    unexplained: now.balance - before.balance,
  }
  return { position: now.position, block: header, balance: now.balance, attribution }
}
