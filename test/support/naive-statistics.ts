import type { FoldedRecord } from '../../src/model/statistics/stats-fold.js'
import type {
  BalancePoint,
  BalanceSeries,
  BalanceStats,
  Certainty,
  CoverageSpan,
} from '../../src/model/balance-statistics.js'
import type { TimedInterval } from '../../src/model/coverage.js'
import type { PlayedHistory } from './played-history.js'

/**
 * Statistics worked out in the plainest way: every question looks at all records again, and every stretch of time
 * between two instants at which anything may change is weighed by itself.
 */

const DAY_MS = 86_400_000

interface Run {
  readonly kind: TimedInterval['kind']
  readonly from: bigint
  readonly to: bigint
  readonly open: boolean
  readonly startMs: number | null
  readonly endMs: number | null
}

export interface AskedRange {
  readonly from?: Date | undefined
  readonly to?: Date | undefined
}

/** Coverage block by block, put together again; a bound of unknown time is as far as the records tell. */
function runsOf({ blocks, records, rows }: PlayedHistory): readonly Run[] {
  const cursor = blocks.at(-1)
  if (cursor === undefined) throw new Error('a chain has blocks')
  const runs: Run[] = []
  for (const row of rows) {
    const last = runs.at(-1)
    const to = row.to ?? cursor.number
    const joined = last !== undefined && last.kind === row.kind && last.to + 1n === row.from
    const whole = { from: joined ? last.from : row.from, to }
    const inside = records.filter(({ blockNumber }) => whole.from <= blockNumber && blockNumber <= whole.to)
    const at = (number: bigint): Date | undefined => records.find((record) => record.blockNumber === number)?.timestamp
    const open = row.to === null
    const first = rows.find(({ from }) => from === whole.from)
    const startTime = at(whole.from) ?? first?.fromTime ?? inside[0]?.timestamp
    const endTime = open ? cursor.time : (at(to) ?? row.toTime ?? inside.at(-1)?.timestamp)
    if (joined) runs.pop()
    runs.push({
      kind: row.kind,
      ...whole,
      open,
      startMs: startTime?.getTime() ?? null,
      endMs: endTime?.getTime() ?? null,
    })
  }
  return runs
}

function newest(records: readonly FoldedRecord[], fits: (record: FoldedRecord) => boolean): FoldedRecord | null {
  return records.findLast(fits) ?? null
}

const min = (balances: readonly bigint[]): bigint | null => balances.toSorted((a, b) => (a < b ? -1 : 1))[0] ?? null
const max = (balances: readonly bigint[]): bigint | null => balances.toSorted((a, b) => (a > b ? -1 : 1))[0] ?? null

interface Clipped {
  readonly sinceMs: number
  readonly from: Date
  readonly to: Date
}

function clip({ blocks, records }: PlayedHistory, asked: AskedRange): Clipped {
  const cursorMs = blocks.at(-1)?.time.getTime() ?? 0
  const toMs = Math.min(asked.to?.getTime() ?? Infinity, cursorMs)
  const firstMs = records.map(({ timestamp }) => timestamp.getTime()).find((ms) => ms <= toMs)
  const fromMs = Math.min(asked.from?.getTime() ?? firstMs ?? toMs, toMs)
  return { sinceMs: asked.from === undefined ? -Infinity : fromMs, from: new Date(fromMs), to: new Date(toMs) }
}

export function naiveStats(history: PlayedHistory, asked: AskedRange): BalanceStats {
  const { records, rows } = history
  const { sinceMs, from, to } = clip(history, asked)
  const toMs = to.getTime()
  const ms = (record: FoldedRecord): number => record.timestamp.getTime()
  const known = records.filter((record) => ms(record) <= toMs)
  const within = known.filter((record) => ms(record) >= sinceMs)
  const opening = newest(known, (record) => ms(record) <= sinceMs) ?? within[0] ?? null
  const latest = known.at(-1) ?? null
  const dayAgo = newest(records, (record) => ms(record) <= toMs - DAY_MS)
  const balances = [opening, ...within].flatMap((record) => (record === null ? [] : [record.balance]))

  const seen = (number: bigint): boolean =>
    rows.some((row) => row.from <= number && (row.to === null || number <= row.to))
  const flows = within
    .filter((record) => ms(record) > sinceMs && seen(record.blockNumber) && seen(record.blockNumber - 1n))
    .map(({ balance, previousBalance }) => (previousBalance === null ? 0n : balance - previousBalance))

  const { weightMs, weighted, fall } = weigh(history, { sinceMs, toMs })
  const dayChange = latest === null || dayAgo === null ? null : latest.balance - dayAgo.balance
  const emptyMs = latest === null || fall <= 0n ? null : BigInt(toMs) + (latest.balance * weightMs) / fall
  return {
    from,
    to,
    totalRecords: within.length,
    latestBalance: latest?.balance ?? null,
    oldestBalance: opening?.balance ?? null,
    minBalance: min(balances),
    maxBalance: max(balances),
    averageBalance: weightMs === 0n ? null : weighted / weightMs,
    change: latest === null || opening === null ? null : latest.balance - opening.balance,
    balanceChange24h: dayChange,
    balanceChangePercent24h: dayChange === null || dayAgo === null ? null : percent(dayChange, dayAgo.balance),
    inflow: flows.filter((flow) => flow > 0n).reduce((sum, flow) => sum + flow, 0n),
    outflow: flows.filter((flow) => flow < 0n).reduce((sum, flow) => sum - flow, 0n),
    burnRatePerHour: weightMs === 0n ? null : fall > 0n ? (fall * 3_600_000n) / weightMs : 0n,
    emptyAt: emptyMs === null || emptyMs >= 253_402_300_800_000n ? null : new Date(Number(emptyMs)),
    coverage: naiveSpans(history, { from, to }),
  }
}

/** Instant by instant: whether it lies in exact coverage, and what was held. */
function weigh(
  history: PlayedHistory,
  { sinceMs, toMs }: { readonly sinceMs: number; readonly toMs: number },
): { readonly weightMs: bigint; readonly weighted: bigint; readonly fall: bigint } {
  const { records } = history
  const ms = (record: FoldedRecord): number => record.timestamp.getTime()
  const exact = runsOf(history).filter(({ kind }) => kind === 'exact')
  const bounds = exact.flatMap(({ startMs, endMs }) => (startMs === null || endMs === null ? [] : [startMs, endMs]))
  const instants = [...new Set([...records.map(ms), ...bounds, sinceMs, toMs])]
    .filter((instant) => Number.isFinite(instant) && instant >= sinceMs && instant <= toMs)
    .toSorted((a, b) => a - b)
  let [weightMs, weighted, fall] = [0n, 0n, 0n]
  for (const [index, instant] of instants.entries()) {
    const end = instants[index + 1]
    const held = newest(records, (record) => ms(record) <= instant)
    const covered = exact.some(
      ({ startMs, endMs }) => startMs !== null && endMs !== null && startMs <= instant && instant < endMs,
    )
    if (end === undefined || held === null || !covered) continue
    weightMs += BigInt(end - instant)
    weighted += BigInt(end - instant) * held.balance
  }
  for (const run of exact) {
    if (run.startMs === null || run.endMs === null) continue
    const start = Math.max(run.startMs, sinceMs)
    if (start >= Math.min(run.endMs, toMs)) continue
    const begin = records.find(({ blockNumber }) => run.from <= blockNumber && blockNumber <= run.to)
    const first = newest(records, (record) => ms(record) <= start) ?? begin
    const last = newest(records, (record) => record.blockNumber <= run.to && ms(record) <= toMs)
    if (first !== undefined && last !== null && last.blockNumber >= first.blockNumber)
      fall += first.balance - last.balance
  }
  return { weightMs, weighted, fall }
}

function percent(change: bigint, of: bigint): string | null {
  if (of === 0n) return null
  const scaled = (change * 1_000_000n) / of
  const [sign, size] = scaled < 0n ? ['-', -scaled] : ['', scaled]
  return `${sign}${size / 10_000n}.${(size % 10_000n).toString().padStart(4, '0')}`
}

function naiveSpans(history: PlayedHistory, { from, to }: { readonly from: Date; readonly to: Date }): CoverageSpan[] {
  const runs = runsOf(history)
  return runs.flatMap((run, index) => {
    const [before, next] = [runs[index - 1], runs[index + 1]]
    const afterMs = next !== undefined && next.from === run.to + 1n ? next.startMs : null
    const beforeMs = before !== undefined && before.to + 1n === run.from ? before.endMs : null
    const start = run.startMs ?? beforeMs ?? run.endMs
    const end = afterMs ?? run.endMs ?? run.startMs
    if (start === null || end === null) return []
    const [clippedStart, clippedEnd] = [Math.max(start, from.getTime()), Math.min(end, to.getTime())]
    if (clippedStart > clippedEnd) return []
    return [{ from: new Date(clippedStart), to: new Date(clippedEnd), kind: run.kind }]
  })
}

/** @param bucketMs as it was answered: which one it should be is another question */
export function naiveSeries(history: PlayedHistory, asked: AskedRange, bucketMs: number): BalanceSeries {
  const { from, to } = clip(history, asked)
  const inside = history.records.filter(({ timestamp }) => timestamp >= from && timestamp <= to)
  const starts = [...new Set(inside.map(({ timestamp }) => Math.floor(timestamp.getTime() / bucketMs) * bucketMs))]
  const before = newest(history.records, ({ timestamp }) => timestamp < from)
  return {
    from,
    to,
    bucketMs,
    before: before === null ? null : pointOf(before),
    buckets: starts.map((start) => {
      const own = inside.filter(({ timestamp }) => Math.floor(timestamp.getTime() / bucketMs) * bucketMs === start)
      const [lowest, highest] = [min(own.map((each) => each.balance)), max(own.map((each) => each.balance))]
      return {
        start: new Date(start),
        count: own.length,
        first: pointOf(own[0]),
        last: pointOf(own.at(-1)),
        min: pointOf(own.find(({ balance }) => balance === lowest)),
        max: pointOf(own.find(({ balance }) => balance === highest)),
      }
    }),
    coverage: naiveSpans(history, { from, to }),
  }
}

function pointOf(record: FoldedRecord | undefined): BalancePoint {
  if (record === undefined) throw new Error('a bucket has records')
  const { balance, blockNumber, timestamp } = record
  return { balance, blockNumber, timestamp }
}

export interface NaiveHolding {
  readonly balance: bigint
  readonly blockNumber: bigint
  readonly certainty: Certainty
}

/** What was held at a block, which may be beyond the chain's last. */
export function naiveAtBlock(history: PlayedHistory, block: bigint): NaiveHolding | null {
  const held = newest(history.records, ({ blockNumber }) => blockNumber <= block)
  const cursor = history.blocks.at(-1)?.number ?? 0n
  const at = block < cursor ? block : cursor
  const run = runsOf(history).find(({ from, to }) => from <= at && at <= to)
  return held === null
    ? null
    : { balance: held.balance, blockNumber: held.blockNumber, certainty: run?.kind ?? 'unseen' }
}

/** What was held at a time, by the chain's own blocks; every bound's time has to be known. */
export function naiveAtTime(history: PlayedHistory, time: Date): NaiveHolding | null {
  const held = newest(history.records, ({ timestamp }) => timestamp <= time)
  if (held === null) return null
  const block = history.blocks.findLast((each) => each.time <= time)
  const runs = runsOf(history)
  const index = runs.findIndex(({ from, to }) => block !== undefined && from <= block.number && block.number <= to)
  const run = runs[index]
  // The last block seen before others that nobody saw: one of those may have the same time.
  const next = runs[index + 1]
  const ends = run !== undefined && !run.open && run.to === block?.number && next?.from !== run.to + 1n
  const certainty = run === undefined || ends ? 'unseen' : run.kind
  return { balance: held.balance, blockNumber: held.blockNumber, certainty }
}

/** Intervals as a reader of coverage tells them. */
export function naiveIntervals(history: PlayedHistory): readonly TimedInterval[] {
  return runsOf(history).map(({ kind, from, to, open, startMs, endMs }) => ({
    kind,
    from,
    to: open ? null : to,
    fromTime: startMs === null ? null : new Date(startMs),
    toTime: endMs === null ? null : new Date(endMs),
  }))
}
