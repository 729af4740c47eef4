import type { HistoryRow } from '../../ledger/ledger-store.js'
import type { TokenMetadata } from '../../model/token-metadata.js'

/** The records around some blocks, as they stand and as they should be. */
export interface HistorySituation {
  /** The newest record below the blocks. */
  readonly before: HistoryRow | null
  /** The records within the blocks, oldest first. */
  readonly inside: readonly HistoryRow[]
  /** The first record above the blocks. */
  readonly after: HistoryRow | null
  /** What was read before that record and has none itself. */
  readonly next: HistoryRow | null
  /** What should stand within the blocks, oldest first. */
  readonly wanted: readonly HistoryRow[]
  /** True when no unseen block lies between the record before and the blocks, and between them and what follows. */
  readonly linkedBefore: boolean
  readonly linkedAfter: boolean
}

/** What has to be written so that it is. */
export interface HistoryPlan {
  readonly written: readonly HistoryRow[]
  readonly dropped: readonly HistoryRow[]
  readonly added: number
  readonly removed: number
  /** The balance at the last of the blocks, as it stood and as it will stand; null where no record says. */
  readonly stoodAtEnd: bigint | null
  readonly standsAtEnd: bigint | null
}

/**
 * Links records anew. Each one continues from the record before it, unless it is a start after blocks that nobody saw;
 * one that then changes nothing goes.
 */
export function planHistory(situation: HistorySituation): HistoryPlan {
  const { before, inside, after, next, wanted, linkedBefore, linkedAfter } = situation
  const stored = new Map(inside.map((row) => [row.block.number, row]))
  const standing: HistoryRow[] = []
  let last = before
  for (const row of wanted) {
    // Within the blocks nothing is unseen; only the first of them may follow unseen blocks.
    const continued = row.previousBalance !== null || last !== before || linkedBefore
    const linked = link(row, last, continued)
    if (linked === null) continue
    standing.push(keepKnown(linked, stored.get(row.block.number)))
    last = linked
  }
  const standsAtEnd = last?.balance ?? null
  const written = standing.filter((row) => !sameRow(row, stored.get(row.block.number)))
  const dropped = inside.filter((row) => !standing.some((kept) => kept.block.number === row.block.number))
  const added = written.length
  const replaced = written.filter((row) => stored.has(row.block.number)).length
  let removed = dropped.length + replaced
  const follows = linkedAfter && (last !== before || linkedBefore)
  if (next !== null) {
    const linked = link(next, last, follows)
    if (linked !== null && last?.balance !== next.balance) written.push(linked)
  } else if (after !== null) {
    const linked = link(after, last, after.previousBalance !== null || follows)
    if (linked === null) {
      dropped.push(after)
      removed += 1
    } else if (!sameRow(linked, after)) {
      written.push(linked)
    }
  }
  const stoodAtEnd = (inside.at(-1) ?? before)?.balance ?? null
  return { written, dropped, added, removed, stoodAtEnd, standsAtEnd }
}

/** @returns the record as it continues from the one before; null when it changes nothing. */
function link(row: HistoryRow, before: HistoryRow | null, continued: boolean): HistoryRow | null {
  if (before === null || !continued) {
    return { ...row, previousBalance: null, cause: null, unexplained: 0n, transactionHashes: [] }
  }
  if (before.balance === row.balance) return null
  if (row.previousBalance === before.balance) return row
  const change = row.balance - before.balance
  if (row.previousBalance === null) {
    return { ...row, previousBalance: before.balance, cause: row.cause ?? 'unknown', unexplained: change }
  }
  // The transactions explain as much as before; the rest of the change is another one now.
  const explained = row.balance - row.previousBalance - row.unexplained
  return { ...row, previousBalance: before.balance, cause: row.cause ?? 'unknown', unexplained: change - explained }
}

/** A reading that does not know what caused a change does not take away what was known of the same change. */
function keepKnown(row: HistoryRow, stored: HistoryRow | undefined): HistoryRow {
  if (stored === undefined) return row
  if (!sameChange(row, stored)) return { ...row, metadata: completeMetadata(row.metadata, stored.metadata) }
  return row.cause === 'unknown' ? stored : { ...row, metadata: stored.metadata }
}

function completeMetadata(read: TokenMetadata, known: TokenMetadata): TokenMetadata {
  return {
    decimals: read.decimals ?? known.decimals,
    symbol: read.symbol ?? known.symbol,
    name: read.name ?? known.name,
  }
}

function sameChange(one: HistoryRow, two: HistoryRow): boolean {
  return one.block.hash === two.block.hash && one.balance === two.balance && one.previousBalance === two.previousBalance
}

function sameRow(one: HistoryRow, two: HistoryRow | undefined): boolean {
  return (
    two !== undefined &&
    sameChange(one, two) &&
    one.block.number === two.block.number &&
    one.block.timestampSeconds === two.block.timestampSeconds &&
    one.cause === two.cause &&
    one.unexplained === two.unexplained &&
    one.transactionHashes.join() === two.transactionHashes.join() &&
    one.metadata.decimals === two.metadata.decimals &&
    one.metadata.symbol === two.metadata.symbol &&
    one.metadata.name === two.metadata.name
  )
}
