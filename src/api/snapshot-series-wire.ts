import { z } from 'zod'

import { bookNames } from '../model/snapshot-series.js'
import type { BookName, SeriesValue, SnapshotSeries } from '../model/snapshot-series.js'
import { wireTime } from './scalars.js'

/** An amount that was reported, and for when. */
interface WireSeriesValue {
  readonly ts: string
  readonly amount: string
}

interface WireSeriesBucket {
  readonly start: string
  readonly count: number
  readonly first: WireSeriesValue
  readonly last: WireSeriesValue
  readonly min: WireSeriesValue
  readonly max: WireSeriesValue
}

/** A series of one asset. */
export interface SnapshotSeriesAnswer {
  readonly book: BookName
  readonly asset: string
  readonly from: string
  readonly to: string
  readonly bucketMs: number
  readonly items: readonly WireSeriesBucket[]
}

const valueSchema: z.ZodType<WireSeriesValue> = z
  .strictObject({
    ts: wireTime,
    amount: z
      .string()
      .regex(/^\d+(\.\d+)?$/)
      .meta({ description: 'Exact decimal text', example: '100074.99978' }),
  })
  .meta({ id: 'SnapshotSeriesValue' })

const bucketSchema: z.ZodType<WireSeriesBucket> = z.strictObject({
  start: wireTime,
  count: z.int().meta({ description: 'Reports in this bucket that name the asset' }),
  first: valueSchema,
  last: valueSchema,
  min: valueSchema,
  max: valueSchema,
})

export const snapshotSeriesSchema: z.ZodType<SnapshotSeriesAnswer> = z
  .strictObject({
    book: z.enum(bookNames),
    asset: z.string(),
    from: wireTime,
    to: wireTime,
    bucketMs: z.int().meta({ description: 'Length of a bucket; buckets begin at multiples of it since 1970' }),
    items: z.array(bucketSchema),
  })
  .meta({ id: 'SnapshotSeries' })

export function encodeSnapshotSeries(
  request: { readonly book: BookName; readonly asset: string; readonly from: Date; readonly to: Date },
  series: SnapshotSeries,
): SnapshotSeriesAnswer {
  return {
    book: request.book,
    asset: request.asset,
    from: request.from.toISOString(),
    to: request.to.toISOString(),
    bucketMs: series.bucketMs,
    items: series.buckets.map(({ start, count, first, last, min, max }) => ({
      start: start.toISOString(),
      count,
      first: encodeValue(first),
      last: encodeValue(last),
      min: encodeValue(min),
      max: encodeValue(max),
    })),
  }
}

function encodeValue({ ts, amount }: SeriesValue): WireSeriesValue {
  return { ts: ts.toISOString(), amount }
}
