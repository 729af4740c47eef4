/** Blocks from one number to another, both inclusive. */
export interface BlockRange {
  readonly from: bigint
  readonly to: bigint
}

/** What both have in common; null when that is nothing. */
export function intersectRanges(one: BlockRange, other: BlockRange): BlockRange | null {
  const from = one.from > other.from ? one.from : other.from
  const to = one.to < other.to ? one.to : other.to
  return from <= to ? { from, to } : null
}

/** What is left of a range without the others, ascending. */
export function subtractRanges(range: BlockRange, taken: readonly BlockRange[]): readonly BlockRange[] {
  const left: BlockRange[] = []
  let next = range.from
  for (const { from, to } of joinRanges(taken)) {
    if (from > range.to) break
    if (from > next) left.push({ from: next, to: from - 1n })
    if (to >= next) next = to + 1n
  }
  if (next <= range.to) left.push({ from: next, to: range.to })
  return left
}

/** The same blocks in ascending ranges that neither overlap nor touch. */
export function joinRanges(ranges: readonly BlockRange[]): readonly BlockRange[] {
  const joined: BlockRange[] = []
  for (const range of ranges.toSorted((one, other) => (one.from < other.from ? -1 : 1))) {
    const last = joined.at(-1)
    if (last === undefined || range.from > last.to + 1n) joined.push(range)
    else if (range.to > last.to) joined.splice(-1, 1, { from: last.from, to: range.to })
  }
  return joined
}

/** Cuts ranges into pieces of at most `blocksMax` blocks, in their order. */
export function cutRanges(ranges: readonly BlockRange[], blocksMax: bigint): readonly BlockRange[] {
  const pieces: BlockRange[] = []
  for (const { from, to } of ranges) {
    for (let start = from; start <= to; start += blocksMax) {
      const end = start + blocksMax - 1n
      pieces.push({ from: start, to: end < to ? end : to })
    }
  }
  return pieces
}

export function countBlocks(ranges: readonly BlockRange[]): bigint {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1n, 0n)
}
