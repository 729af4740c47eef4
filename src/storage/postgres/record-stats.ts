import type { StatsRequest } from '../../ledger/record-reader.js'
import { coveredSpans } from '../../model/statistics/covered-time.js'
import { deriveStats } from '../../model/statistics/derive-stats.js'
import type { BalanceStats } from '../../model/balance-statistics.js'
import type { CoverageKind } from '../../model/chain-event.js'
import { BLOCK_MAX, readRun, runParts, subjectPart, subjectValues } from './coverage-runs.js'
import type { Queryable, Statement } from './database.js'
import { toBigInt } from './ledger-queries.js'

/** What was asked for, and the balances at its ends. Value 4 is the begin of the range or null, 5 its end or null. */
const rangePart = `
  range as materialized (
    select id, until, since, first_block, first_time, first_balance, last_block, last_balance, opening_balance, day_ago_balance
    from subject
    cross join lateral (select least($5::timestamptz, cursor_timestamp) as until) as upper
    cross join lateral (select case when $4::timestamptz is not null then least($4, until) end as since) as lower
    left join lateral (
      select block_number as first_block, timestamp as first_time, balance as first_balance
      from tidemark.balance_record
      where position_id = id and timestamp >= coalesce(since, '-infinity') and timestamp <= until
      order by timestamp, block_number limit 1
    ) as first on true
    left join lateral (
      select block_number as last_block, balance as last_balance from tidemark.balance_record
      where position_id = id and timestamp <= until order by timestamp desc, block_number desc limit 1
    ) as last on true
    left join lateral (
      select balance as opening_balance from tidemark.balance_record
      where position_id = id and timestamp <= since order by timestamp desc, block_number desc limit 1
    ) as opening on true
    left join lateral (
      select balance as day_ago_balance from tidemark.balance_record
      where position_id = id and timestamp <= until - interval '24 hours'
      order by timestamp desc, block_number desc limit 1
    ) as day_ago on true
    where cursor_timestamp is not null
  )`

/** All blocks, cut where the way they are known changes: every record is in exactly one piece. */
const pieceParts = `
  piece as (
    select kind, from_number, last_number, to_number, from_time, to_time, follows from run
    union all
    select null, coalesce(before_number, -1) + 1, from_number - 1, null, null, null, true
    from (select from_number, follows, lag(last_number) over (order by from_number) as before_number from run) as gap
    where not follows and from_number > 0
    union all
    select null, coalesce(max(last_number), -1) + 1, ${BLOCK_MAX}, null, null, null, true from run
  ), cut as (
    select piece.*, range.*, greatest(from_number, coalesce(first_block, ${BLOCK_MAX})) as low,
      least(last_number, coalesce(last_block, -1)) as high,
      coalesce(greatest(from_time, since), '-infinity') as start_time
    from range cross join piece
  )`

/**
 * One row for each piece. What a piece begins with, up to the time from which it counts, is looked at record by record;
 * of all after it, which may be very many, an index alone tells.
 *
 * A balance's sum over time needs no look at the next record: each change counts from its own time to the end of the
 * piece. Changes are told by the records themselves, but for starts.
 */
const selectPieces = `
  select until, since, first_time, first_balance, last_balance, opening_balance, day_ago_balance,
    kind, from_number, to_number, from_time, to_time,
    edge.records + body.records as records, least(edge.lowest, body.lowest) as lowest,
    greatest(edge.highest, body.highest) as highest, edge.rise as edge_rise, edge.net as edge_net,
    body.rise, body.net, body.timed, start.net as start_net, start.timed as start_timed,
    held_balance, begin_balance, begin_time
  from cut
  left join lateral (
    select greatest(block_number, low) as body_low from tidemark.balance_record
    where position_id = id and timestamp > start_time order by timestamp, block_number limit 1
  ) as later on true
  cross join lateral (
    select count(*) as records, min(balance) as lowest, max(balance) as highest,
      sum(greatest(balance - previous_balance, 0)) filter (where flows) as rise,
      sum(balance - previous_balance) filter (where flows) as net
    from (
      select *, kind is not null and (since is null or timestamp > since) and (follows or block_number > from_number) as flows
      from tidemark.balance_record
      where position_id = id and block_number between low and least(high, coalesce(body_low - 1, high))
    ) as record
  ) as edge
  cross join lateral (
    select count(*) as records, count(change) as changes, min(balance) as lowest, max(balance) as highest,
      sum(greatest(change, 0)) as rise, sum(change) as net, sum(change * seconds) as timed
    from (
      select balance, balance - previous_balance as change, date_part('epoch', timestamp)::bigint as seconds
      from tidemark.balance_record where position_id = id and block_number between body_low and high
      offset 0
    ) as record
  ) as body
  left join lateral (
    select sum(balance - before) as net, sum((balance - before) * date_part('epoch', timestamp)::bigint) as timed
    from tidemark.balance_record as record
    cross join lateral (
      select balance as before from tidemark.balance_record as earlier
      where earlier.position_id = record.position_id and earlier.block_number < record.block_number
      order by earlier.block_number desc limit 1
    ) as earlier
    where changes < body.records and kind = 'exact' and previous_balance is null
      and position_id = id and block_number between body_low and high
  ) as start on true
  left join lateral (
    select balance as held_balance from tidemark.balance_record
    where kind = 'exact' and position_id = id and timestamp <= start_time
    order by timestamp desc, block_number desc limit 1
  ) as held on true
  left join lateral (
    select balance as begin_balance, timestamp as begin_time from tidemark.balance_record
    where kind = 'exact' and position_id = id and block_number between low and high order by block_number limit 1
  ) as begin on true
  order by cut.from_number`

export interface PieceRow {
  readonly until: Date
  readonly since: Date | null
  readonly first_time: Date | null
  readonly first_balance: string | null
  readonly last_balance: string | null
  readonly opening_balance: string | null
  readonly day_ago_balance: string | null
  readonly kind: CoverageKind | null
  readonly from_number: string
  readonly to_number: string | null
  readonly from_time: Date | null
  readonly to_time: Date | null
  readonly records: string
  readonly lowest: string | null
  readonly highest: string | null
  readonly edge_rise: string | null
  readonly edge_net: string | null
  readonly rise: string | null
  readonly net: string | null
  readonly timed: string | null
  readonly start_net: string | null
  readonly start_timed: string | null
  readonly held_balance: string | null
  readonly begin_balance: string | null
  readonly begin_time: Date | null
}

/** Statistics of a position: one statement, so that all of it is of the same moment. */
export async function selectStats(database: Queryable, request: StatsRequest): Promise<BalanceStats | null> {
  const rows = await database.query<PieceRow>(statsStatement(request))
  return readStats(rows)
}

export function statsStatement({ position, from, to }: StatsRequest): Statement {
  return {
    name: 'balance-stats',
    text: `with ${subjectPart}, ${runParts}, ${rangePart}, ${pieceParts} ${selectPieces}`,
    values: [...subjectValues(position), from ?? null, to ?? null],
  }
}

function readStats(rows: readonly PieceRow[]): BalanceStats | null {
  const [range] = rows
  if (range === undefined) return null
  const from = range.since ?? range.first_time ?? range.until
  const to = range.until
  const oldestBalance = toBigInt(range.opening_balance ?? range.first_balance)
  const extremes = rows.flatMap((row) => [toBigInt(row.lowest), toBigInt(row.highest)])
  const balances = [oldestBalance, ...extremes].filter((balance) => balance !== null)
  const intervals = rows.flatMap(({ kind, ...row }) => (kind === null ? [] : [readRun({ ...row, kind })]))
  const weights = rows.map(weigh)
  return deriveStats({
    from,
    to,
    totalRecords: rows.reduce((sum, row) => sum + Number(row.records), 0),
    latestBalance: toBigInt(range.last_balance),
    oldestBalance,
    minBalance: balances.length === 0 ? null : balances.reduce((least, each) => (each < least ? each : least)),
    maxBalance: balances.length === 0 ? null : balances.reduce((most, each) => (each > most ? each : most)),
    dayAgoBalance: toBigInt(range.day_ago_balance),
    inflow: sumOf(rows, (row) => riseOf(row)),
    outflow: sumOf(rows, (row) => riseOf(row) - netOf(row)),
    weightMs: sumOf(weights, ({ weightMs }) => weightMs),
    weighted: sumOf(weights, ({ weighted }) => weighted),
    netOutflow: sumOf(weights, ({ netOutflow }) => netOutflow),
    coverage: coveredSpans(intervals, { from, to }),
  })
}

function sumOf<Item>(items: readonly Item[], of: (item: Item) => bigint): bigint {
  return items.reduce((sum, item) => sum + of(item), 0n)
}

/** What nobody saw happen is no flow. */
function riseOf({ kind, edge_rise, rise }: PieceRow): bigint {
  return kind === null ? 0n : BigInt(edge_rise ?? 0) + BigInt(rise ?? 0)
}

function netOf({ kind, edge_net, net }: PieceRow): bigint {
  return kind === null ? 0n : BigInt(edge_net ?? 0) + BigInt(net ?? 0)
}

interface Weight {
  readonly weightMs: bigint
  /** The balance summed up over each of these milliseconds. */
  readonly weighted: bigint
  readonly netOutflow: bigint
}

const noWeight: Weight = { weightMs: 0n, weighted: 0n, netOutflow: 0n }

/** A balance b0 and changes c at times t, up to T: b0 * (T - t0) + sum of c * (T - t). */
function weigh(row: PieceRow): Weight {
  const { kind, from_time: fromTime, to_time: toTime, since, until, begin_time: beginTime } = row
  if (kind !== 'exact' || fromTime === null || toTime === null) return noWeight
  const startMs = Math.max(fromTime.getTime(), since?.getTime() ?? fromTime.getTime())
  const heldMs = row.held_balance === null ? beginTime?.getTime() : startMs
  const held = toBigInt(row.held_balance ?? row.begin_balance)
  const endMs = Math.min(toTime.getTime(), until.getTime())
  if (held === null || heldMs === undefined || endMs < heldMs) return noWeight
  const weightMs = BigInt(endMs - heldMs)
  const change = BigInt(row.net ?? 0) + BigInt(row.start_net ?? 0)
  const timed = BigInt(row.timed ?? 0) + BigInt(row.start_timed ?? 0)
  return {
    weightMs,
    weighted: held * weightMs + change * BigInt(endMs) - timed * 1000n,
    netOutflow: -change,
  }
}
