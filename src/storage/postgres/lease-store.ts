import type { Lease, LeaseStore } from '../../leases/lease-store.js'
import type { Queryable } from './database.js'

/** What time it is, in SQL: not the transaction's, but that of the moment in which a row is looked at. */
const databaseClock = 'clock_timestamp()'
/** A lease is of use for seconds: whoever asks for one tries again rather than to wait longer than it lasts. */
const TIMEOUT_MS = 3000

/**
 * Leases as rows. Times are the database's own, so that processes need not agree on theirs.
 *
 * An epoch is the time of taking over in microseconds, and at least one more than the last: so it goes up even where the
 * table was lost to a restore, or its newest rows to a standby that took over.
 */
export class PostgresLeaseStore implements LeaseStore {
  readonly #database: Queryable
  readonly #now: string

  /** @param now SQL that gives the time, where it is not the database's: for a simulation. */
  constructor(database: Queryable, now: string = databaseClock) {
    this.#database = database
    this.#now = now
  }

  async acquire(name: string, holder: string, durationMs: number): Promise<Lease | null> {
    // Looking locks nothing and writes nothing: those who stand by do it all the time.
    const others = await this.#database.query({
      name: 'look-at-lease',
      text: `select from tidemark.lease where name = $1 and holder <> $2 and expires_at > ${this.#now}`,
      values: [name, holder],
      timeoutMs: TIMEOUT_MS,
    })
    if (others.length > 0) return null
    const rows = await this.#database.query<{ epoch: string }>({
      name: 'acquire-lease',
      text: `
        insert into tidemark.lease (name, holder, epoch, expires_at)
        values ($1, $2, ${this.#microseconds}, ${this.#after('$3')})
        on conflict (name) do update
        set holder = $2, expires_at = ${this.#after('$3')},
            epoch = case when lease.holder = $2 then lease.epoch
                    else greatest(lease.epoch + 1, ${this.#microseconds}) end
        where lease.holder is null or lease.holder = $2 or lease.expires_at <= ${this.#now}
        returning epoch`,
      values: [name, holder, durationMs],
      timeoutMs: TIMEOUT_MS,
    })
    const epoch = rows[0]?.epoch
    return epoch === undefined ? null : { name, holder, epoch: BigInt(epoch) }
  }

  async renew({ name, holder, epoch }: Lease, durationMs: number): Promise<boolean> {
    const rows = await this.#database.query({
      name: 'renew-lease',
      text: `
        update tidemark.lease set expires_at = ${this.#after('$4')}
        where name = $1 and holder = $2 and epoch = $3
        returning name`,
      values: [name, holder, epoch, durationMs],
      timeoutMs: TIMEOUT_MS,
    })
    return rows.length > 0
  }

  async release({ name, holder, epoch }: Lease): Promise<void> {
    await this.#database.query({
      name: 'release-lease',
      text: `
        update tidemark.lease set holder = null, expires_at = null
        where name = $1 and holder = $2 and epoch = $3`,
      values: [name, holder, epoch],
      timeoutMs: TIMEOUT_MS,
    })
  }

  get #microseconds(): string {
    return `(extract(epoch from ${this.#now}) * 1000000)::bigint`
  }

  #after(milliseconds: string): string {
    return `${this.#now} + ${milliseconds}::float8 * interval '1 millisecond'`
  }
}
