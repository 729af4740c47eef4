import type { Statement } from './database.js'
import { SUM_WIDTHS } from './range-pieces.js'
import type { SumWidth } from './range-pieces.js'

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

/** Widths that are summed up from minutes. */
type WiderWidth = Exclude<SumWidth, 1>

const widerSums = (widthMinutes: WiderWidth): string => `
  select book, asset, date_bin('${widthMinutes} minutes', start, 'epoch') as start, sum(count)::bigint as count,
         ${extremesOfMany}
  from minute_sum group by 1, 2, 3`

const widerCounts = (widthMinutes: WiderWidth): string => `
  select date_bin('${widthMinutes} minutes', start, 'epoch') as start, sum(count)::bigint as count
  from minute_count group by 1`

/** Parts that add what is in `minute_sum` and `minute_count` to the wider sums. */
const widerAdded = (widthMinutes: WiderWidth): string => `
  sum_${widthMinutes} as (${widerSums(widthMinutes)}),
  count_${widthMinutes} as (${widerCounts(widthMinutes)}),
  summed_${widthMinutes} as (${addSums(widthMinutes, `sum_${widthMinutes}`)}),
  counted_${widthMinutes} as (${addCounts(widthMinutes, `count_${widthMinutes}`)})`

const addSums = (widthMinutes: SumWidth, sums: string): string => `
  insert into tidemark.snapshot_rollup as kept (book, asset, width_minutes, start, count, first, last, lowest, highest)
  select book, asset, ${widthMinutes}, start, count, first, last, lowest, highest from ${sums}
  on conflict (book, asset, width_minutes, start) do update set
    count = kept.count + excluded.count, first = least(kept.first, excluded.first),
    last = greatest(kept.last, excluded.last), lowest = least(kept.lowest, excluded.lowest),
    highest = greatest(kept.highest, excluded.highest)`

const addCounts = (widthMinutes: SumWidth, counts: string): string => `
  insert into tidemark.snapshot_count as kept (width_minutes, start, count)
  select ${widthMinutes}, start, count from ${counts}
  on conflict (width_minutes, start) do update set count = kept.count + excluded.count`

/** Adds the snapshots with `seq` beyond `after`, up to `upto`, to the sums of their time. */
export function rollUpSeqs(after: bigint, upto: bigint): Statement {
  return {
    name: 'roll-up-seqs',
    text: `
      with reported as (
        select seq, ts, onchain, onsite from tidemark."BalanceSnapshot" where seq > $1 and seq <= $2
      ), ${summedByMinute},
      minutes_added as (${addSums(1, 'minute_sum')}),
      minutes_counted as (${addCounts(1, 'minute_count')}),
      ${widerAdded(10)},
      ${widerAdded(60)}
      update tidemark.snapshot_upkeep set rolled_up_seq = $2`,
    values: [after, upto],
  }
}

/** Takes out the sums of whole minutes, and the wider ones they are in. */
export function dropSums(range: TimeRange): readonly Statement[] {
  return ['snapshot_rollup', 'snapshot_count'].flatMap((table) =>
    SUM_WIDTHS.map((widthMinutes) => ({
      name: `drop-${table}-${widthMinutes}`,
      text: `
        delete from tidemark.${table}
        where width_minutes = ${widthMinutes}
          and start >= date_bin('${widthMinutes} minutes', $1::timestamptz, 'epoch') and start < $2`,
      values: [range.from, range.end],
    })),
  )
}

/** Works the sums of whole minutes, and the wider ones they are in, out anew after `dropSums`. */
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
    ...([10, 60] as const).map((widthMinutes) => ({
      name: `restore-sums-${widthMinutes}`,
      text: `
        with span as (
          select date_bin('${widthMinutes} minutes', $1::timestamptz, 'epoch') as first,
                 date_bin('${widthMinutes} minutes', $2::timestamptz - interval '1 microsecond', 'epoch')
                   + interval '${widthMinutes} minutes' as behind
        ), minute_sum as (
          select rollup.* from tidemark.snapshot_rollup as rollup, span
          where width_minutes = 1 and start >= span.first and start < span.behind
        ), minute_count as (
          select counted.* from tidemark.snapshot_count as counted, span
          where width_minutes = 1 and start >= span.first and start < span.behind
        ), ${widerAdded(widthMinutes)}
        select`,
      values,
    })),
  ]
}

/** Whole minutes, `end` exclusive. */
export interface TimeRange {
  readonly from: Date
  readonly end: Date
}
