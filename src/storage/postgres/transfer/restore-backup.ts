import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import type pg from 'pg'

import { silentLogger } from '../../../model/logger.js'
import type { Logger } from '../../../model/logger.js'
import type { DatabaseSettings } from '../connect-database.js'
import { migrate, readMigrations, readVersion } from '../migrate.js'
import type { Migration } from '../migrate.js'
import type { BackupHeader, BackupTable } from './backup-format.js'
import { copyIn } from './copy-in.js'
import { countLines } from './count-lines.js'
import { lockTables, requireEmpty } from './empty-target.js'
import { refuseMoved } from './fence.js'
import { openEnd } from './open-end.js'
import type { TransferEnd } from './open-end.js'
import { silenceTriggers, wakeTriggers } from './own-triggers.js'
import { BackupReader } from './read-backup.js'
import { columnList, qualified, readSequences, readTables, setSequences } from './read-tables.js'
import type { Table } from './read-tables.js'
import { BackupDamagedError, BackupUnsupportedError } from './transfer-errors.js'
import type { TransferProgress } from './transfer-progress.js'
import { ask, inTransaction } from './transfer-session.js'

/** Rows of one statement: what PostgreSQL remembers of them to check references must fit its memory. */
const STATEMENT_BYTES = 32 * 1024 * 1024

export interface RestoreOptions {
  readonly from: string
  /** What the database is called in messages, without secrets. */
  readonly targetName: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
}

export interface RestoreReport {
  readonly createdAt: string
  /** The event log's new name, by which followers know that it is not the one they followed. */
  readonly log: string
  readonly seq: bigint
  readonly tables: readonly { readonly name: string; readonly rows: bigint }[]
}

/**
 * Fills the configured database from a backup. The file is read to its end first; all of it is there then, or nothing.
 *
 * @throws {BackupDamagedError | BackupUnsupportedError} before anything is written
 * @throws {TargetNotEmptyError} where there is other data
 * @throws {DataDirectoryLockedError | DatabaseInUseError} while a service works with the database
 */
export async function restoreDatabase(
  settings: Pick<DatabaseSettings, 'databaseUrl' | 'dataDir'>,
  options: RestoreOptions,
  logger: Logger = silentLogger,
): Promise<RestoreReport> {
  const known = await readMigrations()
  const { header, digest } = await readThrough(options, known)
  const target = await openEnd(settings, options.targetName, logger)
  try {
    await target.database.checkDurability()
    await makeSchema(target, known.slice(0, header.migrations.length), logger)
    const log = await fill(target, { ...options, header, digest })
    await migrate(target.database, logger)
    for (const table of await readTables(target.session)) {
      await ask(target.session, { text: `analyze ${qualified(table)}` })
    }
    return {
      createdAt: header.createdAt,
      log,
      seq: BigInt(header.seq),
      tables: header.tables.map(({ name, rows }) => ({ name, rows: BigInt(rows) })),
    }
  } finally {
    await target.close()
  }
}

/** Reads the file as the restore will, and keeps nothing of it. */
async function readThrough(
  options: RestoreOptions,
  known: readonly Migration[],
): Promise<{ readonly header: BackupHeader; readonly digest: string }> {
  const reader = new BackupReader(resolve(options.from))
  try {
    const header = await reader.readHeader()
    checkMigrations(header, known)
    const progress = new RowCount('checking', header, options)
    for (const table of header.tables) {
      await reader.beginTable(table.name)
      for await (const block of reader.rows()) progress.count(table.name, block)
      progress.endTable(table)
    }
    return { header, digest: await reader.finish() }
  } finally {
    reader.close()
  }
}

/** The schema of the backup, which may be older than this version's. One that is empty and newer is made again. */
async function makeSchema(target: TransferEnd, wanted: readonly Migration[], logger: Logger): Promise<void> {
  await refuseMoved(target.session)
  const stands = await readVersion(target.database)
  if (stands > wanted.length) {
    await requireEmpty(target.session, await readTables(target.session), target.called)
    await ask(target.session, { text: 'drop schema tidemark cascade' })
  }
  await migrate(target.database, logger, wanted)
}

interface Filling extends RestoreOptions {
  readonly header: BackupHeader
  readonly digest: string
}

async function fill({ session, called }: TransferEnd, options: Filling): Promise<string> {
  const { header } = options
  const reader = new BackupReader(resolve(options.from))
  try {
    return await inTransaction(session, async () => {
      const tables = await readTables(session)
      await lockTables(session, tables)
      await requireEmpty(session, tables, called)
      await checkTables(session, tables, header)
      if ((await reader.readHeader()).log !== header.log) throw changedMeanwhile()
      await silenceTriggers(session, tables)
      const progress = new RowCount('copying', header, options)
      for (const table of header.tables) {
        if (table.isCounter) await ask(session, { text: `delete from ${qualified(table)}` })
        await reader.beginTable(table.name)
        await fillTable(session, table, reader.rows(), (block) => progress.count(table.name, block))
        progress.endTable(table)
      }
      if ((await reader.finish()) !== options.digest) throw changedMeanwhile()
      await wakeTriggers(session, tables)
      await setSequences(session, header.sequences)
      return renameLog(session)
    })
  } finally {
    reader.close()
  }
}

/** A file names tables and columns; only those that the schema has, all of them, are written. */
async function checkTables(session: pg.Client, tables: readonly Table[], header: BackupHeader): Promise<void> {
  const theirs = header.tables.map(({ name, columns, isCounter }) => ({ name, columns, isCounter }))
  const sequences = (await readSequences(session)).map(({ name }) => name)
  const named = header.sequences.map(({ name }) => name)
  if (isDeepStrictEqual([tables, sequences], [theirs, named])) return
  throw new BackupDamagedError('expected the tables of its schema version, got a backup with others')
}

async function fillTable(
  session: pg.Client,
  table: BackupTable,
  rows: AsyncGenerator<Buffer, void, void>,
  onBlock: (block: Buffer) => void,
): Promise<void> {
  const sql = `copy ${qualified(table)} (${columnList(table)}) from stdin`
  let next = await rows.next()
  // So many bytes of the rows, without ending them: the next statement goes on.
  const piece = async function* (): AsyncGenerator<Buffer, void, void> {
    for (let bytes = 0; next.done !== true && bytes < STATEMENT_BYTES; next = await rows.next()) {
      onBlock(next.value)
      bytes += next.value.length
      yield next.value
    }
  }
  while (next.done !== true) await copyIn(session, sql, piece())
}

/** What followed the log of the backup may have seen more than the backup has: it is another log from here on. */
async function renameLog(session: pg.Client): Promise<string> {
  const [row] = await ask<{ readonly log: string }>(session, {
    text: 'update tidemark.event_log set log = gen_random_uuid() returning log',
  })
  if (row === undefined) throw new BackupDamagedError('expected the counter row of the event log, got none')
  return row.log
}

/** Counts rows as they pass, tells of them, and compares with what the header promised. */
class RowCount {
  readonly #step: TransferProgress['step']
  readonly #total: bigint
  readonly #options: RestoreOptions
  #done = 0n
  #ofTable = 0n

  constructor(step: TransferProgress['step'], header: BackupHeader, options: RestoreOptions) {
    this.#step = step
    this.#options = options
    this.#total = header.tables.reduce((sum, { rows }) => sum + BigInt(rows), 0n)
  }

  count(table: string, block: Buffer): void {
    this.#options.signal?.throwIfAborted()
    const lines = countLines(block)
    this.#done += lines
    this.#ofTable += lines
    this.#options.onProgress?.({ step: this.#step, table, done: this.#done, total: this.#total })
  }

  endTable({ name, rows }: BackupTable): void {
    if (this.#ofTable !== BigInt(rows)) {
      throw new BackupDamagedError(`expected ${rows} rows of ${name}, got ${this.#ofTable}`)
    }
    this.#ofTable = 0n
  }
}

function checkMigrations({ migrations }: BackupHeader, known: readonly Migration[]): void {
  if (migrations.length > known.length) {
    throw new BackupUnsupportedError(
      `the backup has schema version ${migrations.length}, this program knows versions up to ${known.length}`,
      { hint: 'Restore it with a Tidemark version that is at least as new as the one that made it.' },
    )
  }
  const other = migrations.find(
    ({ version, sha256 }, index) => version !== index + 1 || sha256 !== known[index]?.sha256,
  )
  if (other === undefined) return
  throw new BackupUnsupportedError(
    `the backup’s schema was made by another migration ${other.version} (${other.name})`,
    {
      hint: 'Restore it with the Tidemark version that made it.',
    },
  )
}

function changedMeanwhile(): BackupDamagedError {
  return new BackupDamagedError('expected the file that was checked, got another one: it was changed meanwhile', {
    hint: 'Nothing was written to the database.',
  })
}
