import type { CoverageInterval } from '../../model/coverage.js'
import type { CoverageKind } from '../../model/chain-event.js'

interface Stretch {
  readonly from: bigint
  readonly to: bigint
  readonly kind: CoverageKind
}

/**
 * Adds an interval to a position's coverage. Nothing gets worse: `exact` wins over `sampled`, and an interval that is
 * open stays open and what it is, at least for the cursor's own block. Intervals of one kind that touch become one.
 *
 * @param intervals disjoint, oldest first, at most the last one open
 * @param added ends at or below the cursor
 */
export function mergeCoverage(
  intervals: readonly CoverageInterval[],
  added: Stretch,
  cursor: bigint,
): readonly CoverageInterval[] {
  const open = intervals.find((interval) => interval.to === null)
  const stretches: Stretch[] = intervals.map(({ from, to, kind }) => ({ from, to: to ?? cursor, kind }))
  // What an open sampled interval goes on from must be sampled itself: its last block keeps its kind.
  const to = open !== undefined && open.kind !== added.kind && added.to === cursor ? cursor - 1n : added.to
  if (added.from <= to) stretches.push({ ...added, to })

  const exact = joinTouching(stretches.filter((stretch) => stretch.kind === 'exact'))
  const sampled = joinTouching(stretches.filter((stretch) => stretch.kind === 'sampled'))
  const merged: CoverageInterval[] = joinTouching([...exact, ...sampled.flatMap((stretch) => without(stretch, exact))])
  const last = merged.at(-1)
  if (open !== undefined && last !== undefined) merged[merged.length - 1] = { ...last, to: null }
  return merged
}

/** Joins intervals of one kind that follow each other without a block between. */
export function joinTouching<Interval extends CoverageInterval>(intervals: readonly Interval[]): Interval[] {
  const joined: Interval[] = []
  for (const interval of intervals.toSorted((one, two) => (one.from < two.from ? -1 : one.from > two.from ? 1 : 0))) {
    const before = joined.at(-1)
    const touches = before !== undefined && (before.to === null || interval.from <= before.to + 1n)
    if (!touches || before.kind !== interval.kind) {
      joined.push(interval)
      continue
    }
    const reaches = before.to !== null && (interval.to === null || interval.to > before.to)
    if (reaches) joined[joined.length - 1] = { ...before, to: interval.to }
  }
  return joined
}

/** What is left of a stretch outside of others, which are disjoint and in order. */
function without(stretch: Stretch, others: readonly Stretch[]): Stretch[] {
  const left: Stretch[] = []
  let from = stretch.from
  for (const other of others) {
    if (other.to < from || other.from > stretch.to) continue
    if (other.from > from) left.push({ ...stretch, from, to: other.from - 1n })
    from = other.to + 1n
  }
  if (from <= stretch.to) left.push({ ...stretch, from })
  return left
}
