import { systemClock } from '../../src/model/clock.js'
import type { Clock } from '../../src/model/clock.js'

interface Timer {
  readonly atMs: number
  readonly task: () => void
  readonly callOff: () => void
}

/** The machine's own clock, which a test can move on: timers that become due run at once, the earliest first. */
export class LeapableClock implements Clock {
  #leaptMs = 0
  readonly #timers = new Set<Timer>()

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#leaptMs
  }

  timeOfDayMs(): number {
    return systemClock.timeOfDayMs() + this.#leaptMs
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        callOff()
        reject(signal?.reason as Error)
      }
      const callOff = this.schedule(durationMs, () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      })
      if (signal?.aborted === true) stop()
      else signal?.addEventListener('abort', stop, { once: true })
    })
  }

  schedule(durationMs: number, task: () => void): () => void {
    const run = (): void => {
      if (!this.#timers.delete(timer)) return
      timer.callOff()
      task()
    }
    const timer: Timer = {
      atMs: this.monotonicMs() + durationMs,
      task: run,
      callOff: systemClock.schedule(durationMs, run),
    }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
      timer.callOff()
    }
  }

  random(): number {
    return systemClock.random()
  }

  leap(durationMs: number): void {
    this.#leaptMs += durationMs
    const nowMs = this.monotonicMs()
    const due = [...this.#timers].filter(({ atMs }) => atMs <= nowMs)
    for (const { task } of due.toSorted((a, b) => a.atMs - b.atMs)) task()
  }
}
