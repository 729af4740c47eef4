import type { BlockRef } from '../../model/block.js'
import { draftRecord } from '../draft-record.js'
import type { HistoryCommit, HistoryRow, StoredPosition } from '../ledger-store.js'
import type { CheckResult } from './check-span.js'
import { noteOf } from './compare-records.js'
import type { ChainTruth, Difference } from './compare-records.js'
import { commitPiece } from './history-scope.js'
import type { HistoryScope } from './history-scope.js'

type Checked = Extract<CheckResult, { kind: 'checked' }>

/**
 * Puts right what a check found, with a note for each difference.
 *
 * Where all changes are known, everything from the first difference to the last is written anew; else each difference
 * by itself, so that no record is lost that the search did not find again.
 *
 * @param isFirst whether the check began at the position's first known block: only there its start may be written
 * @returns how many differences were put right.
 */
export async function repairRecords(
  scope: HistoryScope,
  { target, truth, differences }: Checked,
  options: { readonly reason: HistoryCommit['reason']; readonly isFirst: boolean },
): Promise<number> {
  const startsWrong = differences[0]?.block.number === truth.start.number
  const mendable = startsWrong && !options.isFirst ? differences.slice(1) : differences
  const groups = truth.coverage === 'exact' ? [mendable] : mendable.map((difference) => [difference])
  for (const group of groups) {
    const first = group[0]
    const last = group.at(-1)
    if (first === undefined || last === undefined) continue
    await commitPiece(scope, {
      positionId: target.position.id,
      from: first.block.number,
      to: last.block,
      records: rowsBetween(target.position, truth, first.block.number, last.block.number),
      coverage: truth.coverage,
      reason: options.reason,
      notes: group.map(noteOf),
    })
    report(scope, target.position, group)
  }
  return mendable.length
}

/** The records that the chain's truth asks for in some blocks, both inclusive. */
export function rowsBetween(
  position: StoredPosition,
  { start, startBalance, changes }: Pick<ChainTruth, 'start' | 'startBalance' | 'changes'>,
  from: bigint,
  to: bigint,
): readonly HistoryRow[] {
  const { metadata } = position
  const rows: HistoryRow[] = []
  const add = (block: HistoryRow['block'], row: ReturnType<typeof draftRecord>): void => {
    const { number, hash, timestampSeconds } = block
    if (number >= from && number <= to) rows.push({ ...row, block: { number, hash, timestampSeconds } })
  }
  const first = { position, block: start, balance: startBalance, previousBalance: null, attribution: null, metadata }
  add(start, draftRecord(first))
  let previousBalance = startBalance
  for (const { block, balance, attribution } of changes) {
    add(block, draftRecord({ position, block, balance, previousBalance, attribution, metadata }))
    previousBalance = balance
  }
  return rows
}

function report({ logger, chainId }: HistoryScope, position: StoredPosition, group: readonly Difference[]): void {
  const shown = (block: BlockRef): string => block.number.toString()
  logger.error(
    {
      chainId: chainId.toString(),
      token: position.token,
      solver: position.solver,
      differences: group.slice(0, 10).map(({ kind, block, stored, found }) => ({
        kind,
        block: shown(block),
        stored: stored?.toString() ?? null,
        found: found?.toString() ?? null,
      })),
      count: group.length,
    },
    'records differed from the chain and were put right',
  )
}
