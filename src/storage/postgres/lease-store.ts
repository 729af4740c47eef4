import type { HeldLease, Lease, LeaseStore } from '../../leases/lease-store.js'
import type { Queryable } from './database.js'

/** A lease is of use for seconds: whoever asks for one tries again rather than to wait longer than it lasts. */
const TIMEOUT_MS = 3000
/**
 * No lease is taken for longer. One that would last longer was renewed before the database's clock was set back: a holder
 * that is alive renews it within seconds, and for a dead one nobody should wait until the old time comes again.
 */
const LASTS_MAX_MS = 60_000
const hasRunOut = `(lease.expires_at <= clock_timestamp() or lease.expires_at > ${after(LASTS_MAX_MS.toString())})`
/** The next epoch, if it is not one more than the last: the time in microseconds. */
const microseconds = '(extract(epoch from clock_timestamp()) * 1000000)::bigint'

/**
 * Leases as rows. Times are the database's own, so that processes need not agree on theirs; and those of the moment in
 * which the row is looked at, not of the beginning of a statement that had to wait for it.
 *
 * An epoch is the time of taking over, and at least one more than the last: so it goes up even where the table was lost
 * to a restore, or its newest rows to a standby that took over.
 */
export class PostgresLeaseStore implements LeaseStore {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async acquire(name: string, holder: string, durationMs: number): Promise<Lease | null> {
    checkDuration(durationMs)
    const rows = await this.#database.query<{ epoch: string }>({
      name: 'acquire-lease',
      text: `
        insert into tidemark.lease (name, holder, epoch, expires_at)
        values ($1, $2, ${microseconds}, ${after('$3')})
        on conflict (name) do update
        set holder = $2, expires_at = ${after('$3')},
            epoch = case when lease.holder = $2 then lease.epoch else greatest(lease.epoch + 1, ${microseconds}) end,
            note = case when lease.holder = $2 then lease.note end
        where lease.holder is null or lease.holder = $2 or ${hasRunOut}
        returning epoch`,
      values: [name, holder, durationMs],
      timeoutMs: TIMEOUT_MS,
    })
    const epoch = rows[0]?.epoch
    return epoch === undefined ? null : { name, holder, epoch: BigInt(epoch) }
  }

  async renew({ name, holder, epoch }: Lease, durationMs: number, note?: string): Promise<boolean> {
    checkDuration(durationMs)
    const rows = await this.#database.query({
      name: 'renew-lease',
      text: `
        update tidemark.lease set expires_at = ${after('$4')}, note = coalesce($5, note)
        where name = $1 and holder = $2 and epoch = $3
        returning name`,
      values: [name, holder, epoch, durationMs, note ?? null],
      timeoutMs: TIMEOUT_MS,
    })
    return rows.length > 0
  }

  async look(name: string): Promise<HeldLease | null> {
    const rows = await this.#database.query<{ holder: string; epoch: string; note: string | null }>({
      name: 'look-at-lease',
      text: `
        select holder, epoch, note from tidemark.lease
        where name = $1 and holder is not null and not ${hasRunOut}`,
      values: [name],
      timeoutMs: TIMEOUT_MS,
    })
    const row = rows[0]
    return row === undefined ? null : { name, holder: row.holder, epoch: BigInt(row.epoch), note: row.note }
  }

  async release({ name, holder, epoch }: Lease): Promise<void> {
    await this.#database.query({
      name: 'release-lease',
      text: `
        update tidemark.lease set holder = null, expires_at = null, note = null
        where name = $1 and holder = $2 and epoch = $3`,
      values: [name, holder, epoch],
      timeoutMs: TIMEOUT_MS,
    })
  }
}

/** Lets go of every lease: for whoever has the database to itself, and knows that all earlier processes are dead. */
export async function freeLeases(database: Queryable): Promise<void> {
  await database.query({
    name: 'free-leases',
    text: 'update tidemark.lease set holder = null, expires_at = null, note = null where holder is not null',
  })
}

function checkDuration(durationMs: number): void {
  if (durationMs > LASTS_MAX_MS) throw new Error(`invariant: a lease of at most ${LASTS_MAX_MS} ms, got ${durationMs}`)
}

function after(milliseconds: string): string {
  return `clock_timestamp() + ${milliseconds}::float8 * interval '1 millisecond'`
}
