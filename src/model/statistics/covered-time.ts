import type { CoverageSpan } from '../balance-statistics.js'
import type { CoverageInterval, TimedInterval } from '../coverage.js'

/** Joins intervals of one kind that follow each other without a block between. Oldest first, disjoint. */
export function joinIntervals(intervals: readonly TimedInterval[]): readonly TimedInterval[] {
  const joined: TimedInterval[] = []
  for (const interval of intervals) {
    const before = joined.at(-1)
    if (before !== undefined && before.kind === interval.kind && follows(interval, before)) {
      joined[joined.length - 1] = { ...before, to: interval.to, toTime: interval.toTime }
    } else {
      joined.push(interval)
    }
  }
  return joined
}

/** Whether no block lies between an interval and the one before it. */
export function follows(interval: CoverageInterval, before: CoverageInterval | undefined): boolean {
  return before !== undefined && before.to !== null && before.to + 1n === interval.from
}

export function contains({ from, to }: CoverageInterval, blockNumber: bigint): boolean {
  return from <= blockNumber && (to === null || blockNumber <= to)
}

/**
 * Coverage by time, clipped. A span ends where the next one begins when no block was missed between them: the balance
 * of a block holds until the next one. What ends or begins at a block of unknown time is told as far as it is known.
 *
 * @param intervals oldest first, disjoint
 */
export function coveredSpans(
  intervals: readonly TimedInterval[],
  range: { readonly from: Date; readonly to: Date },
): readonly CoverageSpan[] {
  const joined = joinIntervals(intervals)
  return joined.flatMap((interval, index) => {
    const [before, next] = [joined[index - 1], joined[index + 1]]
    const { fromTime, toTime } = interval
    const start = fromTime ?? (follows(interval, before) ? (before?.toTime ?? toTime) : toTime)
    const end = (next !== undefined && follows(next, interval) ? next.fromTime : null) ?? toTime ?? fromTime
    if (start === null || end === null) return []
    const from = laterOf(start, range.from)
    const to = earlierOf(end, range.to)
    return from.getTime() > to.getTime() ? [] : [{ from, to, kind: interval.kind }]
  })
}

export function laterOf(one: Date, two: Date): Date {
  return one.getTime() >= two.getTime() ? one : two
}

export function earlierOf(one: Date, two: Date): Date {
  return one.getTime() <= two.getTime() ? one : two
}
