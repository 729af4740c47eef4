import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { until } from '../../support/until.js'
import type { LoadFile, Counts, Order } from './load-orders.js'

const entry = join(import.meta.dirname, 'load-process.ts')
const loader = join(import.meta.dirname, '../../../node_modules/tsx/dist/loader.mjs')
/** Longer than any caller waits for an answer. */
const PROGRESS_TIMEOUT_MS = 60_000

export interface LoadOptions {
  readonly urls: readonly string[]
  /** Where viewers connect; default: where reporters do. */
  readonly viewerUrls?: readonly string[]
  readonly writeToken: string
  readonly readToken: string
  readonly seed: number
  readonly callers?: number
  readonly viewers?: number
  readonly paceMs?: number
}

/** Reporters and viewers, each kind in a process of its own. */
export class Load {
  readonly #reporters: LoadProcess
  readonly #viewers: LoadProcess
  readonly #folder: string

  private constructor(reporters: LoadProcess, viewers: LoadProcess, folder: string) {
    this.#reporters = reporters
    this.#viewers = viewers
    this.#folder = folder
  }

  /** Starts both processes; nothing is sent yet. */
  static async prepare(): Promise<Load> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    return new Load(new LoadProcess(), new LoadProcess(), folder)
  }

  async begin(options: LoadOptions): Promise<void> {
    const { urls, viewerUrls = urls, seed, callers = 36, viewers = 4, paceMs = 25 } = options
    await this.#viewers.tell({ order: 'view', urls: viewerUrls, token: options.readToken, viewers })
    await this.#reporters.tell({ order: 'report', urls, token: options.writeToken, seed, callers, paceMs })
  }

  /** What reporters know, and where viewers are. */
  async counts(): Promise<Counts> {
    const [sent, seen] = await Promise.all([
      this.#reporters.tell({ order: 'count' }),
      this.#viewers.tell({ order: 'count' }),
    ])
    return { ...sent, seen: seen.seen, connections: seen.connections }
  }

  /** Waits until so many more reports are acknowledged; the counts of that moment. */
  async progress(acknowledgements: number): Promise<Counts> {
    const before = await this.counts()
    let now = before
    await until(
      `${acknowledgements} more reports are acknowledged`,
      async () => (now = await this.counts()).acknowledged >= before.acknowledged + acknowledgements,
      PROGRESS_TIMEOUT_MS,
    )
    return now
  }

  /** Every viewer leaves by itself and comes back. */
  async leave(): Promise<void> {
    await this.#viewers.tell({ order: 'leave' })
  }

  /** No new report is begun, and every one under way has come to its end. */
  async rest(): Promise<void> {
    await this.#reporters.tell({ order: 'rest' })
  }

  /** Waits, within a limit, until every viewer has seen the log up to there. */
  async follow(head: number): Promise<void> {
    const reached = async (): Promise<boolean> => (await this.counts()).seen.every((seq) => seq >= head)
    // Whoever stays behind is told of by the checker, who knows what was missed.
    await until('viewers see everything', reached, PROGRESS_TIMEOUT_MS).catch(() => undefined)
  }

  /** Ends both processes and reads what they wrote down. */
  async finish(): Promise<LoadFile> {
    const [sent, seen] = await Promise.all([
      this.#reporters.finish(join(this.#folder, 'reporters.json')),
      this.#viewers.finish(join(this.#folder, 'viewers.json')),
    ])
    return { reports: sent.reports, viewers: seen.viewers }
  }

  /** Ends both processes, however they stand. */
  async dispose(): Promise<void> {
    await Promise.all([this.#reporters.end(), this.#viewers.end()])
    await rm(this.#folder, { recursive: true, force: true })
  }
}

class LoadProcess {
  readonly #child: ChildProcess
  readonly #calls = new Map<number, (counts: Counts) => void>()
  #call = 0
  #ended = false

  constructor() {
    this.#child = fork(entry, [], { execArgv: ['--import', loader], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', ({ call, counts }: { call: number; counts: Counts }) => this.#calls.get(call)?.(counts))
    this.#child.on('exit', () => (this.#ended = true))
  }

  tell(order: Order): Promise<Counts> {
    this.#call += 1
    const call = this.#call
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`the process of the load ended before it did: ${order.order}`))
      if (this.#ended) return gone()
      this.#child.once('exit', gone)
      this.#calls.set(call, (counts) => {
        this.#calls.delete(call)
        this.#child.off('exit', gone)
        resolve(counts)
      })
      this.#child.send({ ...order, call })
    })
  }

  async finish(file: string): Promise<LoadFile> {
    await this.tell({ order: 'finish', file })
    await this.end()
    return JSON.parse(await readFile(file, 'utf8')) as LoadFile
  }

  async end(): Promise<void> {
    if (this.#ended) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}
