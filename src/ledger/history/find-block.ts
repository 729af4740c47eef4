import type { HistorySource } from './history-source.js'

/**
 * The first block at or after a time, by halving; blocks of one second count as one.
 *
 * @returns the number after `last` when all blocks are older.
 */
export async function findBlockAt(source: Pick<HistorySource, 'header'>, time: Date, last: bigint): Promise<bigint> {
  const seconds = time.getTime() / 1000
  let low = 0n
  let high = last + 1n
  while (low < high) {
    const middle = (low + high) / 2n
    const { timestampSeconds } = await source.header(middle)
    if (timestampSeconds < seconds) low = middle + 1n
    else high = middle
  }
  return low
}
