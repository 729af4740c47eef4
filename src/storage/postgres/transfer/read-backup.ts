import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'

import { ConfigurationError, messageOf } from '../../../model/errors.js'
import { MAX_LINE_BYTES, ROWS_END, parseHeader, parseSection, parseTrailer } from './backup-format.js'
import type { BackupHeader } from './backup-format.js'
import { BackupDamagedError } from './transfer-errors.js'

const NEW_LINE = 10
const LINE_THEN_END = Buffer.concat([Buffer.from('\n'), ROWS_END])

/**
 * Reads a backup from its begin to its end, once, in flat memory. What is read has to come to the digest at the end: until
 * `finish` has returned, nothing of it may be relied upon.
 */
export class BackupReader {
  readonly #hash = createHash('sha256')
  readonly #file: ReturnType<typeof createReadStream>
  readonly #blocks: AsyncIterator<Buffer>
  readonly #path: string
  /** Read, and not used yet. */
  #ahead: Buffer = Buffer.alloc(0)

  constructor(path: string) {
    this.#path = path
    this.#file = createReadStream(path, { highWaterMark: 256 * 1024 })
    const unpacked = createGunzip({ chunkSize: 256 * 1024 })
    this.#file.on('error', (error) => unpacked.destroy(error))
    this.#blocks = this.#file.pipe(unpacked)[Symbol.asyncIterator]()
  }

  async readHeader(): Promise<BackupHeader> {
    return parseHeader(await this.#line())
  }

  /** @throws {BackupDamagedError} when another table comes next, or none */
  async beginTable(name: string): Promise<void> {
    const found = parseSection(await this.#line())
    if (found !== name) throw new BackupDamagedError(`expected the table ${name}, got ${found}`)
  }

  /** The rows of the table that was begun, whole ones in each block. */
  async *rows(): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      const whole = this.#ahead.subarray(0, this.#ahead.lastIndexOf(NEW_LINE) + 1)
      const end = endOfRows(whole)
      const rows = end === -1 ? whole : whole.subarray(0, end)
      this.#take(rows.length)
      if (rows.length > 0) yield rows
      if (end !== -1) {
        this.#take(ROWS_END.length)
        return
      }
      if (!(await this.#readOn())) throw this.#cutShort()
    }
  }

  /**
   * Checks the digest.
   *
   * @returns it, in hex
   * @throws {BackupDamagedError}
   */
  async finish(): Promise<string> {
    const found = this.#hash.copy().digest('hex')
    const expected = parseTrailer(await this.#line())
    if (found !== expected) throw new BackupDamagedError(`expected a file with SHA-256 ${expected}, got ${found}`)
    if (this.#ahead.length > 0 || (await this.#readOn())) {
      throw new BackupDamagedError('expected the end of the file, got more behind it')
    }
    return found
  }

  close(): void {
    this.#file.destroy()
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#ahead.indexOf(NEW_LINE)
      if (end !== -1) return this.#take(end + 1).toString('utf8', 0, end)
      if (!(await this.#readOn())) throw this.#cutShort()
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#ahead.subarray(0, bytes)
    this.#hash.update(taken)
    this.#ahead = this.#ahead.subarray(bytes)
    return taken
  }

  /** False at the end of the file. */
  async #readOn(): Promise<boolean> {
    if (this.#ahead.length > MAX_LINE_BYTES) {
      throw new BackupDamagedError(`expected lines of at most ${MAX_LINE_BYTES} bytes, got a longer one`)
    }
    try {
      const next = await this.#blocks.next()
      if (next.done === true) return false
      this.#ahead = this.#ahead.length === 0 ? next.value : Buffer.concat([this.#ahead, next.value])
      return true
    } catch (error) {
      throw this.#readError(error)
    }
  }

  #readError(error: unknown): Error {
    if (error instanceof Error && 'syscall' in error) {
      return new ConfigurationError(`--from: expected a file that can be read, got: ${messageOf(error)}`, {
        cause: error,
      })
    }
    return new BackupDamagedError(`expected a whole backup in ${this.#path}, got: ${messageOf(error)}`, {
      cause: error,
      hint: 'The file is cut short, was changed, or is no backup. Nothing was written to the database.',
    })
  }

  #cutShort(): BackupDamagedError {
    return new BackupDamagedError(`expected a whole backup in ${this.#path}, got one that ends too early`, {
      hint: 'Nothing was written to the database.',
    })
  }
}

/** Where the line that ends a table's rows begins; -1 when it has not come yet. */
function endOfRows(lines: Buffer): number {
  if (lines.subarray(0, ROWS_END.length).equals(ROWS_END)) return 0
  const before = lines.indexOf(LINE_THEN_END)
  return before === -1 ? -1 : before + 1
}
