import { decodeEvent } from '../../events/event-codec.js'
import type { EventLog } from '../../events/event-log.js'
import type { Position } from '../../model/position.js'
import type { RecordKey } from '../mongodb/record-document.js'
import type {
  LogLag,
  LogPlace,
  RecordEvent,
  RecordEvents,
  RecordPlace,
  RecordReading,
  RecordSource,
  RecordSpan,
} from '../mongodb/record-source.js'
import { bytesToToken, toAddress, toBytes, tokenToBytes } from './bytes.js'
import type { Queryable } from './database.js'
import { readRecord, recordColumns } from './record-columns.js'
import type { RecordColumns } from './record-columns.js'

/** In `tidemark.event_consumer` a copy in MongoDB is named by this and its target. */
const CONSUMER_PREFIX = 'mongodb:'

const recordTypes = ['balance.updated', 'position.started', 'balance.reverted', 'history.extended'] as const

interface PlaceRow {
  readonly log: string
  readonly seq: string
}

interface SourceRow extends PlaceRow, RecordColumns {
  readonly position_id: string | null
  readonly chain_id: string
  readonly token: Buffer
  readonly solver: Buffer
}

interface EventRow extends PlaceRow {
  readonly kept: boolean
  readonly upto: string
  readonly mark_after: string | null
  readonly mark_upto: string | null
  readonly event_seq: string | null
  readonly type: RecordEvent['type']
  readonly payload: unknown
}

/** Records and the place in the log that belongs to them, each read by one statement and so in one snapshot. */
export class PostgresRecordSource implements RecordSource {
  readonly #database: Queryable
  readonly #events: Pick<EventLog, 'rename'>

  constructor(database: Queryable, events: Pick<EventLog, 'rename'>) {
    this.#database = database
    this.#events = events
  }

  async place(): Promise<LogPlace> {
    return placeOf(
      await this.#database.query<PlaceRow>({ name: 'log-place', text: 'select log, seq from tidemark.event_log' }),
    )
  }

  async eventsAfter(after: bigint, limit: number): Promise<RecordEvents> {
    const rows = await this.#database.query<EventRow>({
      name: 'record-events',
      // The time of a commit tells two events of one number apart, to the microsecond.
      text: `
        with place as (
          select log, seq, greatest($1, least(seq, $1::bigint + $2::bigint)) as upto from tidemark.event_log
        )
        select log, place.seq, upto, entry.seq as event_seq, type, payload,
               place.seq <= $1 or exists (select from tidemark.event where seq = $1 + 1) as kept,
               (select at::text from tidemark.event where seq = $1) as mark_after,
               (select at::text from tidemark.event where seq = upto) as mark_upto
        from place
        left join lateral (
          select seq, type, payload from tidemark.event
          where seq > $1 and seq <= upto and type = any($3::text[])
        ) as entry on true
        order by entry.seq`,
      values: [after, limit, recordTypes],
    })
    const row = rows[0]
    return {
      ...placeOf(rows),
      events: rows.flatMap(readEvent),
      upto: BigInt(row?.upto ?? after),
      expired: row?.kept === false,
      markAfter: row?.mark_after ?? null,
      markUpto: row?.mark_upto ?? null,
    }
  }

  async recordsOf(keys: readonly RecordKey[]): Promise<RecordReading> {
    return this.#read(
      'records-of-keys',
      `select position.chain_id, token, solver, record.position_id, ${recordColumns}
       from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[]) as wanted (chain_id, token, solver, block_number)
       join tidemark.position using (chain_id, token, solver)
       cross join lateral (
         select * from tidemark.balance_record
         where position_id = position.id and block_number = wanted.block_number
         offset 0
       ) as record`,
      [
        keys.map(({ position }) => position.chainId),
        keys.map(({ position }) => tokenToBytes(position.token)),
        keys.map(({ position }) => toBytes(position.solver)),
        keys.map(({ blockNumber }) => blockNumber),
      ],
    )
  }

  recordsWithin({ position, fromBlock, toBlock }: RecordSpan, limit: number): Promise<RecordReading> {
    return this.#read(
      'records-within',
      `select position.chain_id, token, solver, record.position_id, ${recordColumns}
       from tidemark.position join tidemark.balance_record as record on position_id = position.id
       where chain_id = $1 and token = $2 and solver = $3 and block_number between $4 and $5
       order by block_number limit $6`,
      [position.chainId, tokenToBytes(position.token), toBytes(position.solver), fromBlock, toBlock, limit],
    )
  }

  async recordsAfter(
    place: RecordPlace | null,
    limit: number,
  ): Promise<RecordReading & { readonly next: RecordPlace | null }> {
    const { last, ...reading } = await this.#read(
      'records-after',
      `select position.chain_id, token, solver, record.position_id, ${recordColumns}
       from (
         select * from tidemark.balance_record
         where (position_id, block_number) > ($1::bigint, $2::bigint)
         order by position_id, block_number limit $3
       ) as record join tidemark.position on position.id = position_id`,
      [place?.positionId ?? 0n, place?.blockNumber ?? 0n, limit],
    )
    return { ...reading, next: reading.records.length < limit ? null : last }
  }

  async estimateRecords(): Promise<number> {
    const rows = await this.#database.query<{ estimate: string }>({
      name: 'estimate-records',
      text: `select greatest(reltuples, 0)::bigint as estimate from pg_class
             where oid = 'tidemark.balance_record'::regclass`,
    })
    return Number(rows[0]?.estimate ?? 0)
  }

  async renameLog(log: string, lostSeq: bigint | null): Promise<void> {
    await this.#events.rename(log, lostSeq)
  }

  async lagAfter(place: LogPlace | null): Promise<LogLag> {
    const rows = await this.#database.query<{ events: string; seconds: number | null }>({
      name: 'log-lag',
      text: `
        select greatest(event_log.seq - done.seq, 0) as events,
               (select greatest(extract(epoch from now() - at), 0)::float8 from tidemark.event
                where event.seq > done.seq order by event.seq limit 1) as seconds
        from tidemark.event_log
        cross join lateral (
          select coalesce(case when $2::text is null then (
                            select max(seq) from tidemark.event_consumer
                            where starts_with(name, '${CONSUMER_PREFIX}') and event_consumer.log = event_log.log
                          ) when $2 = event_log.log::text then $1::bigint end, 0) as seq
        ) as done`,
      values: [place?.seq ?? null, place?.log ?? null],
    })
    return { events: BigInt(rows[0]?.events ?? 0), seconds: rows[0]?.seconds ?? 0 }
  }

  async register(target: string, seq?: bigint): Promise<LogPlace> {
    const rows = await this.#database.query<PlaceRow>({
      name: 'register-copy',
      text: `
        with dropped as (
          delete from tidemark.event_consumer where starts_with(name, '${CONSUMER_PREFIX}') and name <> $1
        ), placed as (
          insert into tidemark.event_consumer (name, seq, log) select $1, coalesce($2, seq), log from tidemark.event_log
          on conflict (name) do update set seq = excluded.seq, log = excluded.log, moved_at = now()
        )
        select log, seq from tidemark.event_log`,
      values: [`${CONSUMER_PREFIX}${target}`, seq ?? null],
    })
    return placeOf(rows)
  }

  async isRegistered(target: string): Promise<boolean> {
    const rows = await this.#database.query({
      name: 'is-registered-copy',
      text: 'select from tidemark.event_consumer where name = $1',
      values: [`${CONSUMER_PREFIX}${target}`],
    })
    return rows.length > 0
  }

  async forgetCopies(): Promise<void> {
    await this.#database.query({
      name: 'forget-copies',
      text: `delete from tidemark.event_consumer where starts_with(name, '${CONSUMER_PREFIX}')`,
    })
  }

  /** @param text a select of records with `position_id`, their position's columns among them */
  async #read(
    name: string,
    text: string,
    values: readonly unknown[],
  ): Promise<RecordReading & { readonly last: RecordPlace | null }> {
    const rows = await this.#database.query<SourceRow>({
      name,
      text: `
        select log, seq, found.* from tidemark.event_log left join (${text}) as found on true
        order by found.position_id, found.block_number`,
      values,
    })
    const found = rows.filter((row) => row.position_id !== null)
    const last = found.at(-1)
    return {
      ...placeOf(rows),
      records: found.map((row) => readRecord(positionOf(row), row)),
      last:
        last === undefined
          ? null
          : { positionId: BigInt(last.position_id ?? 0), blockNumber: BigInt(last.block_number) },
    }
  }
}

function placeOf(rows: readonly PlaceRow[]): LogPlace {
  const row = rows[0]
  if (row === undefined) throw new Error('invariant: the event log has its counter row')
  return { log: row.log, seq: BigInt(row.seq) }
}

function readEvent(row: EventRow): RecordEvent[] {
  if (row.event_seq === null) return []
  const event = decodeEvent(row.type, row.payload)
  switch (event.type) {
    case 'balance.updated':
    case 'position.started':
    case 'balance.reverted':
    case 'history.extended':
      return [event]
    case 'token.changed':
    case 'snapshot.saved':
    case 'watch-list.changed':
      return []
  }
}

function positionOf(row: SourceRow): Position {
  return { chainId: BigInt(row.chain_id), token: bytesToToken(row.token), solver: toAddress(row.solver) }
}
