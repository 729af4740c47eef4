import { encodeEvent } from '../../events/event-codec.js'
import type { TidemarkEvent } from '../../model/event.js'
import type { Queryable } from './database.js'

/** The channel on which a commit wakes the readers of the event log. */
export const EVENT_CHANNEL = 'tidemark_event'

/**
 * Appends events as the last statement of a transaction. The counter row stays locked until the commit, which makes the
 * order of `seq` the order of commits; a rollback gives its numbers back.
 */
export async function appendEvents(transaction: Queryable, events: readonly TidemarkEvent[]): Promise<void> {
  if (events.length === 0) return
  await transaction.query({
    name: 'append-events',
    text: `
      with counter as (
        update tidemark.event_log set seq = seq + $1 returning seq - $1 as base
      ), appended as (
        insert into tidemark.event (seq, type, payload)
        select counter.base + entry.ordinal, entry.type, entry.payload::json
        from counter, unnest($2::text[], $3::text[]) with ordinality as entry (type, payload, ordinal)
      )
      select pg_notify('${EVENT_CHANNEL}', '')`,
    values: [events.length, events.map((event) => event.type), events.map(encodeEvent)],
  })
}
