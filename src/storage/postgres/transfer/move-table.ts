import type pg from 'pg'

import { copyIn } from './copy-in.js'
import { copyOut } from './copy-out.js'
import { inPages, pageRanges } from './page-ranges.js'
import { columnList, qualified } from './read-tables.js'
import type { Table } from './read-tables.js'
import { ask, inTransaction } from './transfer-session.js'

/** About 32 MB, a second or two: what is begun again at most after an interruption. */
const PAGES_AT_ONCE = 4096

export interface MoveTableOptions {
  readonly source: pg.Client
  readonly target: pg.Client
  readonly table: Table
  readonly signal?: AbortSignal | undefined
  /** Told of rows that arrived since the last time. */
  readonly onRows?: ((rows: bigint) => void) | undefined
  /** Other than the usual pieces, for tests. */
  readonly pagesAtOnce?: number | undefined
}

/** How many rows of each table have arrived, by the target's own notes. */
export async function readArrived(target: pg.Client): Promise<bigint> {
  const [row] = await ask<{ readonly rows: string | null }>(target, {
    text: 'select sum(rows) as rows from tidemark_move.progress',
  })
  return BigInt(row?.rows ?? 0)
}

/**
 * Carries what is still missing of a table, piece by piece. A piece and the note that it has arrived are one transaction
 * on the target, so a piece arrives once, whenever this is interrupted.
 */
export async function moveTable(options: MoveTableOptions): Promise<void> {
  const { source, target, table, signal } = options
  const [arrived] = await ask<{ readonly page: string }>(target, {
    text: 'select next_page as page from tidemark_move.progress where table_name = $1',
    values: [table.name],
  })
  const fromPage = Number(arrived?.page ?? 0)
  // What the target's migrations put there gives way to what the source has.
  if (arrived === undefined && table.isCounter) await beginCounter(target, table)
  for (const range of await pageRanges(source, table, options.pagesAtOnce ?? PAGES_AT_ONCE, fromPage)) {
    signal?.throwIfAborted()
    const rows = copyOut(
      source,
      `copy (select ${columnList(table)} from ${qualified(table)} where ${inPages(range)}) to stdout`,
    )
    const taken = await inTransaction(target, async () => {
      const count = await copyIn(target, `copy ${qualified(table)} (${columnList(table)}) from stdin`, rows)
      await noteArrived(target, table, range.to, count)
      return count
    })
    options.onRows?.(taken)
  }
}

async function beginCounter(target: pg.Client, table: Table): Promise<void> {
  await inTransaction(target, async () => {
    await ask(target, { text: `delete from ${qualified(table)}` })
    await noteArrived(target, table, 0, 0n)
  })
}

async function noteArrived(target: pg.Client, table: Table, nextPage: number, rows: bigint): Promise<void> {
  await ask(target, {
    text: `
      insert into tidemark_move.progress (table_name, next_page, rows) values ($1, $2, $3)
      on conflict (table_name) do update set next_page = excluded.next_page, rows = progress.rows + excluded.rows`,
    values: [table.name, nextPage, rows],
  })
}
