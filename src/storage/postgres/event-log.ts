import type pg from 'pg'

import { decodeEvent } from '../../events/event-codec.js'
import type { EventLog, EventLogHead } from '../../events/event-log.js'
import { messageOf } from '../../model/errors.js'
import type { EventType, LoggedEvent } from '../../model/event.js'
import type { Logger } from '../../model/logger.js'
import { EVENT_CHANNEL } from './append-events.js'
import { cutConnection, endConnection } from './database.js'
import type { Database } from './database.js'
import { readSnapshot } from './snapshot-row.js'
import type { SnapshotRow } from './snapshot-row.js'

/** A lost connection is opened again after this part of the time between two checks. */
const RELISTEN_PART = 0.2

interface EventRow {
  readonly seq: string
  readonly type: EventType
  readonly payload: unknown
}

/** The durable event log in PostgreSQL. */
export class PostgresEventLog implements EventLog {
  readonly #database: Database
  readonly #logger: Logger

  constructor(database: Database, logger: Logger) {
    this.#database = database
    this.#logger = logger
  }

  async head(): Promise<EventLogHead> {
    const rows = await this.#database.query<{ log: string; seq: string; oldest: string | null }>({
      name: 'event-log-head',
      text: `select log, seq, (select min(seq) from tidemark.event) as oldest from tidemark.event_log`,
    })
    const row = rows[0]
    if (row === undefined) throw new Error('invariant: the event log has its counter row')
    const seq = BigInt(row.seq)
    return { log: row.log, seq, oldestSeq: row.oldest === null ? seq + 1n : BigInt(row.oldest) }
  }

  async read(after: bigint, limit: number): Promise<readonly LoggedEvent[]> {
    const rows = await this.#database.query<EventRow & SnapshotRow>({
      name: 'read-events',
      text: `
        select event.seq, event.type, event.payload, snapshot.id, snapshot.ts, snapshot.pid, snapshot.onchain, snapshot.onsite
        from tidemark.event
        left join tidemark."BalanceSnapshot" as snapshot on snapshot.seq = event.seq and event.type = 'snapshot.saved'
        where event.seq > $1
        order by event.seq
        limit $2`,
      values: [after, limit],
    })
    return rows.map(readEvent)
  }

  async rename(log: string, lostSeq: bigint | null): Promise<EventLogHead> {
    await this.#database.query({
      name: 'rename-event-log',
      text: 'update tidemark.event_log set log = gen_random_uuid() where log = $1 and ($2::bigint is null or seq < $2)',
      values: [log, lostSeq],
    })
    return this.head()
  }

  listen(onWake: () => void): () => Promise<void> {
    const listener = new Listener(this.#database, this.#logger, onWake)
    return () => listener.close()
  }
}

function readEvent(row: EventRow & SnapshotRow): LoggedEvent {
  const seq = BigInt(row.seq)
  if (row.type === 'snapshot.saved') return { seq, type: row.type, data: readSnapshot(row) }
  return { seq, ...decodeEvent(row.type, row.payload) }
}

/** One connection that listens for commits and is opened again whenever it is lost. */
class Listener {
  readonly #database: Database
  readonly #logger: Logger
  readonly #onWake: () => void
  #client: pg.Client | null = null
  #timer: NodeJS.Timeout | undefined
  #connecting: Promise<void> | null = null
  #closed = false

  constructor(database: Database, logger: Logger, onWake: () => void) {
    this.#database = database
    this.#logger = logger
    this.#onWake = onWake
    this.#connect()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#connecting
    clearTimeout(this.#timer)
    if (this.#client !== null) await endConnection(this.#client)
  }

  #connect(): void {
    this.#connecting = this.#open().catch((error: unknown) => {
      this.#logger.debug({ error: messageOf(error) }, 'event log wake-ups are off, polling only')
      this.#connectLater()
    })
  }

  async #open(): Promise<void> {
    const client = await this.#database.dedicatedClient(this.#database.limits.connectTimeoutMs)
    this.#client = client
    // What this process has committed it hands out without reading it back: to read it here would be in its way.
    client.on('notification', ({ processId }) => {
      if (!this.#database.owns(processId)) this.#onWake()
    })
    client.on('end', () => this.#connectLater())
    try {
      await client.query(`listen ${EVENT_CHANNEL}`)
    } catch (error) {
      cutConnection(client)
      throw error
    }
    this.#onWake()
    this.#checkLater(client)
  }

  /** A connection can die without a word. One that does not answer is cut, and opened again. */
  async #check(client: pg.Client): Promise<void> {
    try {
      await client.query('select 1')
      this.#checkLater(client)
    } catch {
      cutConnection(client)
    }
  }

  #connectLater(): void {
    this.#after(this.#database.limits.listenCheckMs * RELISTEN_PART, () => this.#connect())
  }

  #checkLater(client: pg.Client): void {
    this.#after(this.#database.limits.listenCheckMs, () => void this.#check(client))
  }

  /** The next step, and only this one: an earlier plan is dropped. */
  #after(delayMs: number, step: () => void): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(step, delayMs)
    this.#timer.unref()
  }
}
