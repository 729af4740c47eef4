import type pg from 'pg'

import { countRows, qualified } from './read-tables.js'
import type { Table } from './read-tables.js'
import { TargetNotEmptyError } from './transfer-errors.js'
import { ask } from './transfer-session.js'

/**
 * Refuses a database that has anything but what the migrations put there.
 *
 * @throws {TargetNotEmptyError} with the rows by table
 */
export async function requireEmpty(client: pg.Client, tables: readonly Table[], called: string): Promise<void> {
  const counts = await countRows(
    client,
    tables.filter(({ isCounter }) => !isCounter),
  )
  const found = [...counts].filter(([, rows]) => rows > 0n)
  const [log] = await ask<{ readonly seq: string }>(client, { text: 'select seq from tidemark.event_log' })
  if (found.length === 0 && log?.seq === '0') return
  const text = found.map(([name, rows]) => `${name} ${rows}`).join(', ')
  throw new TargetNotEmptyError(
    `expected ${called} to be empty, got rows: ${text === '' ? `an event log at ${log?.seq}` : text}`,
    {
      hint: 'Nothing is ever overwritten. Name an empty database, or drop the schema `tidemark` there if its data is not needed.',
      details: { rows: Object.fromEntries(found.map(([name, rows]) => [name, rows.toString()])) },
    },
  )
}

/** Keeps everybody else from writing until the transaction ends; readers go on. */
export async function lockTables(client: pg.Client, tables: readonly Table[]): Promise<void> {
  await ask(client, { text: `lock table ${tables.map(qualified).join(', ')} in exclusive mode` })
}
