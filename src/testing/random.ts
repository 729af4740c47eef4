/** A seeded source of numbers: the same seed gives the same numbers on every machine. */
export interface Random {
  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number
  /** One element of a list that has some. */
  pick<T>(list: readonly T[]): T
}

/** The mulberry32 generator: 32 bits of state, good enough to shuffle a test, useless for secrets. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    integer,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new RangeError('expected a list with an element, got an empty one')
      return list[integer(0, list.length - 1)] as T
    },
  }
}
