/** How often to repeat something: `npm run test:long` takes its time, `npm test` does not. */
export function times(short: number, long: number): number {
  return process.env['TIDEMARK_TEST_LONG'] === '1' ? long : short
}

/** The numbers from `first` on, as many as `times` says. */
export function seeds(first: number, short: number, long: number): readonly number[] {
  return Array.from({ length: times(short, long) }, (_, index) => first + index)
}

/** A time limit for a test that is repeated: longer in the long form. */
export const longTimeoutMs: number = times(60_000, 900_000)
