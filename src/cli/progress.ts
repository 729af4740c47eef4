import { createLogUpdate } from 'log-update'

import { formatDuration } from './format-duration.js'

const REDRAW_MS = 200
/** Where nobody watches a terminal, one line now and then does for a log. */
const LINE_MS = 10_000
const BAR_CELLS = 28
/** The rate is measured over the last steps, so that it follows a provider that slows down. */
const RATE_WINDOW_MS = 15_000

export interface ProgressOptions {
  /** What is being done, as a title. */
  readonly title: string
  /** What is counted, in the plural. */
  readonly unit: string
  readonly stream?: NodeJS.WriteStream | undefined
  readonly nowMs?: (() => number) | undefined
}

export interface ProgressState {
  readonly done: number
  /** 0 while it is not known. */
  readonly total: number
  /** Something worth telling beside the count. */
  readonly note?: string | undefined
}

interface Sample {
  readonly atMs: number
  readonly done: number
}

/** A progress bar with rate and time left on a terminal; one line every ten seconds elsewhere. */
export class Progress {
  readonly #options: ProgressOptions
  readonly #stream: NodeJS.WriteStream
  readonly #panel: ReturnType<typeof createLogUpdate> | null
  readonly #nowMs: () => number
  readonly #startedAtMs: number
  #samples: Sample[] = []
  #shownAtMs: number

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#stream = options.stream ?? process.stderr
    this.#panel = this.#stream.isTTY ? createLogUpdate(this.#stream) : null
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#startedAtMs = this.#nowMs()
    this.#shownAtMs = this.#panel === null ? this.#startedAtMs : Number.NEGATIVE_INFINITY
  }

  update(state: ProgressState): void {
    const nowMs = this.#nowMs()
    this.#samples.push({ atMs: nowMs, done: state.done })
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - RATE_WINDOW_MS) this.#samples.shift()
    if (nowMs - this.#shownAtMs < (this.#panel === null ? LINE_MS : REDRAW_MS)) return
    this.#shownAtMs = nowMs
    const line = this.#line(state, nowMs)
    if (this.#panel === null) this.#stream.write(`${line}\n`)
    else this.#panel(line)
  }

  /** Takes the bar away; what came of the work is told by the command. */
  end(): void {
    this.#panel?.clear()
    this.#panel?.done()
  }

  #line({ done, total, note }: ProgressState, nowMs: number): string {
    const [first] = this.#samples
    const elapsedMs = first === undefined ? 0 : nowMs - first.atMs
    const perSecond = first === undefined || elapsedMs < 500 ? null : ((done - first.done) / elapsedMs) * 1000
    const share = total === 0 ? 0 : Math.min(1, done / total)
    const parts = [
      this.#options.title,
      ...(total === 0 ? [] : [this.#panel === null ? `${Math.floor(share * 100)} %` : bar(share)]),
      `${grouped(done)}${total === 0 ? '' : ` of ${grouped(total)}`} ${this.#options.unit}`,
      ...(perSecond === null ? [] : [`${grouped(Math.round(perSecond))}/s`]),
      ...(perSecond === null || perSecond <= 0 || total === 0
        ? []
        : [`${formatDuration(((total - done) / perSecond) * 1000)} left`]),
      ...(note === undefined ? [] : [note]),
    ]
    return parts.join('  ')
  }
}

function bar(share: number): string {
  const filled = Math.round(share * BAR_CELLS)
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)} ${String(Math.floor(share * 100)).padStart(3)} %`
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
