import { setImmediate } from 'node:timers/promises'

import { encodeEvent } from '../../events/event-codec.js'
import type { LoggedEvent, TidemarkEvent } from '../../model/event.js'
import type { Queryable, Statement } from './database.js'
import { StatementParts } from './statement-parts.js'

/** The channel on which a commit wakes the readers of the event log. */
export const EVENT_CHANNEL = 'tidemark_event'

/** Events that are encoded at once: a few milliseconds. */
const SLICE_EVENTS = 256

/**
 * Appends events as the last statement of a transaction. The counter row stays locked until the commit, which makes the
 * order of `seq` the order of commits; a rollback gives its numbers back.
 */
export async function appendEvents(transaction: Queryable, events: readonly TidemarkEvent[]): Promise<void> {
  if (events.length === 0) return
  await transaction.query(appending(encodeAll(events)))
}

/**
 * The statement of `appendEvents` for very many events, made while the process also does other things; null when there
 * is nothing to append.
 */
export async function prepareEvents(events: Iterable<TidemarkEvent>): Promise<Statement | null> {
  const encoded: EncodedEvents = { types: [], payloads: [] }
  for (const event of events) {
    if (encoded.types.length % SLICE_EVENTS === 0) await setImmediate()
    encode(event, encoded)
  }
  return encoded.types.length === 0 ? null : appending(encoded)
}

function appending(encoded: EncodedEvents): Statement {
  const statement = new StatementParts('append-events')
  addEncoded(statement, encoded)
  return statement.build(WAKE_READERS)
}

/**
 * Adds the parts `counter` and `appended`, which store events. The statement has to end with `WAKE_READERS`.
 *
 * @param gate a part without whose row nothing is appended. What makes that row is done before the counter is locked.
 */
export function addEvents(statement: StatementParts, events: readonly TidemarkEvent[], gate?: string): void {
  addEncoded(statement, encodeAll(events), gate)
}

/** One entry for each event. */
interface EncodedEvents {
  readonly types: string[]
  /** JSON without line breaks. */
  readonly payloads: string[]
}

function encodeAll(events: Iterable<TidemarkEvent>): EncodedEvents {
  const encoded: EncodedEvents = { types: [], payloads: [] }
  for (const event of events) encode(event, encoded)
  return encoded
}

function encode(event: TidemarkEvent, { types, payloads }: EncodedEvents): void {
  types.push(event.type)
  payloads.push(encodeEvent(event))
}

function addEncoded(statement: StatementParts, encoded: EncodedEvents, gate?: string): void {
  const count = `${statement.value(encoded.types.length)}::bigint`
  const types = `${statement.value(`{${encoded.types.join(',')}}`)}::text[]`
  // A list would have every quotation mark in it escaped, and read back.
  const lines = `string_to_array(${statement.value(encoded.payloads.join('\n'))}::text, E'\\n')`
  statement.add(
    'counter',
    `
    update tidemark.event_log set seq = seq + ${count} ${gate === undefined ? '' : `from ${gate}`}
    returning seq - ${count} as base`,
  )
  statement.add(
    'appended',
    `
    insert into tidemark.event (seq, type, payload)
    select counter.base + entry.ordinal, entry.type, entry.payload::json
    from counter, unnest(${types}, ${lines}) with ordinality as entry (type, payload, ordinal)`,
  )
}

/**
 * The result of a statement that appended events: wakes who follows the log, once it has committed. `base` is the `seq`
 * before the first of them.
 */
export const WAKE_READERS: string = `select pg_notify('${EVENT_CHANNEL}', ''), counter.base from counter`

/** Events with the place they were given. */
export function placeEvents(events: readonly TidemarkEvent[], base: string): readonly LoggedEvent[] {
  const before = BigInt(base)
  return events.map((event, index) => ({ seq: before + BigInt(index) + 1n, ...event }))
}
