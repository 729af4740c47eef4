import type { Certainty } from '../balance-statistics.js'
import type { TimedInterval } from '../coverage.js'
import type { Instant } from '../instant.js'
import { contains, follows, joinIntervals } from './covered-time.js'

/**
 * How the balance at a block, or at the newest block up to a time, is known. At the very second of the last block that
 * was seen it is not counted as known: the next one, which nobody saw, may bear the same time.
 *
 * @param intervals oldest first, disjoint
 * @param instant at or below the cursor
 */
export function certaintyAt(intervals: readonly TimedInterval[], instant: Instant): Certainty {
  const joined = joinIntervals(intervals)
  if ('block' in instant) return joined.find((interval) => contains(interval, instant.block))?.kind ?? 'unseen'
  const atMs = instant.time.getTime()
  const found = joined.find((interval, index) => {
    const { to, fromTime, toTime } = interval
    if (fromTime === null || fromTime.getTime() > atMs) return false
    const next = joined[index + 1]
    const end = (next !== undefined && follows(next, interval) ? next.fromTime : null) ?? toTime
    return to === null || (end !== null && atMs < end.getTime())
  })
  return found?.kind ?? 'unseen'
}
