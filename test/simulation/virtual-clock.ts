import type { Clock } from '../../src/model/clock.js'
import type { Lots } from './lots.js'
import type { Owner, Scheduler } from './scheduler.js'

/** The instant at which every simulation begins, in milliseconds since 1970. */
export const EPOCH_MS = Date.UTC(2025, 0, 1)

/** The clock of one replica: time passes when the scheduler says so, and its timers die with it. */
export function virtualClock(scheduler: Scheduler, owner: Owner, lots: Pick<Lots, 'fraction'>): Clock {
  const schedule = (durationMs: number, task: () => void): (() => void) =>
    scheduler.after(durationMs, owner, 'timer', task)
  return {
    monotonicMs: () => scheduler.nowMs,
    timeOfDayMs: () => EPOCH_MS + Math.floor(scheduler.nowMs),
    schedule,
    random: () => lots.fraction(),
    sleep: (durationMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason as Error)
          return
        }
        const onAbort = (): void => {
          callOff()
          reject(signal?.reason as Error)
        }
        const callOff = schedule(durationMs, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
        signal?.addEventListener('abort', onAbort, { once: true })
      }),
  }
}
