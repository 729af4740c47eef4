import { branchOf } from './chain-truth.js'
import type { ChainTruth, TruthBlock } from './chain-truth.js'
import type { StoredChainRows, StoredPositionRows, StoredRecordRow } from './stored-chain.js'
import { must } from './violation.js'

/** How many blocks of all positions are known in which way. */
export interface CoverageCount {
  exact: number
  sampled: number
  /** Since the first record; blocks at which the token itself could not be read are left out. */
  unseen: number
  records: number
}

/** One position's part in that. */
export interface PositionCoverage extends CoverageCount {
  readonly position: StoredPositionRows
}

/**
 * Compares all that is stored of a chain with the chain itself, on the branch of the stored cursor: this must hold at
 * every instant, not only in the end.
 *
 * @throws {Violation}
 */
export function checkChain(stored: StoredChainRows, truth: ChainTruth): readonly PositionCoverage[] {
  if (stored.cursor === null) {
    for (const { records } of stored.positions)
      must(records.length === 0, 'a chain without a cursor has no records', {})
    return []
  }
  const branch = branchOf(truth, stored.cursor.hash)
  must(branch.at(-1)?.number === stored.cursor.number, 'the cursor is a block of the chain', { got: stored.cursor })
  for (const header of stored.headers) {
    const block = branch[Number(header.number)]
    must(block?.hash === header.hash && block.parentHash === header.parentHash, 'kept headers lie on one branch', {
      chain: truth.chainId,
      expected: block?.hash,
      got: header,
    })
  }
  return stored.positions.map((position) => {
    const count: CoverageCount = { exact: 0, sampled: 0, unseen: 0, records: 0 }
    checkPosition(position, { truth, branch, count })
    return { position, ...count }
  })
}

interface Context {
  readonly truth: ChainTruth
  readonly branch: readonly TruthBlock[]
  readonly count: CoverageCount
}

function checkPosition(position: StoredPositionRows, context: Context): void {
  checkIntervals(position, context)
  checkRecords(position, context)
  checkCovered(position, context)
  checkNewest(position, context)
}

function nameOf(position: StoredPositionRows, { truth }: Context): string {
  return `${truth.chainId}:${position.token}:${position.solver}`
}

function checkIntervals(position: StoredPositionRows, context: Context): void {
  let end = -1n
  for (const interval of position.coverage) {
    const to = interval.to ?? cursorOf(context)
    must(
      interval.from > end && to >= interval.from - 1n && to <= cursorOf(context),
      'coverage is in order, apart and below the cursor',
      {
        position: nameOf(position, context),
        cursor: cursorOf(context),
        got: position.coverage,
      },
    )
    end = to
  }
}

/** Whether covered or not, no record may be false. */
function checkRecords(position: StoredPositionRows, context: Context): void {
  let before: StoredRecordRow | null = null
  for (const record of position.records) {
    const facts = { position: nameOf(position, context), block: record.blockNumber, got: record, before }
    const block = context.branch[Number(record.blockNumber)]
    must(block?.hash === record.blockHash, 'a record lies on a block of the canonical chain', {
      ...facts,
      expected: block?.hash,
    })
    must(block.timestampSeconds === record.timestampSeconds, 'a record has the time of its block', {
      ...facts,
      expected: block.timestampSeconds,
    })
    const expected = context.truth.balanceAt(block.hash, position.token, position.solver)
    must(record.balance === expected, 'a record holds the balance of its block', { ...facts, expected })
    if (record.previousBalance === null) {
      must(record.cause === null, 'a first record has no cause', facts)
    } else {
      must(before?.balance === record.previousBalance, 'a record follows on the one before it', facts)
      must(record.balance !== record.previousBalance, 'a record that is no start is a change', facts)
      must(record.cause !== null, 'a change has a cause', facts)
    }
    for (const hash of record.transactionHashes) {
      must(block.transactionHashes.includes(hash), 'a transaction of a record is one of its block', { ...facts, hash })
    }
    before = record
    context.count.records += 1
  }
}

/** At every block that is said to be known exactly, the records tell the balance. */
function checkCovered(position: StoredPositionRows, context: Context): void {
  const first = position.records[0]
  if (first === undefined) {
    must(position.coverage.length === 0, 'what is covered has a record', {
      position: nameOf(position, context),
      got: position.coverage,
    })
    return
  }
  let index = -1
  for (let number = 0n; number <= cursorOf(context); number += 1n) {
    if (position.records[index + 1]?.blockNumber === number) index += 1
    const interval = position.coverage.find(({ from, to }) => from <= number && (to === null || number <= to))
    const block = context.branch[Number(number)]!
    const expected = context.truth.balanceAt(block.hash, position.token, position.solver)
    if (interval === undefined) {
      if (number >= first.blockNumber && expected !== 'unreadable' && position.active) context.count.unseen += 1
      continue
    }
    context.count[interval.kind] += 1
    if (interval.kind === 'sampled') continue
    // A long absence is searched, not read block by block: that a token kept silent for a while between shows nowhere.
    if (expected === 'unreadable' && context.truth.mayBeSampled) continue
    must(expected === position.records[index]?.balance, 'a block known exactly has the balance that the records tell', {
      position: nameOf(position, context),
      block: number,
      expected,
      got: position.records[index],
      coverage: position.coverage,
    })
  }
}

function checkNewest(position: StoredPositionRows, context: Context): void {
  const newest = position.records.at(-1)
  const facts = { position: nameOf(position, context), cursor: cursorOf(context), newest, stale: position.staleReason }
  must(
    position.balance === (newest?.balance ?? null) && position.recordNumber === (newest?.blockNumber ?? null),
    'the balance that is shown is the newest record',
    { ...facts, got: position.balance, at: position.recordNumber },
  )
  const covered = position.coverage.some(({ to }) => to === null)
  must(!(covered && position.staleReason !== null), 'what is stale is not covered', facts)
  if (newest === undefined || !position.active || position.accruing || position.staleReason !== null || !covered) return
  const expected = context.truth.balanceAt(context.branch.at(-1)!.hash, position.token, position.solver)
  must(newest.balance === expected, 'the balance that is shown is that of the cursor, or is said to be stale', {
    ...facts,
    expected,
  })
}

function cursorOf({ branch }: Context): bigint {
  return BigInt(branch.length - 1)
}
