const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Widths of less than a day. */
const shortWidths: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 4, 6, 12].map((hours) => hours * HOUR_MS),
]

/**
 * The least of a fixed ladder of round widths with which a range takes no more buckets than asked for. Buckets begin at
 * multiples of it since 1970, so that moving or zooming a little gives the same ones again.
 *
 * @param range milliseconds since 1970, both inclusive
 * @param points at least 1
 */
export function bucketWidthMs(
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  points: number,
): number {
  if (fromMs < 0 || toMs < fromMs || points < 1) {
    throw new Error(`invariant: a range since 1970 and at least one point, got ${fromMs} to ${toMs} and ${points}`)
  }
  const fits = (widthMs: number): boolean => Math.floor(toMs / widthMs) - Math.floor(fromMs / widthMs) < points
  const short = shortWidths.find(fits)
  if (short !== undefined) return short
  for (let tenfoldMs = DAY_MS; ; tenfoldMs *= 10) {
    const long = [tenfoldMs, tenfoldMs * 2, tenfoldMs * 5].find(fits)
    if (long !== undefined) return long
  }
}
