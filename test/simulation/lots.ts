import { createHash } from 'node:crypto'

/** Chance by a seed. Each subject has numbers of its own, so that a new question leaves the answers to the old ones. */
export class Lots {
  #state: number

  constructor(seed: number, subject: string) {
    this.#state = createHash('sha256').update(`${seed}:${subject}`).digest().readUInt32LE(0)
  }

  /** From 0 (inclusive) to 1 (exclusive); the mulberry32 generator. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('expected a list with an element, got an empty one')
    return list[this.integer(0, list.length - 1)] as T
  }

  /** A waiting time: mostly short, now and then many times as long. */
  delayMs(usualMs: number): number {
    const scale = this.chance(0.03) ? 20 : this.chance(0.1) ? 4 : 1
    return usualMs * scale * (0.2 + 1.6 * this.fraction())
  }
}
