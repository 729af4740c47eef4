import type { BlockRef } from '../model/block.js'
import type { Attribution, CoverageKind, SpanChange, SpanObservation, SpanPosition } from '../model/chain-event.js'
import type { TidemarkEvent } from '../model/event.js'
import { positionKey } from '../model/position.js'
import { isWorthRecording } from './accrual-watch.js'
import { announceRecord, draftRecord } from './draft-record.js'
import type { HistoryRow, StoredPosition } from './ledger-store.js'

/** What a searched span of blocks means for the ledger. */
export interface SpanDecision {
  /** By ascending block. */
  readonly records: readonly HistoryRow[]
  readonly coverage: ReadonlyMap<bigint, CoverageKind>
  readonly stale: readonly { readonly positionId: bigint; readonly reason: string }[]
  /** One for each record, in the same order: made when they are asked for, as there may be very many. */
  readonly events: Iterable<TidemarkEvent>
}

export interface SpanContext {
  readonly positions: ReadonlyMap<string, StoredPosition>
  /** The cursor before the span. */
  readonly parent: BlockRef
  /** When accruing positions were last recorded, by `positionKey`. */
  readonly sampledAtSeconds: ReadonlyMap<string, number>
}

interface PositionDecision {
  readonly records: readonly HistoryRow[]
  readonly coverage: CoverageKind | null
}

/**
 * Decides what a searched span changed.
 *
 * - Each change that was found becomes a record of its own block; a position's records follow on one another.
 * - A position that was never read starts at the span's last block.
 * - A position that could not be read there turns stale, and none of its blocks count as seen.
 * - Where the changes do not lead to the balance at the end, they lack some: a record at the end says the rest.
 * - One that grows by itself is not searched: a record at the end is its sample, when the last one is old.
 */
export function decideSpan(context: SpanContext, span: SpanObservation): SpanDecision {
  const changes = groupByPosition(span.changes)
  const coverage = new Map<bigint, CoverageKind>()
  const stale: { positionId: bigint; reason: string }[] = []
  const found: { record: HistoryRow; position: StoredPosition }[] = []
  for (const seen of span.positions) {
    const key = positionKey(seen.position)
    const position = context.positions.get(key)
    if (position === undefined) continue
    if (seen.reading.kind === 'failed') {
      const { reason } = seen.reading
      if (position.covered || position.staleReason !== reason) stale.push({ positionId: position.id, reason })
      continue
    }
    const decision = decidePosition(context, { position, seen, target: span.target, changes: changes.get(key) ?? [] })
    if (decision.coverage !== null) coverage.set(position.id, decision.coverage)
    for (const record of decision.records) found.push({ record, position })
  }
  const ordered = found.toSorted(({ record: one }, { record: other }) => compare(one.block.number, other.block.number))
  return {
    records: ordered.map(({ record }) => record),
    coverage,
    stale,
    events: {
      *[Symbol.iterator]() {
        for (const { record, position } of ordered) yield announceRecord({ position, block: record.block }, record)
      },
    },
  }
}

interface PositionSpan {
  readonly position: StoredPosition
  readonly seen: SpanPosition
  readonly target: SpanObservation['target']
  readonly changes: readonly SpanChange[]
}

function decidePosition(context: SpanContext, { position, seen, target, changes }: PositionSpan): PositionDecision {
  if (seen.reading.kind === 'failed') return { records: [], coverage: null }
  const end = seen.reading.balance
  const draft: HistoryRow[] = []
  const add = ({ block, balance }: Pick<SpanChange, 'block' | 'balance'>, known: Partial<Known>): void => {
    const { previousBalance = null, attribution = null } = known
    const row = draftRecord({ position, block, balance, previousBalance, attribution, metadata: position.metadata })
    draft.push({ ...row, block })
  }
  if (position.fresh || position.lastBalance === null) {
    add({ block: target, balance: end }, {})
    return { records: draft, coverage: 'exact' }
  }
  // Before the span it changed while nobody looked: what the span shows does not follow on what is known.
  if (!position.covered && seen.before !== position.lastBalance) {
    if (end !== position.lastBalance) add({ block: target, balance: end }, { previousBalance: position.lastBalance })
    return { records: draft, coverage: 'sampled' }
  }
  let balance: bigint = position.lastBalance
  let sampledAt = context.sampledAtSeconds.get(positionKey(position))
  for (const change of changes) {
    if (change.balance === balance) continue
    const { block } = change
    if (position.accruing) {
      if (!isWorthRecording(change.attribution, block.timestampSeconds, sampledAt)) continue
      sampledAt = block.timestampSeconds
    }
    // What was last known of a stale position is older than the parent: its first difference has no known block.
    const vague = !position.covered && block.number === context.parent.number + 1n
    add(change, { previousBalance: balance, attribution: vague ? null : change.attribution })
    balance = change.balance
  }
  if (position.accruing && balance !== end && isWorthRecording(null, target.timestampSeconds, sampledAt)) {
    add({ block: target, balance: end }, { previousBalance: balance })
  }
  // The open interval of an accruing position is a sampled one, and goes on as it is.
  if (position.accruing) return { records: draft, coverage: position.covered ? null : 'sampled' }
  if (balance === end) return { records: draft, coverage: seen.coverage }
  const before = draft.at(-1)?.block.number === target.number ? draft.pop()?.previousBalance : balance
  if (before !== end) add({ block: target, balance: end }, { previousBalance: before ?? null })
  return { records: draft, coverage: 'sampled' }
}

interface Known {
  readonly previousBalance: bigint | null
  readonly attribution: Attribution | null
}

function groupByPosition(changes: readonly SpanChange[]): ReadonlyMap<string, readonly SpanChange[]> {
  const groups = new Map<string, SpanChange[]>()
  for (const change of changes) {
    const key = positionKey(change.position)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [change])
    else group.push(change)
  }
  return groups
}

function compare(one: bigint, other: bigint): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
