/** The widths in which snapshots are summed up, in minutes. Each is a multiple of the one before. */
export const SUM_WIDTHS = [1, 10, 60] as const
export type SumWidth = (typeof SUM_WIDTHS)[number]

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000

/** Milliseconds since 1970, `end` exclusive; empty when both are the same. */
export interface Span {
  readonly from: number
  readonly end: number
}

/** A part of a range that consists of whole sums of one width. */
export interface SummedPiece extends Span {
  readonly widthMinutes: SumWidth
}

/** A time range, cut where sums begin: every instant of it is in exactly one piece. */
export interface RangePieces {
  /** What does not fill a minute: read from the rows. */
  readonly rows: readonly [Span, Span]
  /** In order of time, wide ones in the middle. Their number and widths are always the same; some may be empty. */
  readonly sums: readonly SummedPiece[]
}

/**
 * Cuts a range into sums as wide as possible, and the rest at both ends.
 *
 * @param widestMinutes no wider sums are used; 0 for none
 */
export function cutRange({ from, end }: Span, widestMinutes: SumWidth | 0): RangePieces {
  const sums: SummedPiece[] = []
  let outer: Span = { from, end: Math.max(from, end) }
  const rows: Span[] = []
  for (const [index, widthMinutes] of SUM_WIDTHS.entries()) {
    const inner = widthMinutes <= widestMinutes ? wholeUnits(outer, widthMinutes * MINUTE_MS) : emptyAt(outer.end)
    const [before, after] = [
      { from: outer.from, end: inner.from },
      { from: inner.end, end: outer.end },
    ]
    const narrower = SUM_WIDTHS[index - 1]
    if (narrower === undefined) rows.push(before, after)
    else sums.splice(index - 1, 0, { ...before, widthMinutes: narrower }, { ...after, widthMinutes: narrower })
    outer = inner
  }
  sums.splice(SUM_WIDTHS.length - 1, 0, { ...outer, widthMinutes: 60 })
  const [first, last] = rows
  if (first === undefined || last === undefined) throw new Error('invariant: a range has two ends')
  return { rows: [first, last], sums }
}

/** The widest sums whose multiple a length of time is; 0 when it is no multiple of a minute. */
export function widestSum(lengthMs: number): SumWidth | 0 {
  return SUM_WIDTHS.findLast((minutes) => lengthMs % (minutes * MINUTE_MS) === 0) ?? 0
}

export function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}

export function ceilTo(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function wholeUnits(span: Span, unitMs: number): Span {
  const whole = { from: ceilTo(span.from, unitMs), end: floorTo(span.end, unitMs) }
  return whole.from < whole.end ? whole : emptyAt(span.end)
}

function emptyAt(instant: number): Span {
  return { from: instant, end: instant }
}
