import type { Statement } from './database.js'

/** Milliseconds since 1970, as the sums keep times. */
export const millisecondsOf = (ts: string): string => `trunc(extract(epoch from ${ts}) * 1000)`

/** The four extremes of one reported amount by itself: it is its own first, last, lowest and highest. */
export const extremesOfOne = `
  array[ms, seq, amount] as first, array[ms, seq, amount] as last,
  array[amount, ms, seq] as lowest, array[amount, -ms, -seq] as highest`

/** Merges extremes of the rows of a group. */
export const extremesOfMany = 'min(first) as first, max(last) as last, min(lowest) as lowest, max(highest) as highest'

/** The parts `minute_sum` and `minute_count`, from the rows of the part `reported`. */
const summedByMinute = `
  amount_point as (
    select book.name as book, entry.key as asset, date_bin('1 minute', ts, 'epoch') as start,
           ${millisecondsOf('ts')} as ms, seq::numeric as seq, entry.value::numeric as amount
    from reported
      cross join lateral (values ('onchain', onchain), ('onsite', onsite)) as book (name, amounts)
      cross join lateral json_each_text(book.amounts) as entry
  ), minute_sum as (
    select book, asset, start, count(*) as count, ${extremesOfMany}
    from (select book, asset, start, ${extremesOfOne} from amount_point) as point
    group by book, asset, start
  ), minute_count as (
    select date_bin('1 minute', ts, 'epoch') as start, count(*) as count from reported group by 1
  )`

const hourSums = (minutes: string): string => `
  select book, asset, date_bin('1 hour', start, 'epoch') as start, sum(count)::bigint as count, ${extremesOfMany}
  from ${minutes} group by 1, 2, 3`

const hourCounts = (minutes: string): string => `
  select date_bin('1 hour', start, 'epoch') as start, sum(count)::bigint as count from ${minutes} group by 1`

const addSums = (widthMinutes: 1 | 60, sums: string): string => `
  insert into tidemark.snapshot_rollup as kept (book, asset, width_minutes, start, count, first, last, lowest, highest)
  select book, asset, ${widthMinutes}, start, count, first, last, lowest, highest from ${sums}
  on conflict (book, asset, width_minutes, start) do update set
    count = kept.count + excluded.count, first = least(kept.first, excluded.first),
    last = greatest(kept.last, excluded.last), lowest = least(kept.lowest, excluded.lowest),
    highest = greatest(kept.highest, excluded.highest)`

const addCounts = (widthMinutes: 1 | 60, counts: string): string => `
  insert into tidemark.snapshot_count as kept (width_minutes, start, count)
  select ${widthMinutes}, start, count from ${counts}
  on conflict (width_minutes, start) do update set count = kept.count + excluded.count`

/** Adds the snapshots with `seq` beyond `after`, up to `upto`, to the sums of their minutes and hours. */
export function rollUpSeqs(after: bigint, upto: bigint): Statement {
  return {
    name: 'roll-up-seqs',
    text: `
      with reported as (
        select seq, ts, onchain, onsite from tidemark."BalanceSnapshot" where seq > $1 and seq <= $2
      ), ${summedByMinute},
      hour_sum as (${hourSums('minute_sum')}),
      hour_count as (${hourCounts('minute_count')}),
      minutes_added as (${addSums(1, 'minute_sum')}),
      hours_added as (${addSums(60, 'hour_sum')}),
      minutes_counted as (${addCounts(1, 'minute_count')}),
      hours_counted as (${addCounts(60, 'hour_count')})
      update tidemark.snapshot_upkeep set rolled_up_seq = $2`,
    values: [after, upto],
  }
}

/** Takes out the sums of whole hours and of some whole minutes in them. */
export function dropSums(range: TimeRange): readonly Statement[] {
  return ['snapshot_rollup', 'snapshot_count'].map((table) => ({
    name: `drop-${table}`,
    text: `
      delete from tidemark.${table}
      where (width_minutes = 1 and start >= $1 and start < $2)
         or (width_minutes = 60 and start >= date_bin('1 hour', $1::timestamptz, 'epoch') and start < $2)`,
    values: [range.from, range.end],
  }))
}

/** Works the sums of whole minutes, and of the hours they are in, out anew after `dropSums`. */
export function restoreSums(range: TimeRange): readonly Statement[] {
  const values = [range.from, range.end]
  return [
    {
      name: 'restore-minutes',
      text: `
        with reported as (
          select seq, ts, onchain, onsite from tidemark."BalanceSnapshot", tidemark.snapshot_upkeep
          where ts >= $1 and ts < $2 and seq <= rolled_up_seq
        ), ${summedByMinute},
        minutes_added as (${addSums(1, 'minute_sum')})
        ${addCounts(1, 'minute_count')}`,
      values,
    },
    {
      name: 'restore-hours',
      text: `
        with span as (
          select date_bin('1 hour', $1::timestamptz, 'epoch') as from_hour,
                 date_bin('1 hour', $2::timestamptz - interval '1 microsecond', 'epoch') + interval '1 hour' as end_hour
        ), minute_sum as (
          select rollup.* from tidemark.snapshot_rollup as rollup, span
          where width_minutes = 1 and start >= from_hour and start < end_hour
        ), minute_count as (
          select counted.* from tidemark.snapshot_count as counted, span
          where width_minutes = 1 and start >= from_hour and start < end_hour
        ),
        hour_sum as (${hourSums('minute_sum')}),
        hour_count as (${hourCounts('minute_count')}),
        hours_added as (${addSums(60, 'hour_sum')})
        ${addCounts(60, 'hour_count')}`,
      values,
    },
  ]
}

/** Whole minutes, `end` exclusive. */
export interface TimeRange {
  readonly from: Date
  readonly end: Date
}
