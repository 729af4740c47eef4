const shownDecimals = 6

/**
 * An amount for reading: thousands separators and six decimals, cut and never rounded up. What is too small to show is
 * said to be so, since a balance that is not 0 must not look like 0.
 *
 * @param decimals null shows the smallest unit, without a point
 */
export function amountText(units: bigint, decimals: number | null): string {
  const sign = units < 0n ? '−' : ''
  const size = units < 0n ? -units : units
  if (decimals === null) return sign + grouped(size)
  const scale = 10n ** BigInt(decimals)
  const fraction = (size % scale).toString().padStart(decimals, '0').slice(0, shownDecimals).padEnd(shownDecimals, '0')
  const tooSmall = size > 0n && size < scale && /^0*$/.test(fraction)
  return tooSmall ? `${sign}<0.${'1'.padStart(shownDecimals, '0')}` : `${sign}${grouped(size / scale)}.${fraction}`
}

/** A change with its sign; a dash when there was none yet. */
export function changeText(change: bigint | null, decimals: number | null): string {
  if (change === null) return '–'
  return change > 0n ? `+${amountText(change, decimals)}` : amountText(change, decimals)
}

/** A number with thousands separators. */
export function grouped(size: bigint): string {
  return size.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** An age in its largest unit. */
export function ageText(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3_600)} h`
}

/** A duration with one decimal. */
export function secondsText(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`
}

/** A count with its noun, in the plural where it belongs. */
export function countText(count: number, noun: string): string {
  return `${grouped(BigInt(count))} ${noun}${count === 1 ? '' : 's'}`
}
