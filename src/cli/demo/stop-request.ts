/** Why the demo ends, when nothing is wrong. */
export type StopReason = 'signal' | 'duration' | 'output closed'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A terminal and npm both pass on the same Ctrl-C: what comes this soon is no second one. */
const sameSignalMs = 1_000

/** The exit code of a process that Ctrl-C ended. */
const interruptedCode = 130

/** Collects every way in which the demo may be asked to stop; the first one counts. */
export class StopRequest {
  readonly requested: Promise<StopReason>
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  #resolve: (reason: StopReason) => void = () => {}
  #requestedAtMs: number | null = null

  constructor(durationMs: number | null) {
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve
    })
    for (const signal of signals) process.on(signal, this.#onSignal)
    // The reader of a pipe may go away, and a terminal may be closed. The last words may meet that too: these stay.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => this.#request('output closed'))
    if (durationMs !== null) this.#timer = setTimeout(() => this.#request('duration'), durationMs)
  }

  /** Aborted once a stop is requested. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const signal of signals) process.off(signal, this.#onSignal)
  }

  readonly #onSignal = (): void => {
    if (this.#requestedAtMs === null) return this.#request('signal')
    if (performance.now() - this.#requestedAtMs < sameSignalMs) return
    // Whatever was started watches a channel to this process, and ends and clears up by itself.
    process.exit(interruptedCode)
  }

  #request(reason: StopReason): void {
    if (this.#requestedAtMs !== null) return
    this.#requestedAtMs = performance.now()
    this.#abort.abort()
    this.#resolve(reason)
  }
}
