import type pg from 'pg'

import { ask } from './transfer-session.js'

/** A table of the schema as it is carried elsewhere. */
export interface Table {
  readonly name: string
  /** What can be written: all columns but generated ones. */
  readonly columns: readonly string[]
  /** A counter row that every database has from its first migration on. */
  readonly isCounter: boolean
}

export interface Sequence {
  readonly name: string
  /** What it gave out last; null before the first. */
  readonly lastValue: string | null
}

/** Says which migrations made the schema; each database has its own rows. */
const MIGRATIONS = 'migration'

/** Every table of the schema that holds data, referenced ones before those that refer to them. */
export async function readTables(client: pg.Client): Promise<readonly Table[]> {
  const tables = await ask<Table>(client, {
    text: `
      select class.relname as name,
             array_agg(attribute.attname::text order by attribute.attnum) as columns,
             bool_or(attribute.attname = 'singleton') as "isCounter"
      from pg_class as class
      join pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum > 0
           and not attribute.attisdropped and attribute.attgenerated = ''
      where class.relnamespace = 'tidemark'::regnamespace and class.relkind = 'r' and class.relname <> $1
      group by class.relname
      order by class.relname`,
    values: [MIGRATIONS],
  })
  const references = await ask<{ readonly from: string; readonly to: string }>(client, {
    text: `
      select child.relname as from, parent.relname as to
      from pg_constraint as reference
      join pg_class as child on child.oid = reference.conrelid
      join pg_class as parent on parent.oid = reference.confrelid
      where reference.contype = 'f' and reference.connamespace = 'tidemark'::regnamespace
        and reference.conrelid <> reference.confrelid`,
  })
  return inOrder(tables, references)
}

function inOrder(
  tables: readonly Table[],
  references: readonly { readonly from: string; readonly to: string }[],
): readonly Table[] {
  const ordered = new Map<string, Table>()
  while (ordered.size < tables.length) {
    const ready = tables.filter(
      ({ name }) =>
        !ordered.has(name) && references.every((reference) => reference.from !== name || ordered.has(reference.to)),
    )
    if (ready.length === 0) throw new Error('invariant: no table refers to itself by way of others')
    for (const table of ready) ordered.set(table.name, table)
  }
  return [...ordered.values()]
}

export function readSequences(client: pg.Client): Promise<readonly Sequence[]> {
  return ask<Sequence>(client, {
    text: `select sequencename as name, last_value::text as "lastValue"
           from pg_sequences where schemaname = 'tidemark' order by sequencename`,
  })
}

/** Lets the sequences of this database go on where those of another one stand. */
export async function setSequences(client: pg.Client, sequences: readonly Sequence[]): Promise<void> {
  for (const { name, lastValue } of sequences) {
    if (lastValue === null) continue
    await ask(client, { text: 'select setval($1::regclass, $2)', values: [`tidemark.${quoted(name)}`, lastValue] })
  }
}

/** The rows of each table, by counting them. */
export async function countRows(client: pg.Client, tables: readonly Table[]): Promise<ReadonlyMap<string, bigint>> {
  const counts = new Map<string, bigint>()
  for (const table of tables) {
    const [row] = await ask<{ readonly rows: string }>(client, {
      text: `select count(*) as rows from ${qualified(table)}`,
    })
    counts.set(table.name, BigInt(row?.rows ?? 0))
  }
  return counts
}

export function qualified({ name }: Pick<Table, 'name'>): string {
  return `tidemark.${quoted(name)}`
}

export function columnList({ columns }: Pick<Table, 'columns'>): string {
  return columns.map(quoted).join(', ')
}

/** Names come from the catalogue or from a backup file: neither decides what else a statement does. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
