import type pg from 'pg'

import { asDatabaseError } from '../database-errors.js'
import { cutConnection } from '../database.js'
import { STALL_MS, stalledError } from './copy-limits.js'

/** Rows are gathered into blocks of about this size: one row at a time costs more in Node than in PostgreSQL. */
const BLOCK_BYTES = 256 * 1024
/** So many blocks may wait for the reader; then the server has to wait. */
const WAITING_BLOCKS = 4

/**
 * Runs a `COPY … TO STDOUT` and gives out what it sends, whole rows in each block. The server waits for a slow reader;
 * memory stays flat. A reader that stops early ends the connection: there is no other way to end a copy at once.
 *
 * @param sql a COPY statement in text format
 * @throws {DatabaseUnavailableError} also when nothing comes for five minutes
 */
export async function* copyOut(client: pg.Client, sql: string): AsyncGenerator<Buffer, void, void> {
  const copy = new CopyOut(client, sql)
  client.query(copy)
  let over = false
  try {
    for (;;) {
      const block = await copy.next()
      if (block === null) break
      yield block
    }
    over = true
  } catch (error) {
    over = true
    throw asDatabaseError(error)
  } finally {
    if (!over) copy.abandon()
  }
}

class CopyOut implements pg.Submittable {
  readonly #client: pg.Client
  readonly #sql: string
  readonly #stall: NodeJS.Timeout
  readonly #blocks: Buffer[] = []
  #gathering = Buffer.allocUnsafe(BLOCK_BYTES)
  #gathered = 0
  #state: 'running' | 'done' | 'failed' = 'running'
  #error: unknown = null
  #wake: (() => void) | null = null

  constructor(client: pg.Client, sql: string) {
    this.#client = client
    this.#sql = sql
    this.#stall = setTimeout(() => {
      // Who is waited for is the reader: it may take its time.
      if (this.#blocks.length >= WAITING_BLOCKS) return void this.#stall.refresh()
      this.handleError(stalledError(STALL_MS))
      this.abandon()
    }, STALL_MS)
  }

  /** The next block; null at the end. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      const block = this.#blocks.shift()
      if (block !== undefined) return block
      if (this.#state === 'failed') throw this.#error
      if (this.#state === 'done') return null
      this.#stall.refresh()
      this.#client.connection.stream.resume()
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  abandon(): void {
    clearTimeout(this.#stall)
    cutConnection(this.#client)
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.query(this.#sql)
  }

  /** The bytes are only lent: the driver uses their memory again. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }, connection: pg.Connection): void {
    if (this.#gathered + chunk.length > this.#gathering.length) this.#finishBlock(chunk.length)
    chunk.copy(this.#gathering, this.#gathered)
    this.#gathered += chunk.length
    if (this.#blocks.length >= WAITING_BLOCKS) connection.stream.pause()
  }

  handleCommandComplete(): void {
    this.#finishBlock(0)
  }

  handleReadyForQuery(): void {
    this.#end('done', null)
  }

  handleError(error: unknown): void {
    this.#end('failed', error)
  }

  #finishBlock(nextBytes: number): void {
    if (this.#gathered > 0) this.#blocks.push(this.#gathering.subarray(0, this.#gathered))
    this.#gathering = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, nextBytes))
    this.#gathered = 0
    this.#stall.refresh()
    this.#wake?.()
  }

  #end(state: 'done' | 'failed', error: unknown): void {
    if (this.#state !== 'running') return
    clearTimeout(this.#stall)
    this.#state = state
    this.#error = error
    this.#wake?.()
  }
}
