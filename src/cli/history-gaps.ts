import type { WireBalanceRecord, WireBalanceStats, WireCoverageInterval } from '../client/index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { timeText } from './history-lines.js'
import type { BalanceSource, PositionName, SourceRange, TimeBounds } from './source/balance-source.js'
import { countText } from './terminal/amount-text.js'

/** What was shown of what was asked for. */
interface Shown {
  readonly oldest: WireBalanceRecord | null
  readonly newest: WireBalanceRecord | null
  /** Whether there are older records that were asked for. */
  readonly more: boolean
}

/**
 * Says what of the blocks or the time that was asked for is not known exactly: there, changes may be missing. What lies
 * before the position was first seen is none of it, unless it was asked for by block number.
 */
export async function tellGaps(
  source: BalanceSource,
  position: PositionName,
  range: SourceRange,
  shown: Shown,
): Promise<ExitCode> {
  const intervals = await source.coverage(position)
  const gaps = gapsOfBlocks(intervals, range, shown)
  if (intervals.length > 0) {
    for (const part of partsByTime(range, shown)) gaps.push(...(await timesNotKnown(source, position, part)))
  }
  const [first] = gaps
  if (first === undefined) return exitCodes.ok
  const more = gaps.length === 1 ? '' : `, and ${countText(gaps.length - 1, 'more stretch').replace(/chs$/, 'ches')}`
  console.error(`Changes may be missing in ${first}${more}. tidemark backfill fills in what was not seen.`)
  return exitCodes.partial
}

/** Of the blocks from the oldest record that is shown, or from the block that was asked for. */
function gapsOfBlocks(intervals: readonly WireCoverageInterval[], range: SourceRange, shown: Shown): string[] {
  const from = range.fromBlock ?? shown.oldest?.blockNumber
  // With a time as the upper bound the blocks after the newest record are not known by number.
  const to = range.toBlock ?? (range.to === undefined ? undefined : shown.newest?.blockNumber)
  return from === undefined ? [] : gapsOf(intervals, BigInt(from), to === undefined ? null : BigInt(to))
}

/** The time before the oldest and after the newest record that are shown, as far as it was asked for. */
function partsByTime({ from, to }: SourceRange, { oldest, newest, more }: Shown): TimeBounds[] {
  if (oldest === null || newest === null) return from === undefined ? [] : [{ from, to }]
  return [
    ...(from === undefined || more ? [] : [{ from, to: new Date(oldest.timestamp) }]),
    ...(to === undefined ? [] : [{ from: new Date(newest.timestamp), to }]),
  ]
}

async function timesNotKnown(source: BalanceSource, position: PositionName, bounds: TimeBounds): Promise<string[]> {
  const { from, to, coverage } = await source.stats(position, bounds)
  const isSeen = (await source.balanceAt(position, { time: new Date(from) })) !== null
  return timeGapsOf(coverage, isSeen ? from : (coverage[0]?.from ?? to), to)
}

/** Stretches of the time between the two that are not exact, in words. */
export function timeGapsOf(spans: WireBalanceStats['coverage'], from: string, to: string): string[] {
  const stretch = (first: string, last: string, why: string): string[] =>
    Date.parse(first) < Date.parse(last) ? [`the time from ${timeText(first)} to ${timeText(last)} UTC, ${why}`] : []
  const gaps: string[] = []
  let next = from
  for (const span of spans) {
    gaps.push(...stretch(next, span.from, 'when nobody watched'))
    if (span.kind === 'sampled') gaps.push(...stretch(span.from, span.to, 'which was only sampled'))
    next = span.to
  }
  return [...gaps, ...stretch(next, to, 'when nobody watched')]
}

/** Stretches of `from` to `to` that are not exact, in words. `to` null: as far as the position was watched. */
export function gapsOf(intervals: readonly WireCoverageInterval[], from: bigint, to: bigint | null): string[] {
  const gaps: string[] = []
  let next = from
  for (const { fromBlock, toBlock, kind } of intervals) {
    const [first, last] = [BigInt(fromBlock), toBlock === null ? null : BigInt(toBlock)]
    if (last !== null && last < next) continue
    if (to !== null && first > to) break
    if (first > next) gaps.push(`blocks ${next} to ${first - 1n}, which nobody watched`)
    const end = last === null || (to !== null && to < last) ? to : last
    if (kind === 'sampled') {
      const start = first > next ? first : next
      gaps.push(`blocks ${start} ${end === null ? 'and later' : `to ${end}`}, which were only sampled`)
    }
    if (last === null) return gaps
    next = last + 1n
  }
  if (to !== null && next <= to) gaps.push(`blocks ${next} to ${to}, which nobody watched`)
  return gaps
}
