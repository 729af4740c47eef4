/** Milliseconds since 1970, `end` exclusive; empty when both are the same. */
export interface Span {
  readonly from: number
  readonly end: number
}

/** A time range, cut where minutes and hours begin: every instant of it is in exactly one piece. */
export interface RangePieces {
  /** What does not fill a minute: read from the rows. */
  readonly rows: readonly [Span, Span]
  /** Whole minutes. */
  readonly minutes: readonly [Span, Span]
  /** Whole hours. */
  readonly hours: Span
}

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000

/**
 * Cuts a range into whole hours in the middle, whole minutes around them, and the rest at both ends.
 *
 * @param widest the widest pieces that may be used: 1 ms stands for rows
 */
export function cutRange({ from, end }: Span, widest: 1 | typeof MINUTE_MS | typeof HOUR_MS): RangePieces {
  const whole = (span: Span, widthMs: number): Span => {
    const first = ceilTo(span.from, widthMs)
    const last = floorTo(span.end, widthMs)
    return widest >= widthMs && first < last ? { from: first, end: last } : { from: span.end, end: span.end }
  }
  const inMinutes = whole({ from, end: Math.max(from, end) }, MINUTE_MS)
  const hours = whole(inMinutes, HOUR_MS)
  return {
    rows: [
      { from, end: inMinutes.from },
      { from: inMinutes.end, end: Math.max(inMinutes.end, end) },
    ],
    minutes: [
      { from: inMinutes.from, end: hours.from },
      { from: hours.end, end: inMinutes.end },
    ],
    hours,
  }
}

export function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}

export function ceilTo(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
