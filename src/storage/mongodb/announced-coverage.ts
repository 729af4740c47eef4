import type { CoverageReader, PositionCoverage } from '../../ledger/record-reader.js'
import type { TimedInterval } from '../../model/coverage.js'
import type { Position } from '../../model/position.js'

/** Blocks, bounds included. */
export interface BlockSpan {
  readonly from: bigint
  readonly to: bigint
}

/** What the ledger stored of history and has not told of yet. */
export interface UnannouncedHistory {
  /** In the order of the positions; empty for most. */
  unannounced(positions: readonly Position[]): Promise<readonly (readonly BlockSpan[])[]>
}

/**
 * Coverage without what the log does not tell of yet. A run that fills in history stores it piece by piece, and announces
 * all of it at its end: until then its records are not in MongoDB, and those blocks count as unseen.
 */
export class AnnouncedCoverage implements CoverageReader {
  readonly #coverage: CoverageReader
  readonly #history: UnannouncedHistory

  constructor(coverage: CoverageReader, history: UnannouncedHistory) {
    this.#coverage = coverage
    this.#history = history
  }

  async timedCoverage(positions: readonly Position[]): Promise<readonly (PositionCoverage | null)[]> {
    // In this order: what is announced in between is in the log, where whoever reads records looks afterwards.
    const covered = await this.#coverage.timedCoverage(positions)
    const unannounced = await this.#history.unannounced(positions)
    return covered.map((coverage, index) => {
      const spans = unannounced[index] ?? []
      if (coverage === null || spans.length === 0) return coverage
      return { ...coverage, intervals: withoutSpans(coverage.intervals, spans) }
    })
  }
}

/** Intervals less the blocks of some spans. The time of a bound that comes of cutting is not known. */
export function withoutSpans(
  intervals: readonly TimedInterval[],
  spans: readonly BlockSpan[],
): readonly TimedInterval[] {
  return spans.reduce((left, span) => left.flatMap((interval) => withoutSpan(interval, span)), intervals)
}

function withoutSpan(interval: TimedInterval, span: BlockSpan): readonly TimedInterval[] {
  const isBelow = interval.to !== null && interval.to < span.from
  if (isBelow || interval.from > span.to) return [interval]
  const lower: TimedInterval = { ...interval, to: span.from - 1n, toTime: null }
  const upper: TimedInterval = { ...interval, from: span.to + 1n, fromTime: null }
  return [
    ...(interval.from < span.from ? [lower] : []),
    ...(interval.to === null || interval.to > span.to ? [upper] : []),
  ]
}
