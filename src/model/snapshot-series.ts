/** The two sides of a report. */
export const bookNames = ['onchain', 'onsite'] as const
export type BookName = (typeof bookNames)[number]

/** An amount that was reported, and for when. */
export interface SeriesValue {
  readonly ts: Date
  /** Exact decimal text, without zeros at its end. */
  readonly amount: string
}

/** All reports of an asset in one bucket. Of equal amounts the earliest is told. */
export interface SeriesBucket {
  readonly start: Date
  /** Reports that name the asset. */
  readonly count: number
  readonly first: SeriesValue
  readonly last: SeriesValue
  readonly min: SeriesValue
  readonly max: SeriesValue
}

/** What was reported of one asset, in buckets of equal length. */
export interface SnapshotSeries {
  /** Buckets begin at multiples of this since 1970. */
  readonly bucketMs: number
  /** Oldest first; one without a report is absent. */
  readonly buckets: readonly SeriesBucket[]
}
