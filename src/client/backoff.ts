/** How long to wait between attempts. */
export interface BackoffOptions {
  /** Longest wait after the first failure. */
  readonly firstMs: number
  /** Longest wait after any number of failures. */
  readonly mostMs: number
}

/**
 * How long to wait before the next attempt: twice as long after each failure, and anything between half of it and all of
 * it, so that clients which failed together do not come back together.
 *
 * @param failures attempts that failed since the last success, from 1
 */
export function backoffMs({ firstMs, mostMs }: BackoffOptions, failures: number): number {
  const longestMs = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return longestMs * (0.5 + Math.random() / 2)
}
