import type pg from 'pg'

import { qualified } from './read-tables.js'
import type { Table } from './read-tables.js'
import { ask } from './transfer-session.js'

/** A piece of a table as it lies on disk: from one page up to before another. */
export interface PageRange {
  readonly from: number
  readonly to: number
}

/**
 * A table's pages in pieces of one size. A table that nobody writes to keeps its rows where they are, so that a piece
 * names the same rows whenever it is read.
 */
export async function pageRanges(
  client: pg.Client,
  table: Table,
  pagesAtOnce: number,
  fromPage: number = 0,
): Promise<readonly PageRange[]> {
  const [row] = await ask<{ readonly pages: string }>(client, {
    text: `select pg_relation_size($1::regclass) / current_setting('block_size')::bigint as pages`,
    values: [qualified(table)],
  })
  const pages = Number(row?.pages ?? 0)
  const count = Math.max(0, Math.ceil((pages - fromPage) / pagesAtOnce))
  return Array.from({ length: count }, (_, index) => {
    const from = fromPage + index * pagesAtOnce
    return { from, to: Math.min(pages, from + pagesAtOnce) }
  })
}

/** The condition that selects the rows of a piece. */
export function inPages({ from, to }: PageRange): string {
  return `ctid >= '(${from},0)'::tid and ctid < '(${to},0)'::tid`
}
