import type pg from 'pg'

import { qualified } from './read-tables.js'
import type { Table } from './read-tables.js'
import { ask } from './transfer-session.js'

/** Keeps the schema's own triggers still: rows arrive as they are, with what triggers made of them where they come from. */
export async function silenceTriggers(client: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const table of tables) await ask(client, { text: `alter table ${qualified(table)} disable trigger user` })
}

export async function wakeTriggers(client: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const table of tables) await ask(client, { text: `alter table ${qualified(table)} enable trigger user` })
}
