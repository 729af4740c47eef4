import type { SeriesBucket } from '../../model/snapshot-series.js'
import type { SnapshotSeriesRequest } from '../../snapshots/snapshot-reader.js'
import type { Statement } from './database.js'
import { MINUTE_MS, SUM_WIDTHS, ceilTo, cutRange, widestSum } from './range-pieces.js'
import type { Span } from './range-pieces.js'
import { extremesOfMany, extremesOfOne, millisecondsOf } from './rollup-statements.js'

/**
 * The snapshots that are not in the sums yet. A range of seqs that is closed at both ends lets the planner take the
 * primary key, and `offset 0` keeps it from preferring another index.
 */
export const tail = `
  tail as (
    select fresh.seq, fresh.ts, fresh.onchain, fresh.onsite
    from tidemark.snapshot_upkeep as upkeep cross join tidemark.event_log as log
      cross join lateral (
        select seq, ts, onchain, onsite from tidemark."BalanceSnapshot"
        where seq > upkeep.rolled_up_seq and seq <= log.seq
        order by seq offset 0
      ) as fresh
  )`

/** How long a bucket is: as many of them as asked for cover the range wherever it begins. */
export function bucketWidthMs({ from, end }: Span, points: number): number {
  const least = Math.max(1, Math.ceil((end - from) / (points - 1)))
  if (least < MINUTE_MS) return least
  const unit = SUM_WIDTHS.findLast((minutes) => minutes * MINUTE_MS <= least) ?? 1
  return ceilTo(least, unit * MINUTE_MS)
}

export interface SeriesRow {
  readonly start: Date
  readonly count: string
  readonly first_ms: string
  readonly first_amount: string
  readonly last_ms: string
  readonly last_amount: string
  readonly min_ms: string
  readonly min_amount: string
  readonly max_ms: string
  readonly max_amount: string
}

/** Everything that was reported of an asset in a range, by buckets. */
export function selectSeries(request: SnapshotSeriesRequest, span: Span, bucketMs: number): Statement {
  const { rows, sums } = cutRange(span, widestSum(bucketMs))
  const values: unknown[] = []
  const value = (given: unknown): string => `$${values.push(given)}`
  const within = (column: string, { from, end }: Span): string =>
    `${column} >= ${value(new Date(from))} and ${column} < ${value(new Date(end))}`
  const book = value(request.book)
  const asset = `${value(request.asset)}::text`
  const width = `${value(bucketMs)} * interval '1 millisecond'`
  // The book is one of two words of ours: it names a column.
  const column = request.book === 'onchain' ? 'onchain' : 'onsite'
  const point = (source: string): string => `
    select ts as at, 1 as count, ${extremesOfOne} from (
      select ts, ${millisecondsOf('ts')} as ms, seq::numeric as seq, (${column} ->> ${asset})::numeric as amount
      from ${source}
    ) as point where amount is not null`
  const pieces = [
    ...sums.map(
      (piece) => `
      select start as at, count, first, last, lowest, highest from tidemark.snapshot_rollup
      where book = ${book} and asset = ${asset} and width_minutes = ${piece.widthMinutes} and ${within('start', piece)}`,
    ),
    ...rows.map((piece) =>
      point(`tidemark."BalanceSnapshot" cross join tidemark.snapshot_upkeep
             where ${within('ts', piece)} and seq <= rolled_up_seq`),
    ),
    point(`tail where ${within('ts', span)}`),
  ]
  return {
    name: `snapshot-series-${column}`,
    text: `
      with ${tail}, piece as (${pieces.join(' union all ')}), bucket as (
        select date_bin(${width}, at, 'epoch') as start, sum(count) as count, ${extremesOfMany} from piece group by 1
      )
      select start, count,
        first[1] as first_ms, trim_scale(first[3]) as first_amount,
        last[1] as last_ms, trim_scale(last[3]) as last_amount,
        lowest[2] as min_ms, trim_scale(lowest[1]) as min_amount,
        -highest[2] as max_ms, trim_scale(highest[1]) as max_amount
      from bucket order by start`,
    values,
  }
}

export function readBucket(row: SeriesRow): SeriesBucket {
  return {
    start: row.start,
    count: Number(row.count),
    first: { ts: new Date(Number(row.first_ms)), amount: row.first_amount },
    last: { ts: new Date(Number(row.last_ms)), amount: row.last_amount },
    min: { ts: new Date(Number(row.min_ms)), amount: row.min_amount },
    max: { ts: new Date(Number(row.max_ms)), amount: row.max_amount },
  }
}
