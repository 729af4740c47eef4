import type { BlockPins } from './block-pins.js'
import { ChangeLog, balanceQuery, readingOf } from './found-change.js'
import type { Findings, SearchedPosition } from './found-change.js'
import { readPast } from './read-past.js'
import { BLOCKS_AT_ONCE } from './search-context.js'
import type { SearchContext } from './search-context.js'

/** Reads every position at every block of the span: nothing can be missed. */
export async function sweepBlocks(
  { client, logger, signal, onBlocks }: SearchContext,
  pins: BlockPins,
  positions: readonly SearchedPosition[],
): Promise<Findings> {
  const log = new ChangeLog(positions)
  const queries = positions.map(balanceQuery)
  const times = new Map<bigint, number>()
  for (let first = pins.from.number + 1n; first <= pins.to.number; first += BigInt(BLOCKS_AT_ONCE)) {
    signal?.throwIfAborted()
    const numbers = Array.from({ length: BLOCKS_AT_ONCE }, (_, index) => first + BigInt(index)).filter(
      (number) => number <= pins.to.number,
    )
    const readings = await Promise.all(numbers.map((number) => readPast(client, pins.at(number), queries, logger)))
    numbers.forEach((number, place) => {
      const reading = readings[place]
      if (reading === undefined) throw new Error('invariant: one reading for each block')
      times.set(number, reading.timestampSeconds)
      const header = pins.header(number, reading.timestampSeconds)
      positions.forEach((position, index) => log.note(header, readingOf(position, reading.answers[index])))
    })
    onBlocks?.(BigInt(numbers.length))
  }
  // Each block has cost a reading already: explaining all of them is no more than following them live would cost.
  const bodiesMax = Number(pins.to.number - pins.from.number)
  return { changes: log.changes, ends: log.ends(), times, logs: null, bodiesMax }
}
