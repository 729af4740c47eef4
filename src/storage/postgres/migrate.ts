import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'

import type pg from 'pg'

import { TidemarkError } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import { asDatabaseError, troubleOf } from './database-errors.js'
import { endConnection, withLimit } from './database.js'
import type { Database, Queryable } from './database.js'
import { refuseMoved } from './transfer/fence.js'

/** Any constant does, as long as every version uses the same: it keeps migrators apart. */
const MIGRATION_LOCK = 7_134_021_558n
/** Another migrator may be at work for so long before a start gives up, and tries again. */
const LOCK_WAIT_MS = 30_000
/** Everything but a migration itself is answered quickly. */
const ANSWER_MS = 10_000
/** A migration may rewrite large tables. */
const MIGRATION_MS = 3_600_000
const fileName = /^(\d{4})_([a-z0-9_]+)\.sql$/

/** The database has a schema that this version must not touch. */
export class SchemaMismatchError extends TidemarkError {
  readonly code = 'schema_mismatch'
}

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly sha256: string
}

export interface MigrationReport {
  /** Names of the migrations that were run now. */
  readonly applied: readonly string[]
  /** The schema version that stands. */
  readonly version: number
}

interface AppliedRow {
  readonly version: number
  readonly name: string
  readonly sha256: string
}

/** Reads the numbered SQL files, in order. */
export async function readMigrations(folder: URL = new URL('./sql/', import.meta.url)): Promise<readonly Migration[]> {
  const files = (await readdir(folder)).filter((file) => fileName.test(file)).toSorted()
  return Promise.all(
    files.map(async (file, index) => {
      const sql = await readFile(new URL(file, folder), 'utf8')
      const version = Number(file.slice(0, 4))
      if (version !== index + 1) throw new Error(`invariant: migrations are numbered without gaps, got ${file}`)
      return { version, name: file.slice(0, -4), sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/**
 * Brings the schema up to this version: forward only, one transaction for each file, one migrator at a time.
 *
 * @throws {SchemaMismatchError} when the database was migrated by a newer version, or by other files.
 * @throws {DatabaseMovedError} when it was moved to another server, or is not filled yet.
 * @throws {DatabaseUnavailableError} when the database went away, or another migrator takes too long
 */
export async function migrate(
  database: Database,
  logger: Logger,
  migrations?: readonly Migration[],
): Promise<MigrationReport> {
  const wanted = migrations ?? (await readMigrations())
  const client = await database.dedicatedClient(ANSWER_MS)
  try {
    await lockMigrations(client)
    await refuseMoved(client)
    await client.query(`
      create schema if not exists tidemark;
      create table if not exists tidemark.migration (
        version integer primary key,
        name text not null,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`)
    const { rows } = await client.query<AppliedRow>(
      'select version, name, sha256 from tidemark.migration order by version',
    )
    checkApplied(rows, wanted)
    const applied: string[] = []
    for (const migration of wanted.slice(rows.length)) {
      await runMigration(client, migration)
      applied.push(migration.name)
      logger.info({ migration: migration.name }, 'migration applied')
    }
    return { applied, version: wanted.length }
  } catch (error) {
    throw asDatabaseError(error)
  } finally {
    await endConnection(client)
  }
}

/**
 * Waits for other migrators, but not for ever: one may be frozen. The lock is the session's: it ends with the connection,
 * however this process ends.
 */
async function lockMigrations(client: pg.Client): Promise<void> {
  await client.query(`set lock_timeout = ${LOCK_WAIT_MS}`)
  const lock = { text: 'select pg_advisory_lock($1)', values: [MIGRATION_LOCK.toString()] }
  await client.query(withLimit(lock, LOCK_WAIT_MS + ANSWER_MS))
  await client.query('reset lock_timeout')
}

/** The newest migration that was applied; 0 for a database without our schema. Changes nothing. */
export async function readVersion(database: Queryable): Promise<number> {
  const tables = await database.query<{ known: boolean }>({
    name: 'migration-table',
    text: "select to_regclass('tidemark.migration') is not null as known",
  })
  if (tables[0]?.known !== true) return 0
  const rows = await database.query<{ version: number | null }>({
    name: 'migration-version',
    text: 'select max(version) as version from tidemark.migration',
  })
  return rows[0]?.version ?? 0
}

async function runMigration(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query('begin')
    await client.query(withLimit({ text: migration.sql }, MIGRATION_MS))
    await client.query({
      text: 'insert into tidemark.migration (version, name, sha256) values ($1, $2, $3)',
      values: [migration.version, migration.name, migration.sha256],
    })
    await client.query('commit')
  } catch (error) {
    // The connection is ended by the caller, which undoes what was begun.
    if (troubleOf(error) !== null) throw error
    await client.query('rollback').catch(() => undefined)
    throw new SchemaMismatchError(
      `migration ${migration.name} failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
        hint: 'Nothing of it was applied. Check the rights of the database user, then start again.',
      },
    )
  }
}

function checkApplied(applied: readonly AppliedRow[], wanted: readonly Migration[]): void {
  const newest = applied.at(-1)
  if (newest !== undefined && newest.version > wanted.length) {
    throw new SchemaMismatchError(
      `the database schema is at version ${newest.version} (${newest.name}), this program knows versions up to ${wanted.length}`,
      { hint: 'Run a Tidemark version that is at least as new as the one that made this schema.' },
    )
  }
  for (const row of applied) {
    const migration = wanted[row.version - 1]
    if (migration !== undefined && (migration.name !== row.name || migration.sha256 !== row.sha256)) {
      throw new SchemaMismatchError(
        `migration ${row.version} was applied as ${row.name} (${row.sha256.slice(0, 12)}), expected ${migration.name} (${migration.sha256.slice(0, 12)})`,
        { hint: 'The migration files were changed after they ran. Use the release that made this database.' },
      )
    }
  }
}
