import { setTimeout as delay } from 'node:timers/promises'

/**
 * Time and chance. Everything that waits, measures or draws lots asks one of these, so that a simulation can play them.
 */
export interface Clock {
  /** Milliseconds of a clock that only moves on, whatever happens to the time of day; its zero means nothing. */
  monotonicMs(): number
  /** Milliseconds since 1970, for comparing with block timestamps only. */
  timeOfDayMs(): number
  /** @throws the signal's reason when it is aborted before the time is over. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
  /** Runs `task` once after a time; the returned function calls that off. */
  schedule(durationMs: number, task: () => void): () => void
  /** From 0 (inclusive) to 1 (exclusive). */
  random(): number
}

/** The machine's own time and chance. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  timeOfDayMs: () => Date.now(),
  sleep: (durationMs, signal) => delay(durationMs, undefined, signal === undefined ? {} : { signal }),
  schedule(durationMs, task) {
    const timer = setTimeout(task, durationMs)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
