import type { CoverageReader, PositionCoverage } from '../../ledger/record-reader.js'
import type { CoverageKind } from '../../model/chain-event.js'
import type { TimedInterval } from '../../model/coverage.js'
import type { Position } from '../../model/position.js'
import { toBytes, toHash, tokenToBytes } from './bytes.js'
import type { Queryable } from './database.js'

/** No block has a greater number: it would not be stored. */
export const BLOCK_MAX: bigint = 2n ** 63n - 1n

/** The position that is asked for, with where its chain stands. Values 1 to 3 are its chain, token and solver. */
export const subjectPart: string = `
  subject as (
    select position.id, cursor_number, cursor_timestamp
    from tidemark.position join tidemark.chain on chain.chain_id = position.chain_id
    where position.chain_id = $1::bigint and token = $2::bytea and solver = $3::bytea
  )`

export function subjectValues({ chainId, token, solver }: Position): readonly unknown[] {
  return [chainId, tokenToBytes(token), toBytes(solver)]
}

const timeWithin = (direction: 'asc' | 'desc'): string => `
  (select timestamp from tidemark.balance_record as record
   where record.position_id = joined.position_id
     and block_number between joined.from_number and coalesce(joined.to_number, cursor_number)
   order by block_number ${direction} limit 1)`

/**
 * Parts of a statement: the coverage of all positions in `subject` as `run`, intervals of one kind that touch joined.
 * `follows` tells of a run that no unseen block lies before it, `from_time` and `to_time` are as near to the bounds as is
 * known: where a bound's own time is not, it is that of a record. `end_time` is where the next run begins that follows.
 */
export const runParts: string = `
  neighbour as (
    select covered.*, cursor_number, cursor_timestamp,
      lag(to_number) over along + 1 is not distinct from from_number as touches,
      lag(kind) over along is not distinct from kind as alike
    from subject
    cross join lateral (select * from tidemark.coverage where position_id = subject.id offset 0) as covered
    window along as (partition by position_id order by from_number)
  ), placed as (
    select *, count(*) filter (where not (touches and alike)) over along as place
    from neighbour window along as (partition by position_id order by from_number)
  ), joined as (
    select position_id, kind, min(from_number) as from_number,
      case when bool_and(to_number is not null) then max(to_number) end as to_number,
      min(cursor_number) as cursor_number, min(cursor_timestamp) as cursor_timestamp,
      (array_agg(touches order by from_number))[1] as follows,
      (array_agg(from_timestamp order by from_number))[1] as from_timestamp,
      (array_agg(to_timestamp order by from_number desc))[1] as to_timestamp
    from placed group by position_id, place, kind
  ), timed as (
    select position_id, kind, from_number, to_number, coalesce(to_number, cursor_number) as last_number, follows,
      coalesce(from_timestamp, ${timeWithin('asc')}) as from_time,
      case when to_number is null then cursor_timestamp else coalesce(to_timestamp, ${timeWithin('desc')}) end as to_time
    from joined
  ), run as materialized (
    select *, coalesce(lead(case when follows then from_time end) over along, to_time) as end_time
    from timed window along as (partition by position_id order by from_number)
  )`

/** The columns of a run, of which the first is null where there is none. */
export interface RunRow {
  readonly kind: CoverageKind
  readonly from_number: string
  readonly to_number: string | null
  readonly from_time: Date | null
  readonly to_time: Date | null
}

export function readRun(row: RunRow): TimedInterval {
  return {
    from: BigInt(row.from_number),
    to: row.to_number === null ? null : BigInt(row.to_number),
    kind: row.kind,
    fromTime: row.from_time,
    toTime: row.to_time,
  }
}

/** How positions are known, with times: for whoever has their records elsewhere. */
export class PostgresCoverageReader implements CoverageReader {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async timedCoverage(positions: readonly Position[]): Promise<readonly (PositionCoverage | null)[]> {
    const rows = await this.#database.query<CoverageRow>({
      name: 'timed-coverage',
      text: `
        with subject as (
          select position.id, asked.place as asked, cursor_number, cursor_hash, cursor_timestamp
          from unnest($1::bigint[], $2::bytea[], $3::bytea[]) with ordinality as asked (chain_id, token, solver, place)
          join tidemark.position on position.chain_id = asked.chain_id and position.token = asked.token
            and position.solver = asked.solver
          join tidemark.chain on chain.chain_id = position.chain_id
        ), ${runParts}
        select asked - 1 as index, cursor_number, cursor_hash, cursor_timestamp,
          kind, from_number, to_number, from_time, to_time
        from subject left join run on run.position_id = subject.id
        order by asked, from_number`,
      values: [
        positions.map(({ chainId }) => chainId),
        positions.map(({ token }) => tokenToBytes(token)),
        positions.map(({ solver }) => toBytes(solver)),
      ],
    })
    const found = new Map<number, CoverageRow[]>()
    for (const row of rows) found.set(Number(row.index), [...(found.get(Number(row.index)) ?? []), row])
    return positions.map((_, index) => readPosition(found.get(index) ?? []))
  }
}

interface CoverageRow extends Omit<RunRow, 'kind'> {
  readonly index: string
  readonly kind: CoverageKind | null
  readonly cursor_number: string | null
  readonly cursor_hash: Buffer | null
  readonly cursor_timestamp: Date | null
}

function readPosition(rows: readonly CoverageRow[]): PositionCoverage | null {
  const [first] = rows
  if (first === undefined) return null
  const { cursor_number: number, cursor_hash: hash, cursor_timestamp: timestamp } = first
  return {
    processed:
      number === null || hash === null || timestamp === null
        ? null
        : { number: BigInt(number), hash: toHash(hash), timestamp },
    intervals: rows.flatMap(({ kind, ...row }) => (kind === null ? [] : [readRun({ ...row, kind })])),
  }
}
