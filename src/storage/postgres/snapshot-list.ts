import type { Statement } from './database.js'
import { HOUR_MS, MINUTE_MS, cutRange, floorTo } from './range-pieces.js'
import type { Span, SummedPiece } from './range-pieces.js'
import { tail } from './snapshot-series.js'

/** A place in the list, newest first: everything below it is meant. */
export interface ListPlace {
  readonly ts: Date
  readonly seq: bigint
}

export interface PageRequest {
  readonly span: Span
  readonly below: ListPlace
  readonly limit: number
  readonly offset: number
  /** An offset up to this is reached by going through the rows; beyond, whole minutes are skipped by their sums. */
  readonly walkedMax: number
}

/** One page of a list, and how many rows there are in the time range; the row of a page that is empty has no id. */
export function selectPage(page: PageRequest, everything: boolean): Statement {
  const values: unknown[] = []
  const value = (given: unknown): string => {
    values.push(given)
    return `$${values.length}`
  }
  const time = (at: number): string => `${value(new Date(at))}::timestamptz`
  const walks = page.offset <= page.walkedMax
  const rows = walks ? walkedPage(page, { value, time }) : skippedPage(page, { value, time })
  const total = everything ? 'select snapshots as total from tidemark.event_log' : countRange(page.span, time)
  return {
    name: `list-snapshots${walks ? '' : '-skipping'}${everything ? '' : '-in-range'}`,
    text: `
      with ${tail}, total as (${total}) ${rows.parts}
      select total.total, page.*
      from total left join lateral (${rows.page}) as page on true
      order by page.ts desc, page.seq desc`,
    values,
  }
}

/** Takes values into a statement. */
interface Values {
  readonly value: (given: unknown) => string
  readonly time: (at: number) => string
}

interface PageParts {
  /** Parts that the page needs, each after a comma. */
  readonly parts: string
  readonly page: string
}

const columns = 'seq, id, ts, pid, onchain, onsite'

function walkedPage({ span, below, limit, offset }: PageRequest, { value, time }: Values): PageParts {
  return {
    parts: '',
    page: `
      select ${columns} from tidemark."BalanceSnapshot"
      where ts >= ${time(span.from)} and (ts, seq) < (${time(below.ts.getTime())}, ${value(below.seq)}::bigint)
      order by ts desc, seq desc
      limit ${value(limit)} offset ${value(offset)}`,
  }
}

/**
 * Goes down the list by the numbers of snapshots per hour, then per minute, until the offset lies within one minute, and
 * walks only through that one.
 */
function skippedPage({ span, below, limit, offset }: PageRequest, { value, time }: Values): PageParts {
  const minute = time(floorTo(below.ts.getTime(), MINUTE_MS))
  const hour = time(floorTo(below.ts.getTime(), HOUR_MS))
  const from = time(span.from)
  const place = `(${time(below.ts.getTime())}, ${value(below.seq)}::bigint)`
  const skip = `${value(offset)}::bigint`
  const lastFitting = (units: string): string => `
    select start, width_minutes, before from (
      select start, width_minutes, sum(sum(count)) over (order by start desc) - sum(count) as before
      from (${units}) as unit group by start, width_minutes
    ) as ranked where before <= ${skip} order by start limit 1`
  return {
    parts: `
      , coarse as (${lastFitting(`
        select ${minute} as start, 0 as width_minutes, count(*) as count from tidemark."BalanceSnapshot"
        where ts >= ${minute} and (ts, seq) < ${place}
        union all
        select start, width_minutes, count from tidemark.snapshot_count
        where width_minutes = 1 and start >= ${hour} and start < ${minute}
        union all
        select start, width_minutes, count from tidemark.snapshot_count
        where width_minutes = 60 and start >= date_bin('1 hour', ${from}, 'epoch') and start < ${hour}
        union all
        select date_bin('1 minute', ts, 'epoch'), 1, 1 from tail where ts >= ${hour} and ts < ${minute}
        union all
        select date_bin('1 hour', ts, 'epoch'), 60, 1 from tail where ts < ${hour} and ts >= date_bin('1 hour', ${from}, 'epoch')`)}
      ), fine as (
        select start, width_minutes, before from coarse where width_minutes < 60
        union all
        select inner_unit.start, 1, coarse.before + inner_unit.before from coarse cross join lateral (
          select start, before from (
            select start, sum(sum(count)) over (order by start desc) - sum(count) as before from (
              select start, count from tidemark.snapshot_count
              where width_minutes = 1 and start >= coarse.start and start < coarse.start + interval '1 hour'
              union all
              select date_bin('1 minute', ts, 'epoch'), 1 from tail
              where ts >= coarse.start and ts < coarse.start + interval '1 hour'
            ) as unit group by start
          ) as ranked where coarse.before + before <= ${skip} order by start limit 1
        ) as inner_unit
        where coarse.width_minutes = 60
      ), place as (
        select case when width_minutes = 0 then ${time(below.ts.getTime())} else start + interval '1 minute' end as ts,
               case when width_minutes = 0 then ${value(below.seq)}::bigint else 0 end as seq,
               (${skip} - before)::bigint as rest
        from fine
      )`,
    page: `
      select ${columns} from tidemark."BalanceSnapshot"
      where ts >= ${from} and (ts, seq) < (select ts, seq from place)
      order by ts desc, seq desc
      limit ${value(limit)} offset (select rest from place)`,
  }
}

/** How many snapshots have a time in the range. */
export function selectCount(span: Span): Statement {
  const values: unknown[] = []
  const count = countRange(span, (at) => `$${values.push(new Date(at))}::timestamptz`)
  return { name: 'count-snapshots-between', text: `with ${tail} ${count}`, values }
}

function countRange(span: Span, time: (at: number) => string): string {
  const { rows, sums } = cutRange(span, 60)
  const within = (column: string, { from, end }: Span): string =>
    `${column} >= ${time(from)} and ${column} < ${time(end)}`
  const summed = (piece: SummedPiece): string =>
    `coalesce((select sum(count) from tidemark.snapshot_count
      where width_minutes = ${piece.widthMinutes} and ${within('start', piece)}), 0)`
  const counted = (piece: Span): string =>
    `(select count(*) from tidemark."BalanceSnapshot"
      where ${within('ts', piece)} and seq <= (select rolled_up_seq from tidemark.snapshot_upkeep))`
  return `
    select ${[...sums.map(summed), ...rows.map(counted)].join(' + ')}
      + (select count(*) from tail where ${within('ts', span)}) as total`
}
