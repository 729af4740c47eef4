import { createHash } from 'node:crypto'

import type { Lots } from './lots.js'

const KEPT_STEPS = 50
/** Steps of a second follow each other within a microsecond when their owner thaws. */
const ORDER = 1_000_000

/** Who a step belongs to: a replica dies, and with it everything it still had to do. */
export interface Owner {
  readonly name: string
  alive: boolean
  /** Stopped as by a signal: what it has to do waits, while time and the world go on. */
  frozen?: { readonly fromMs: number; readonly untilMs: number } | undefined
}

interface Step {
  dueMs: number
  /** Decides between steps of one instant. */
  readonly tie: number
  readonly owner: Owner
  readonly what: string
  readonly run: () => void | Promise<void>
  cancelled: boolean
}

/**
 * All that happens, in one queue by virtual time. One step runs at a time; then everything that it woke goes on until
 * nothing is left to do but to wait, and only then does the next step run.
 *
 * Invariant: nothing outside of steps waits for the real world, so the same lots give the same course of events.
 */
export class Scheduler {
  readonly #lots: Lots
  readonly #heap: Step[] = []
  readonly #hash = createHash('sha256')
  readonly #recent: string[] = []
  readonly #onLine: ((line: string) => void) | undefined
  #nowMs = 0
  #steps = 0

  constructor(lots: Lots, onLine?: (line: string) => void) {
    this.#lots = lots
    this.#onLine = onLine
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get steps(): number {
    return this.#steps
  }

  /** The newest lines of the trace, oldest first. */
  get recent(): readonly string[] {
    return this.#recent
  }

  /** Of every line of the trace so far: equal for equal courses of events. */
  fingerprint(): string {
    return this.#hash.copy().digest('hex')
  }

  /** @returns calls the step off. */
  after(delayMs: number, owner: Owner, what: string, run: () => void | Promise<void>): () => void {
    const dueMs = this.#nowMs + Math.max(0, Math.round(delayMs * 1000) / 1000)
    const step: Step = { dueMs, tie: this.#lots.fraction(), owner, what, run, cancelled: false }
    push(this.#heap, step)
    return () => {
      step.cancelled = true
    }
  }

  /** Adds a line to the trace that is no step. */
  note(owner: Owner, text: string): void {
    const line = `${this.#nowMs.toFixed(3)} ${owner.name} ${text}`
    this.#hash.update(line)
    this.#recent.push(line)
    if (this.#recent.length > KEPT_STEPS) this.#recent.shift()
    this.#onLine?.(line)
  }

  /** @returns false when no step is left. */
  async step(): Promise<boolean> {
    for (;;) {
      const next = pop(this.#heap)
      if (next === undefined) return false
      if (next.cancelled || !next.owner.alive) continue
      if (this.#postponed(next)) continue
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      this.#steps += 1
      this.note(next.owner, next.what)
      await next.run()
      await settled()
      return true
    }
  }

  /** What a frozen owner has to do is done when it thaws, in the order in which it was due. */
  #postponed(step: Step): boolean {
    const { frozen } = step.owner
    if (frozen === undefined || frozen.untilMs <= Math.max(this.#nowMs, step.dueMs)) return false
    step.dueMs = frozen.untilMs + (step.dueMs - frozen.fromMs) / ORDER
    push(this.#heap, step)
    return true
  }

  /** Steps that an owner still has to do, for finding what it left behind. */
  pending(owner: Owner): readonly string[] {
    return this.#heap.filter((step) => step.owner === owner && !step.cancelled).map((step) => step.what)
  }
}

/** Promises are done with before the loop comes round to its next turn. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function before(a: Step, b: Step): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.tie < b.tie)
}

function push(heap: Step[], step: Step): void {
  let index = heap.push(step) - 1
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!before(step, heap[parent]!)) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = step
}

function pop(heap: Step[]): Step | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let index = 0
  for (;;) {
    let child = 2 * index + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1
    if (!before(heap[child]!, last)) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = last
  return first
}
