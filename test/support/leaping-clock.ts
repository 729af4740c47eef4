import type { Clock } from '../../src/model/clock.js'

interface Timer {
  readonly atMs: number
  readonly task: () => void
}

/**
 * A clock without waiting: when nothing is left to do, it leaps to the next timer. For tests whose nodes answer within
 * the process; what a real socket does takes no time on it.
 */
export class LeapingClock implements Clock {
  #nowMs = 0
  #timers: Timer[] = []
  #armed = false

  monotonicMs(): number {
    return this.#nowMs
  }

  timeOfDayMs(): number {
    return 1_800_000_000_000 + this.#nowMs
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
    const timer = { atMs: this.#nowMs + Math.max(0, durationMs), task }
    this.#timers.push(timer)
    this.#arm()
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Always the middle. */
  random(): number {
    return 0.5
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    // Two turns of the event loop let all that was answered be worked off.
    setImmediate(() =>
      setImmediate(() => {
        this.#armed = false
        this.#leap()
      }),
    )
  }

  #leap(): void {
    const [next] = this.#timers.toSorted((a, b) => a.atMs - b.atMs)
    if (next === undefined) return
    this.#timers = this.#timers.filter((other) => other !== next)
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    next.task()
    if (this.#timers.length > 0) this.#arm()
  }
}
