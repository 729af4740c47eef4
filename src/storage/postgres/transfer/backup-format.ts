import { z } from 'zod'

import { BackupDamagedError, BackupUnsupportedError } from './transfer-errors.js'

/**
 * A backup is gzip of text. The first line is the header, as JSON. Each table follows: a line `{"table": …}`, its rows as
 * `COPY` writes them, a line `\.`. The last line holds the SHA-256 of all bytes before it.
 */
export const BACKUP_FORMAT = 1 as const

/** A row, or the header, may be so long; a file that has longer ones would fill the memory. */
export const MAX_LINE_BYTES: number = 64 * 1024 * 1024

export const ROWS_END: Buffer = Buffer.from('\\.\n')

export interface BackupHeader {
  readonly tidemark: 'backup'
  readonly format: typeof BACKUP_FORMAT
  /** ISO 8601, in UTC. */
  readonly createdAt: string
  /** The migrations that made the schema, oldest first. */
  readonly migrations: readonly { readonly version: number; readonly name: string; readonly sha256: string }[]
  /** Name and place of the event log. */
  readonly log: string
  readonly seq: string
  /** In the order of the file: referenced tables come first. */
  readonly tables: readonly BackupTable[]
  readonly sequences: readonly { readonly name: string; readonly lastValue: string | null }[]
}

export interface BackupTable {
  readonly name: string
  readonly columns: readonly string[]
  readonly isCounter: boolean
  readonly rows: string
}

const counter = z.string().regex(/^\d{1,19}$/)

const header: z.ZodType<BackupHeader> = z.strictObject({
  tidemark: z.literal('backup'),
  format: z.literal(BACKUP_FORMAT),
  createdAt: z.iso.datetime(),
  migrations: z.array(z.strictObject({ version: z.int(), name: z.string(), sha256: z.string() })).min(1),
  log: z.uuid(),
  seq: counter,
  tables: z.array(
    z.strictObject({
      name: z.string(),
      columns: z.array(z.string()).min(1),
      isCounter: z.boolean(),
      rows: counter,
    }),
  ),
  sequences: z.array(z.strictObject({ name: z.string(), lastValue: counter.nullable() })),
})

const section = z.strictObject({ table: z.string() })
const trailer = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) })

/**
 * @throws {BackupUnsupportedError} for a format of another version
 * @throws {BackupDamagedError} for anything else than a header
 */
export function parseHeader(line: string): BackupHeader {
  const value = parseJson(line)
  const kind = z.object({ tidemark: z.literal('backup'), format: z.int() }).safeParse(value)
  if (!kind.success) throw new BackupDamagedError('expected a Tidemark backup, got a file without its header')
  if (kind.data.format !== BACKUP_FORMAT) {
    throw new BackupUnsupportedError(`expected a backup of format ${BACKUP_FORMAT}, got format ${kind.data.format}`, {
      hint: 'Restore it with the Tidemark version that made it, or a newer one.',
    })
  }
  const parsed = header.safeParse(value)
  if (parsed.success) return parsed.data
  throw new BackupDamagedError('expected a header with migrations, event log and tables, got another one', {
    cause: parsed.error,
  })
}

/** The table whose rows follow. */
export function parseSection(line: string): string {
  const parsed = section.safeParse(parseJson(line))
  if (!parsed.success) throw new BackupDamagedError('expected the name of a table, got something else')
  return parsed.data.table
}

/** The digest at the end. */
export function parseTrailer(line: string): string {
  const parsed = trailer.safeParse(parseJson(line))
  if (!parsed.success) throw new BackupDamagedError('expected the digest of the file, got something else')
  return parsed.data.sha256
}

export function lineOf(value: BackupHeader | { readonly table: string } | { readonly sha256: string }): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
