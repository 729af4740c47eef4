import type {
  CommitOutcome,
  SnapshotDraft,
  SnapshotList,
  SnapshotListRequest,
  SnapshotStore,
} from '../../snapshots/snapshot-store.js'
import { commitSnapshots } from './commit-snapshots.js'
import type { Database } from './database.js'
import { readSnapshot } from './snapshot-row.js'
import type { SnapshotRow } from './snapshot-row.js'

/** Reported snapshots in PostgreSQL. */
export class PostgresSnapshotStore implements SnapshotStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  commit(drafts: readonly SnapshotDraft[], timeoutMs: number): Promise<readonly CommitOutcome[]> {
    return commitSnapshots(this.#database, drafts, timeoutMs)
  }

  async list(request: SnapshotListRequest): Promise<SnapshotList | null> {
    const { limit, offset, before, from, to } = request
    if (before !== undefined && !(await this.#exists(before))) return null
    const rows = await this.#database.query<SnapshotRow>({
      name: before === undefined ? 'list-snapshots' : 'list-snapshots-before',
      text: `
        select id, ts, pid, onchain, onsite
        from tidemark."BalanceSnapshot"
        where ($3::timestamptz is null or ts >= $3) and ($4::timestamptz is null or ts <= $4)
          ${before === undefined ? '' : `and (ts, seq) < (select ts, seq from tidemark."BalanceSnapshot" where id = $5)`}
        order by ts desc, seq desc
        limit $1 offset $2`,
      values: [limit + 1, offset, from ?? null, to ?? null, ...(before === undefined ? [] : [before])],
    })
    const total = await this.#total(from, to)
    return { snapshots: rows.slice(0, limit).map(readSnapshot), total, hasMore: rows.length > limit }
  }

  async #total(from: Date | undefined, to: Date | undefined): Promise<number> {
    const everything = from === undefined && to === undefined
    const rows = await this.#database.query<{ total: string }>(
      everything
        ? { name: 'count-snapshots', text: 'select snapshots as total from tidemark.event_log' }
        : {
            name: 'count-snapshots-between',
            text: `select count(*) as total from tidemark."BalanceSnapshot"
                   where ($1::timestamptz is null or ts >= $1) and ($2::timestamptz is null or ts <= $2)`,
            values: [from ?? null, to ?? null],
          },
    )
    return Number(rows[0]?.total ?? 0)
  }

  async #exists(id: string): Promise<boolean> {
    const rows = await this.#database.query({
      name: 'snapshot-exists',
      text: 'select 1 from tidemark."BalanceSnapshot" where id = $1',
      values: [id],
    })
    return rows.length > 0
  }
}
