import type { Certainty } from '../../model/balance-statistics.js'
import type { TimedInterval } from '../../model/coverage.js'
import type { Instant } from '../record-reader.js'
import { contains } from './covered-time.js'

/**
 * How the balance at a block or time is known. At the very second of an interval's last block it is not counted as
 * known: the next block, which nobody saw, may bear the same time.
 *
 * @param instant at or below the cursor
 */
export function certaintyAt(intervals: readonly TimedInterval[], instant: Instant): Certainty {
  const found = intervals.find((interval) =>
    'block' in instant ? contains(interval, instant.block) : holdsAt(interval, instant.time),
  )
  return found?.kind ?? 'unseen'
}

function holdsAt({ to, fromTime, toTime }: TimedInterval, time: Date): boolean {
  if (fromTime === null || fromTime.getTime() > time.getTime()) return false
  return to === null || (toTime !== null && time.getTime() < toTime.getTime())
}
