import type { BlockHeader } from '../../model/block.js'
import type { BalanceReading, SpanChange } from '../../model/chain-event.js'
import { positionKey } from '../../model/position.js'
import type { StoredPosition, StoredRecord } from '../ledger-store.js'
import { compareRecords } from './compare-records.js'
import type { ChainTruth, Difference } from './compare-records.js'
import type { HistoryFindings } from './history-source.js'
import { searchSpan } from './history-scope.js'
import type { HistoryScope } from './history-scope.js'
import { recheckExtra } from './recheck-extra.js'

/** Records of one position that are read at once. */
const RECORDS_PAGE = 1000

export interface CheckTarget {
  readonly position: StoredPosition
  /** The first block of the interval in which every change is said to have its record. */
  readonly since: bigint
}

/** What became of one position. `unreadable`: the chain did not tell, for a reason. */
export type CheckResult =
  | { readonly kind: 'unreadable'; readonly target: CheckTarget; readonly reason: string }
  | {
      readonly kind: 'checked'
      readonly target: CheckTarget
      readonly truth: ChainTruth
      readonly to: BlockHeader
      readonly differences: readonly Difference[]
      /** Stored records that were looked at. */
      readonly records: number
    }

export interface CheckSpan {
  readonly targets: readonly CheckTarget[]
  /** The balances of this block are compared, and every change after it … */
  readonly from: BlockHeader
  /** … up to this one, inclusive. */
  readonly to: BlockHeader
}

/** Searches some blocks again, and compares with what is stored. Changes nothing. */
export async function checkSpan(
  scope: HistoryScope,
  { targets, from, to }: CheckSpan,
): Promise<readonly CheckResult[]> {
  const positions = targets.map((target) => target.position)
  const readings = await scope.source.balancesAt(from, positions)
  const results: CheckResult[] = []
  const searched: { target: CheckTarget; startBalance: bigint }[] = []
  for (const [index, target] of targets.entries()) {
    const reading = readings[index]
    if (reading?.kind === 'balance') searched.push({ target, startBalance: reading.balance })
    // Before its first block a position may have been unreadable, a token not yet deployed for one.
    else if (target.since > from.number && target.since <= to.number) {
      results.push(...(await checkSpan(scope, { targets: [target], from: await scope.header(target.since), to })))
    } else results.push(unreadable(target, reading))
  }
  if (searched.length === 0) return results
  const starts = searched.map(({ target, startBalance }) => ({ ...target.position, balance: startBalance }))
  const findings = await searchSpan(scope, { positions: starts, from, to })
  return [...results, ...(await compareAll(scope, { searched, from, to, findings }))]
}

function unreadable(target: CheckTarget, reading: BalanceReading | undefined): CheckResult {
  const reason = reading?.kind === 'failed' ? reading.reason : 'the chain gave no answer'
  return { kind: 'unreadable', target, reason }
}

interface Searched {
  readonly searched: readonly { readonly target: CheckTarget; readonly startBalance: bigint }[]
  readonly from: BlockHeader
  readonly to: BlockHeader
  readonly findings: HistoryFindings
}

async function compareAll(scope: HistoryScope, { searched, from, to, findings }: Searched): Promise<CheckResult[]> {
  const changes = groupChanges(findings.changes)
  const ends = new Map(findings.positions.map((end) => [positionKey(end.position), end]))
  const ids = searched.map(({ target }) => target.position.id)
  const newest = new Map((await scope.store.recordsAt(ids, to.number)).map((record) => [record.positionId, record]))
  const before = new Map((await scope.store.recordsAt(ids, from.number)).map((record) => [record.positionId, record]))
  const results: CheckResult[] = []
  for (const { target, startBalance } of searched) {
    const { position } = target
    const end = ends.get(positionKey(position))
    if (end?.reading.kind !== 'balance') {
      results.push(unreadable(target, end?.reading))
      continue
    }
    const found = changes.get(positionKey(position)) ?? []
    const whole: ChainTruth = { start: from, startBalance, changes: found, coverage: end.coverage }
    const truth = target.since > from.number ? await truthSince(scope, whole, target.since) : whole
    const top = newest.get(position.id)
    const idle = top === undefined || top.blockNumber <= truth.start.number
    const records = idle ? [] : await readRecords(scope, position, truth.start.number + 1n, to.number)
    const start =
      truth === whole ? before.get(position.id) : (await scope.store.recordsAt([position.id], truth.start.number))[0]
    const stored = { before: start ?? null, records }
    const rechecked = await recheckExtra(scope, { position, truth, stored })
    if (rechecked === null) {
      results.push(unreadable(target, undefined))
      continue
    }
    const differences = compareRecords(rechecked, stored)
    results.push({ kind: 'checked', target, truth: rechecked, to, differences, records: records.length })
  }
  return results
}

/** The same truth from a later block on. */
async function truthSince(scope: HistoryScope, truth: ChainTruth, since: bigint): Promise<ChainTruth> {
  const passed = truth.changes.filter((change) => change.block.number <= since)
  return {
    ...truth,
    start: await scope.header(since),
    startBalance: passed.at(-1)?.balance ?? truth.startBalance,
    changes: truth.changes.slice(passed.length),
  }
}

type Checked = Extract<CheckResult, { kind: 'checked' }>

/**
 * Each result if the chain says the same once more, as `unreadable` otherwise: one wrong answer of a node must not
 * rewrite what is right. Without differences there is nothing to confirm. Those of the same blocks are searched at once.
 */
export async function confirmAll(
  scope: HistoryScope,
  results: readonly CheckResult[],
): Promise<readonly CheckResult[]> {
  const groups = new Map<string, [Checked, ...Checked[]]>()
  for (const result of results) {
    if (result.kind !== 'checked' || result.differences.length === 0) continue
    const key = `${result.truth.start.hash} ${result.to.hash}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [result])
    else group.push(result)
  }
  const confirmed = new Map<CheckResult, CheckResult>()
  for (const group of groups.values()) {
    for (const [result, answer] of await confirmGroup(scope, group)) confirmed.set(result, answer)
  }
  return results.map((result) => confirmed.get(result) ?? result)
}

/** @param group results of the same blocks */
async function confirmGroup(
  scope: HistoryScope,
  group: readonly [Checked, ...Checked[]],
): Promise<ReadonlyMap<CheckResult, CheckResult>> {
  const targets = group.map(({ target }) => target)
  const [{ truth, to }] = group
  const second = await checkSpan(scope, { targets, from: truth.start, to })
  const again = new Map(second.map((result) => [result.target.position.id, result]))
  const confirmed = new Map<CheckResult, CheckResult>()
  for (const result of group) {
    const { target } = result
    const answer = again.get(target.position.id)
    const agrees = answer?.kind === 'checked' && sameDifferences(result.differences, answer.differences)
    const reason = 'two searches of the same blocks did not agree'
    confirmed.set(result, agrees ? answer : { kind: 'unreadable', target, reason })
  }
  return confirmed
}

function sameDifferences(one: readonly Difference[], other: readonly Difference[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ block, found }, index) => other[index]?.block.hash === block.hash && other[index].found === found)
  )
}

export async function readRecords(
  { store }: HistoryScope,
  position: StoredPosition,
  from: bigint,
  to: bigint,
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = []
  for (let next = from; next <= to;) {
    const page = await store.recordsBetween(position.id, { from: next, to, limit: RECORDS_PAGE })
    records.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < RECORDS_PAGE) break
    next = last.blockNumber + 1n
  }
  return records
}

export function groupChanges(changes: readonly SpanChange[]): ReadonlyMap<string, readonly SpanChange[]> {
  const groups = new Map<string, SpanChange[]>()
  for (const change of changes) {
    const key = positionKey(change.position)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [change])
    else group.push(change)
  }
  return groups
}
