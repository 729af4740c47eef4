import type { SeriesBucket } from '../../model/snapshot-series.js'
import type { SnapshotSeriesRequest } from '../../snapshots/snapshot-reader.js'
import type { Statement } from './database.js'
import { HOUR_MS, MINUTE_MS, ceilTo, cutRange } from './range-pieces.js'
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
  return ceilTo(least, least <= HOUR_MS ? MINUTE_MS : HOUR_MS)
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
  const { rows, minutes, hours } = cutRange(span, widestFor(bucketMs))
  // The book is one of two words of ours: it names a column.
  const column = request.book === 'onchain' ? 'onchain' : 'onsite'
  const point = (source: string): string => `
    select ts as at, 1 as count, ${extremesOfOne} from (
      select ts, ${millisecondsOf('ts')} as ms, seq::numeric as seq, (${column} ->> $2::text)::numeric as amount
      from ${source}
    ) as point where amount is not null`
  const sums = (widthMinutes: 1 | 60, from: string, end: string): string => `
    select start as at, count, first, last, lowest, highest from tidemark.snapshot_rollup
    where book = $1 and asset = $2 and width_minutes = ${widthMinutes} and start >= ${from} and start < ${end}`
  const summedRows = (from: string, end: string): string => `
    tidemark."BalanceSnapshot" cross join tidemark.snapshot_upkeep
    where ts >= ${from} and ts < ${end} and seq <= rolled_up_seq`
  return {
    name: `snapshot-series-${column}`,
    text: `
      with ${tail}, piece as (
        ${sums(60, '$12', '$13')}
        union all ${sums(1, '$8', '$9')}
        union all ${sums(1, '$10', '$11')}
        union all ${point(summedRows('$4', '$5'))}
        union all ${point(summedRows('$6', '$7'))}
        union all ${point('tail where ts >= $14 and ts < $15')}
      ), bucket as (
        select date_bin($3 * interval '1 millisecond', at, 'epoch') as start, sum(count) as count, ${extremesOfMany}
        from piece group by 1
      )
      select start, count,
        first[1] as first_ms, trim_scale(first[3]) as first_amount,
        last[1] as last_ms, trim_scale(last[3]) as last_amount,
        lowest[2] as min_ms, trim_scale(lowest[1]) as min_amount,
        -highest[2] as max_ms, trim_scale(highest[1]) as max_amount
      from bucket order by start`,
    values: [
      request.book,
      request.asset,
      bucketMs,
      ...[...rows, ...minutes, hours, span].flatMap(({ from, end }) => [new Date(from), new Date(end)]),
    ],
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

/** Pieces must not be wider than the buckets they go into. */
function widestFor(bucketMs: number): 1 | typeof MINUTE_MS | typeof HOUR_MS {
  if (bucketMs < MINUTE_MS) return 1
  return bucketMs < HOUR_MS || bucketMs % HOUR_MS !== 0 ? MINUTE_MS : HOUR_MS
}
