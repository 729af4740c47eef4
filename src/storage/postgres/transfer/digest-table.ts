import type pg from 'pg'

import { inPages, pageRanges } from './page-ranges.js'
import { columnList, qualified } from './read-tables.js'
import type { Table } from './read-tables.js'
import { ask } from './transfer-session.js'

/** About 64 MB: read in a moment, so that a request to stop need not wait. */
const PAGES_AT_ONCE = 8192
const MASK = (1n << 128n) - 1n

export interface TableDigest {
  readonly rows: bigint
  /** The sum of the rows' MD5 values, in hex: the same in whatever order the rows lie. */
  readonly digest: string
}

export interface DigestOptions {
  readonly signal?: AbortSignal | undefined
  /** Told of rows that were read since the last time. */
  readonly onRows?: ((rows: bigint) => void) | undefined
}

/**
 * Counts a table's rows and sums them up, on the server. Against accidents, not against somebody who wants to deceive.
 * The table must stand still meanwhile.
 */
export async function digestTable(client: pg.Client, table: Table, options: DigestOptions = {}): Promise<TableDigest> {
  let rows = 0n
  let sum = 0n
  for (const range of await pageRanges(client, table, PAGES_AT_ONCE)) {
    options.signal?.throwIfAborted()
    const [piece] = await ask<{ readonly rows: string; readonly high: string | null; readonly low: string | null }>(
      client,
      {
        text: `
          select count(*) as rows,
                 sum(('x' || left(digest, 16))::bit(64)::bigint::numeric) as high,
                 sum(('x' || right(digest, 16))::bit(64)::bigint::numeric) as low
          from (select md5(row(${columnList(table)})::text) as digest from ${qualified(table)}
                where ${inPages(range)}) as digests`,
      },
    )
    const read = BigInt(piece?.rows ?? 0)
    rows += read
    sum += (BigInt(piece?.high ?? 0) << 64n) + BigInt(piece?.low ?? 0)
    options.onRows?.(read)
  }
  return { rows, digest: (sum & MASK).toString(16).padStart(32, '0') }
}
