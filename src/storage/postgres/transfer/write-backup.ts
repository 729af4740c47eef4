import { createHash, randomBytes } from 'node:crypto'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

import type pg from 'pg'

import { ConfigurationError, messageOf } from '../../../model/errors.js'
import { silentLogger } from '../../../model/logger.js'
import type { Logger } from '../../../model/logger.js'
import { connectBeside } from '../connect-beside.js'
import type { DatabaseSettings } from '../connect-database.js'
import { readVersion } from '../migrate.js'
import { BACKUP_FORMAT, ROWS_END, lineOf } from './backup-format.js'
import type { BackupHeader } from './backup-format.js'
import { copyOut } from './copy-out.js'
import { countLines } from './count-lines.js'
import { readMarks, unfilledError } from './fence.js'
import { requireEmbedded } from './open-end.js'
import { columnList, countRows, qualified, readSequences, readTables } from './read-tables.js'
import type { TransferProgress } from './transfer-progress.js'
import { ask, openSession } from './transfer-session.js'

/** Less than the usual 6: half the time for a tenth more of the disk. */
const GZIP_LEVEL = 3

export interface BackupOptions {
  /** A file that is not there yet, or a folder that is. */
  readonly to: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
}

export interface BackupReport {
  /** Absolute. */
  readonly file: string
  /** As it lies on disk. */
  readonly bytes: number
  readonly log: string
  readonly seq: bigint
  readonly tables: readonly { readonly name: string; readonly rows: bigint }[]
}

/**
 * Writes everything of the configured database into one file, as it was at one moment; a service may run meanwhile. The
 * file has its name only when it is complete and on disk.
 *
 * @throws {ConfigurationError} when there is nothing to back up, or the file cannot be written
 * @throws {DatabaseUnavailableError}
 */
export async function backupDatabase(
  settings: Pick<DatabaseSettings, 'databaseUrl' | 'dataDir'>,
  options: BackupOptions,
  logger: Logger = silentLogger,
): Promise<BackupReport> {
  requireEmbedded(settings)
  const file = await chooseFile(options.to)
  const connection = await connectBeside(settings, logger)
  try {
    if ((await readVersion(connection.database)) === 0) throw nothingThere()
    const session = await openSession(connection.database)
    const header = await beginSnapshot(session)
    await writeFile(file, rowsOf(session, header, options), options.signal)
    return {
      file,
      bytes: (await stat(file)).size,
      log: header.log,
      seq: BigInt(header.seq),
      tables: header.tables.map(({ name, rows }) => ({ name, rows: BigInt(rows) })),
    }
  } finally {
    await connection.close()
  }
}

/** From here on the session sees one moment of the database, whatever others commit. */
async function beginSnapshot(session: pg.Client): Promise<BackupHeader> {
  await ask(session, { text: 'begin isolation level repeatable read, read only' })
  const unfilled = (await readMarks(session)).find(({ role, completedAt }) => role === 'target' && completedAt === null)
  if (unfilled !== undefined) throw unfilledError(unfilled)
  const [head] = await ask<{ readonly log: string; readonly seq: string }>(session, {
    text: 'select log, seq from tidemark.event_log',
  })
  if (head === undefined) throw new Error('invariant: the event log has its counter row')
  const tables = await readTables(session)
  const counts = await countRows(session, tables)
  return {
    tidemark: 'backup',
    format: BACKUP_FORMAT,
    createdAt: new Date().toISOString(),
    migrations: [
      ...(await ask<{ readonly version: number; readonly name: string; readonly sha256: string }>(session, {
        text: 'select version, name, sha256 from tidemark.migration order by version',
      })),
    ],
    log: head.log,
    seq: head.seq,
    tables: tables.map(({ name, columns, isCounter }) => ({
      name,
      columns: [...columns],
      isCounter,
      rows: String(counts.get(name) ?? 0n),
    })),
    // They may stand a little further than the rows: an id that is left out harms nobody.
    sequences: [...(await readSequences(session))],
  }
}

/** The bytes of the backup before compression. */
async function* rowsOf(
  session: pg.Client,
  header: BackupHeader,
  { signal, onProgress }: BackupOptions,
): AsyncGenerator<Buffer, void, void> {
  const hash = createHash('sha256')
  const hashed = (block: Buffer): Buffer => {
    hash.update(block)
    return block
  }
  const total = header.tables.reduce((sum, { rows }) => sum + BigInt(rows), 0n)
  let done = 0n
  yield hashed(lineOf(header))
  for (const table of header.tables) {
    yield hashed(lineOf({ table: table.name }))
    for await (const block of copyOut(session, `copy ${qualified(table)} (${columnList(table)}) to stdout`)) {
      signal?.throwIfAborted()
      yield hashed(block)
      done += countLines(block)
      onProgress?.({ step: 'copying', table: table.name, done, total })
    }
    yield hashed(ROWS_END)
  }
  if (done !== total) throw new Error(`invariant: a snapshot has the rows it had, expected ${total}, got ${done}`)
  yield lineOf({ sha256: hash.digest('hex') })
}

/** Writes under another name first, and takes that away again when anything fails. */
async function writeFile(file: string, source: AsyncIterable<Buffer>, signal: AbortSignal | undefined): Promise<void> {
  const partial = join(dirname(file), `.${basename(file)}.${process.pid}-${randomBytes(4).toString('hex')}.partial`)
  try {
    const handle = await open(partial, 'wx', 0o600)
    try {
      await pipeline(
        Readable.from(source, { highWaterMark: 2 }),
        createGzip({ level: GZIP_LEVEL }),
        async (packed: AsyncIterable<Buffer>) => {
          for await (const block of packed) await handle.writeFile(block)
        },
        { signal },
      )
      await handle.sync()
    } finally {
      await handle.close()
    }
    await giveName(partial, file)
    const folder = await open(dirname(file), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    await rm(partial, { force: true })
    throw fileError(error, file)
  }
}

/** A file that came to have the name meanwhile, such as another backup of the same second, keeps it. */
async function giveName(partial: string, file: string): Promise<void> {
  try {
    await link(partial, file)
    await rm(partial)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'EEXIST') throw takenError(file)
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(code)) throw error
    // A file system that knows one name for a file.
    if ((await stat(file).catch(() => null)) !== null) throw takenError(file)
    await rename(partial, file)
  }
}

async function chooseFile(to: string): Promise<string> {
  const wanted = resolve(to)
  const found = await stat(wanted).catch(() => null)
  if (found?.isDirectory() === true) {
    const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '')
    return join(wanted, `tidemark-${time}Z.backup.gz`)
  }
  if (found !== null) {
    throw takenError(wanted)
  }
  return wanted
}

function takenError(file: string): ConfigurationError {
  return new ConfigurationError(`--to: expected a new file or a folder, got ${file}, which is there already`, {
    hint: 'A backup never replaces another file. Name a folder to get a file with the time in its name.',
  })
}

function fileError(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('path' in error || 'fd' in error || isDiskError(error))) {
    return error
  }
  return new ConfigurationError(`--to: expected a file that can be written at ${file}, got: ${messageOf(error)}`, {
    cause: error,
    hint: 'Name a file in a folder that exists, with enough room. What was written is removed again.',
  })
}

function isDiskError(error: Error): boolean {
  return 'code' in error && ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EROFS'].includes(String(error.code))
}

function nothingThere(): ConfigurationError {
  return new ConfigurationError('expected a database that Tidemark has worked with, got one without its schema', {
    hint: 'Check DATABASE_URL and TIDEMARK_DATA_DIR.',
  })
}
