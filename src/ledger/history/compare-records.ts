import type { BlockHeader, BlockRef } from '../../model/block.js'
import type { CoverageKind, SpanChange } from '../../model/chain-event.js'
import type { HistoryNote, StoredRecord } from '../ledger-store.js'

/** What the chain says of a position in the blocks after `start`. */
export interface ChainTruth {
  readonly start: BlockHeader
  readonly startBalance: bigint
  /** By ascending block, all above the start. */
  readonly changes: readonly SpanChange[]
  readonly coverage: CoverageKind
}

/** What is stored of the same position and blocks. */
export interface StoredHistory {
  /** The newest record at or below the start. */
  readonly before: StoredRecord | null
  /** Records above the start, oldest first. */
  readonly records: readonly StoredRecord[]
}

export interface Difference {
  readonly kind: 'missing' | 'wrong' | 'extra'
  readonly block: BlockRef
  /** Null where there is no record. */
  readonly stored: bigint | null
  /** Null where there should be none. */
  readonly found: bigint | null
}

/**
 * Compares stored records with what the chain says, by ascending block. A record that only repeats the balance before it
 * says nothing wrong, and is no difference: a position that is watched again begins with one.
 *
 * Where it is not proven that all changes were found, only those that were found can tell that a record is missing or
 * wrong; none can be called too many.
 */
export function compareRecords(truth: ChainTruth, stored: StoredHistory): readonly Difference[] {
  const differences: Difference[] = []
  const { start, startBalance } = truth
  if (stored.before?.balance !== startBalance) {
    differences.push(differenceAt(start, stored.before, startBalance))
  }
  const changed = new Map(truth.changes.map((change) => [change.block.number, change]))
  const recorded = new Map(stored.records.map((record) => [record.blockNumber, record]))
  const blocks = [...new Set([...changed.keys(), ...recorded.keys()])].toSorted((one, other) => (one < other ? -1 : 1))
  let held = startBalance
  let kept = stored.before?.balance ?? null
  for (const number of blocks) {
    const change = changed.get(number)
    const record = recorded.get(number)
    if (record !== undefined) kept = record.balance
    if (change !== undefined) {
      held = change.balance
      const pinned = record === undefined || record.blockHash === change.block.hash
      const told = truth.coverage === 'exact' ? record?.balance : kept
      if (told !== held || !pinned) differences.push(differenceAt(change.block, record ?? null, held))
    } else if (record !== undefined && truth.coverage === 'exact' && record.balance !== held) {
      const block = { number, hash: record.blockHash }
      differences.push({ kind: 'extra', block, stored: record.balance, found: null })
    }
  }
  return differences
}

function differenceAt(block: BlockRef, record: StoredRecord | null, found: bigint): Difference {
  const { number, hash } = block
  const stands = record !== null && record.blockNumber === number
  return { kind: stands ? 'wrong' : 'missing', block: { number, hash }, stored: stands ? record.balance : null, found }
}

/** A difference in words, for audit. */
export function noteOf(difference: Difference): HistoryNote {
  const { block, stored, found } = difference
  return { blockNumber: block.number, blockHash: block.hash, stored, found, note: wordsOf(difference) }
}

function wordsOf({ kind, stored, found }: Difference): string {
  switch (kind) {
    case 'missing':
      return `no record of the balance ${found}`
    case 'wrong':
      return stored === found
        ? 'record of another block with this number'
        : `record said ${stored}, the chain says ${found}`
    case 'extra':
      return `record of ${stored} at a block that changed nothing`
  }
}
