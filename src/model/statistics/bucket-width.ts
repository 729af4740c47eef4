const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The ladder of round widths, in whole seconds. With the widest one, every four-digit year is in the first bucket. */
export const bucketWidthsMs: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 4, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 10, 100, 1000, 10_000, 100_000, 1_000_000].flatMap((tenfold) =>
    [1, 2, 5].map((days) => days * tenfold * DAY_MS),
  ),
]

/**
 * The least width with which a range takes no more buckets than asked for. Buckets begin at multiples of it since 1970,
 * so that moving or zooming a little gives the same ones again.
 *
 * @param range milliseconds since 1970, both inclusive, up to the year 9999, and not from before 1970 to after it
 * @param points at least 1
 */
export function bucketWidthMs(
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  points: number,
): number {
  const width = bucketWidthsMs.find((widthMs) => Math.floor(toMs / widthMs) - Math.floor(fromMs / widthMs) < points)
  if (width === undefined || (fromMs < 0 && toMs >= 0) || toMs < fromMs) {
    throw new Error(
      `invariant: a range that is up to 9999, not across 1970, and at least one point, got ${fromMs} to ${toMs}, ${points}`,
    )
  }
  return width
}
