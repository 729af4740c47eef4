import type { ConsumerPlace, ConsumerStore, LaggingConsumer } from '../../events/consumer-store.js'
import type { Queryable } from './database.js'

/** Places of the readers of the event log, in PostgreSQL. */
export class PostgresConsumerStore implements ConsumerStore {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async register(name: string): Promise<void> {
    await this.#database.query({
      name: 'register-consumer',
      text: `
        insert into tidemark.event_consumer (name, seq, log) select $1, seq, log from tidemark.event_log
        on conflict (name) do nothing`,
      values: [name],
    })
  }

  async open(name: string, epoch: bigint): Promise<ConsumerPlace | null> {
    const rows = await this.#database.query<{ log: string | null; seq: string }>({
      name: 'open-consumer',
      text: 'update tidemark.event_consumer set epoch = $2 where name = $1 and epoch <= $2 returning log, seq',
      values: [name, epoch],
    })
    const row = rows[0]
    return row === undefined ? null : { log: row.log, seq: BigInt(row.seq) }
  }

  async move(name: string, epoch: bigint, { log, seq }: ConsumerPlace): Promise<boolean> {
    const rows = await this.#database.query({
      name: 'move-consumer',
      text: `
        update tidemark.event_consumer set seq = $3, log = $4, moved_at = now()
        where name = $1 and epoch = $2 and $3 <= (select seq from tidemark.event_log)
        returning 1`,
      values: [name, epoch, seq, log],
    })
    return rows.length > 0
  }

  async lagging(olderThanDays: number): Promise<readonly LaggingConsumer[]> {
    const rows = await this.#database.query<{ name: string; seq: string; age: number }>({
      name: 'lagging-consumers',
      text: `
        select consumer.name, consumer.seq, (extract(epoch from now() - event.at) / 86400)::float8 as age
        from tidemark.event_consumer as consumer
        join tidemark.event on event.seq = consumer.seq + 1
        where event.at < now() - $1 * interval '1 day'
        order by event.seq, consumer.name`,
      values: [olderThanDays],
    })
    return rows.map((row) => ({ name: row.name, seq: BigInt(row.seq), ageDays: row.age }))
  }
}
