import type pg from 'pg'

import { asDatabaseError } from '../database-errors.js'
import { cutConnection } from '../database.js'
import { STALL_MS, stalledError } from './copy-limits.js'

/** What the driver's connection can do besides what its types tell. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(reason: string): void
}

/**
 * Runs a `COPY … FROM STDIN` with the blocks that a source gives. The source waits for a slow server; memory stays flat.
 *
 * @param sql a COPY statement in text format
 * @returns how many rows the server took
 * @throws what the source throws: nothing of the copy is kept then, and the connection can be used on
 * @throws {DatabaseUnavailableError} also when the server takes nothing for five minutes
 */
export async function copyIn(client: pg.Client, sql: string, source: AsyncIterable<Buffer>): Promise<bigint> {
  const copy = new CopyIn(client, sql, source)
  client.query(copy)
  try {
    return await copy.done
  } catch (error) {
    throw asDatabaseError(error)
  }
}

class CopyIn implements pg.Submittable {
  readonly done: Promise<bigint>
  readonly #sql: string
  readonly #source: AsyncIterable<Buffer>
  readonly #stall: NodeJS.Timeout
  readonly #client: pg.Client
  #resolve: (rows: bigint) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #rows = 0n
  #over = false
  /** Why the source could not go on: worth more than the server's answer to the end that came of it. */
  #sourceError: { readonly error: unknown } | null = null
  #wake: (() => void) | null = null

  constructor(client: pg.Client, sql: string, source: AsyncIterable<Buffer>) {
    this.#client = client
    this.#sql = sql
    this.#source = source
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#stall = setTimeout(() => {
      this.handleError(stalledError(STALL_MS))
      cutConnection(this.#client)
    }, STALL_MS)
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    void this.#send(connection)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = BigInt(text.replace('COPY ', ''))
  }

  handleReadyForQuery(): void {
    this.#end(() => this.#resolve(this.#rows))
  }

  handleError(error: unknown): void {
    const told = this.#sourceError
    this.#end(() => this.#reject(told === null ? error : told.error))
  }

  async #send(connection: CopyConnection): Promise<void> {
    try {
      for await (const block of this.#source) {
        if (this.#over) return
        this.#stall.refresh()
        connection.sendCopyFromChunk(block)
        await this.#drained(connection)
      }
      if (this.#over) return
      this.#stall.refresh()
      connection.endCopyFrom()
    } catch (error) {
      if (this.#over) return
      this.#sourceError = { error }
      connection.sendCopyFail('the source of the rows failed')
    }
  }

  async #drained({ stream }: pg.Connection): Promise<void> {
    if (!stream.writableNeedDrain) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      stream.once('drain', resolve)
    })
    this.#wake = null
  }

  #end(settle: () => void): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#stall)
    // The source is let go even when it waits for a connection that drains no more.
    this.#wake?.()
    settle()
  }
}
