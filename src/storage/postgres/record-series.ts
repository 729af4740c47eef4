import type { SeriesRequest } from '../../ledger/record-reader.js'
import { bucketWidthsMs } from '../../model/statistics/bucket-width.js'
import { coveredSpans } from '../../model/statistics/covered-time.js'
import type { BalanceBucket, BalancePoint, BalanceSeries } from '../../model/balance-statistics.js'
import { readRun, runParts, subjectPart, subjectValues } from './coverage-runs.js'
import type { RunRow } from './coverage-runs.js'
import type { Queryable, Statement } from './database.js'

/** Greater than any block number: an amount times this, and a block, are compared as one number. */
const BLOCK_SPACE = 10n ** 19n

/** What was asked for: values 4 and 5 are the range's bounds or null, 6 how many buckets there may be, 7 their widths. */
const framePart = `
  frame as materialized (
    select id, since, until, width_ms / 1000 as width
    from subject
    cross join lateral (select least($5::timestamptz, cursor_timestamp) as until) as upper
    cross join lateral (
      select coalesce(
        case when $4::timestamptz is not null then least(greatest($4, 'epoch'), until) end,
        (select timestamp from tidemark.balance_record where position_id = id and timestamp <= until
         order by timestamp, block_number limit 1),
        until) as since
    ) as lower
    cross join lateral (
      select width_ms from unnest($7::bigint[]) as ladder (width_ms)
      where floor(extract(epoch from until) * 1000 / width_ms) - floor(extract(epoch from since) * 1000 / width_ms) < $6
      order by width_ms limit 1
    ) as fitting
    where cursor_timestamp is not null
  )`

/**
 * Records of one bucket, by an index alone. The least balance and the first block that has it are the least of the two
 * packed into one number, which takes no sorting.
 */
const bucketParts = `
  bound as materialized (
    select id, width, low, high
    from frame
    cross join lateral (
      select block_number as low from tidemark.balance_record
      where position_id = id and timestamp >= since order by timestamp, block_number limit 1
    ) as first
    cross join lateral (
      select block_number as high from tidemark.balance_record
      where position_id = id and timestamp <= until order by timestamp desc, block_number desc limit 1
    ) as last
  ), bucket as materialized (
    select bucket, count(*) as count, min(block_number) as first, max(block_number) as last,
      mod(min(packed + block_number), ${BLOCK_SPACE})::bigint as lowest,
      mod(mod(-max(packed - block_number), ${BLOCK_SPACE}) + ${BLOCK_SPACE}, ${BLOCK_SPACE})::bigint as highest
    from (
      select block_number, balance * ${BLOCK_SPACE} as packed, date_part('epoch', timestamp)::bigint / width as bucket
      from bound join tidemark.balance_record on position_id = id
      where block_number between low and high
      offset 0
    ) as record
    group by bucket
  )`

const points = ['first', 'last', 'lowest', 'highest'] as const

const selectBuckets = `
  select since, until, width, bucket, count,
    before_number, before_time, before_balance,
    ${points.map((point) => `${point} as ${point}_number, ${point}_time, ${point}_balance`).join(', ')},
    case when bucket is not distinct from min(bucket) over () then (
      select json_agg(json_build_object('kind', kind, 'from_number', from_number::text, 'to_number', to_number::text,
        'from_time', from_time, 'to_time', to_time) order by from_number) from run
    ) end as runs
  from frame
  left join lateral (
    select block_number as before_number, timestamp as before_time, balance as before_balance
    from tidemark.balance_record
    where position_id = id and timestamp < since order by timestamp desc, block_number desc limit 1
  ) as before on true
  left join bucket on true
  ${points
    .map(
      (point) => `
  left join lateral (
    select timestamp as ${point}_time, balance as ${point}_balance from tidemark.balance_record
    where position_id = id and block_number = ${point} limit 1
  ) as ${point}_record on true`,
    )
    .join('')}
  order by bucket`

type PointName = (typeof points)[number] | 'before'

type PointColumns = {
  readonly [Name in PointName as `${Name}_number` | `${Name}_balance`]: string | null
} & { readonly [Name in PointName as `${Name}_time`]: Date | null }

/** Times are texts inside of JSON. */
type JsonRun = Omit<RunRow, 'from_time' | 'to_time'> & {
  readonly from_time: string | null
  readonly to_time: string | null
}

interface SeriesRow extends PointColumns {
  readonly since: Date
  readonly until: Date
  readonly width: string
  readonly bucket: string | null
  readonly count: string
  readonly runs: readonly JsonRun[] | null
}

/** A series of a position: one statement, so that all of it is of the same moment. */
export async function selectSeries(database: Queryable, request: SeriesRequest): Promise<BalanceSeries | null> {
  const rows = await database.query<SeriesRow>(seriesStatement(request))
  const [frame] = rows
  if (frame === undefined) return null
  const { since: from, until: to } = frame
  const timeOf = (text: string | null): Date | null => (text === null ? null : new Date(text))
  const intervals = (frame.runs ?? []).map((run) =>
    readRun({ ...run, from_time: timeOf(run.from_time), to_time: timeOf(run.to_time) }),
  )
  return {
    from,
    to,
    bucketMs: Number(frame.width) * 1000,
    before: frame.before_number === null ? null : readPoint(frame, 'before'),
    buckets: rows.flatMap((row) => (row.bucket === null ? [] : [readBucket(row, Number(row.bucket))])),
    coverage: coveredSpans(intervals, { from, to }),
  }
}

export function seriesStatement({ position, from, to, points: most }: SeriesRequest): Statement {
  return {
    name: 'balance-series',
    text: `with ${subjectPart}, ${runParts}, ${framePart}, ${bucketParts} ${selectBuckets}`,
    values: [...subjectValues(position), from ?? null, to ?? null, most, bucketWidthsMs],
  }
}

function readBucket(row: SeriesRow, bucket: number): BalanceBucket {
  return {
    start: new Date(bucket * Number(row.width) * 1000),
    count: Number(row.count),
    first: readPoint(row, 'first'),
    last: readPoint(row, 'last'),
    min: readPoint(row, 'lowest'),
    max: readPoint(row, 'highest'),
  }
}

function readPoint(row: SeriesRow, name: PointName): BalancePoint {
  const [balance, blockNumber, timestamp] = [row[`${name}_balance`], row[`${name}_number`], row[`${name}_time`]]
  if (balance === null || blockNumber === null || timestamp === null) {
    throw new Error(`invariant: a point is a record, got ${name} at block ${blockNumber}`)
  }
  return { balance: BigInt(balance), blockNumber: BigInt(blockNumber), timestamp }
}
