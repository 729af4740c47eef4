import { systemClock } from '../../src/model/clock.js'
import type { Clock } from '../../src/model/clock.js'

/** A clock whose time passes so many times as fast as the machine's: limits and pauses of seconds are over soon. */
export function fastClock(factor: number): Clock {
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * factor,
    sleep: (durationMs, signal) => systemClock.sleep(durationMs / factor, signal),
    schedule: (durationMs, task) => systemClock.schedule(durationMs / factor, task),
  }
}
