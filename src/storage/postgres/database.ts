import pg from 'pg'

import { ConfigurationError, RetryableError, messageOf } from '../../model/errors.js'
import type { TidemarkErrorOptions } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'

const CONNECT_TIMEOUT_MS = 5000
/** The server ends a statement after this; the client gives up a little later. */
const STATEMENT_TIMEOUT_MS = 10_000
const QUERY_TIMEOUT_MS = 12_000
const POOL_SIZE = 12

/** The database did not answer, or answered that it cannot now. */
export class DatabaseUnavailableError extends RetryableError {
  readonly code = 'database_unavailable'
  /** False when the statement surely never reached the server. */
  readonly sent: boolean

  constructor(message: string, options: TidemarkErrorOptions & { readonly sent?: boolean } = {}) {
    super(message, options)
    this.sent = options.sent ?? true
  }
}

/** A statement with the name it has in logs and as a prepared statement. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  /** The client gives up after this, where that is sooner than for every statement. */
  readonly timeoutMs?: number | undefined
}

/** What runs statements: the pool itself, or one connection inside a transaction. */
export interface Queryable {
  query<Row extends object>(statement: Statement): Promise<readonly Row[]>
}

export type DatabaseAddress =
  | { readonly connectionString: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/**
 * A pool of PostgreSQL connections. Every connection commits synchronously and has its time limits set, so no caller
 * waits for ever.
 */
export class Database implements Queryable {
  readonly #logger: Logger
  #address: DatabaseAddress
  #pool: pg.Pool
  #closing: Promise<void> | null = null

  constructor(address: DatabaseAddress, logger: Logger) {
    this.#address = address
    this.#logger = logger
    this.#pool = this.#openPool()
  }

  /** Goes on at another address: the embedded server has a new socket after a restart. */
  async moveTo(address: DatabaseAddress): Promise<void> {
    const before = this.#pool
    this.#address = address
    this.#pool = this.#openPool()
    await before.end()
  }

  /** Refuses a server that would lose acknowledged rows in a power cut. */
  async checkDurability(): Promise<void> {
    const rows = await this.query<{ fsync: string; full_page_writes: string; version: string }>({
      name: 'check-durability',
      text: `select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
                    current_setting('server_version') as version`,
    })
    const row = rows[0]
    if (row?.fsync !== 'on') {
      throw new ConfigurationError(
        `DATABASE_URL: expected a PostgreSQL server with fsync on, got fsync=${row?.fsync}`,
        {
          hint: 'Turn fsync on in postgresql.conf, or use another server: without it a power cut loses acknowledged rows.',
        },
      )
    }
    this.#logger.info({ version: row.version, poolSize: POOL_SIZE }, 'database connected')
  }

  async query<Row extends object>(statement: Statement): Promise<readonly Row[]> {
    const client = await this.#connect()
    let broken = false
    try {
      return await this.#run<Row>(client, statement)
    } catch (error) {
      broken = sqlState(error) === undefined
      throw error
    } finally {
      client.release(broken)
    }
  }

  /** Runs `work` in one transaction on one connection: all of it is kept, or nothing. */
  async transaction<Result>(work: (transaction: Queryable) => Promise<Result>): Promise<Result> {
    const client = await this.#connect()
    let broken: Error | undefined
    try {
      await client.query('begin')
      const result = await work({ query: (statement) => this.#run(client, statement) })
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback').catch((failure: unknown) => {
        broken = failure instanceof Error ? failure : new Error(String(failure))
      })
      throw asDatabaseError(error)
    } finally {
      client.release(broken)
    }
  }

  /** A connection of its own, outside the pool: for LISTEN and for locks held by a session. */
  async dedicatedClient(): Promise<pg.Client> {
    // What runs here may wait long on purpose: a lock, a notification.
    const client = new pg.Client({ ...this.#clientOptions(), statement_timeout: 0, query_timeout: 0 })
    client.on('error', (error) => this.#logger.warn({ error: messageOf(error) }, 'dedicated database connection lost'))
    await client.connect()
    return client
  }

  close(): Promise<void> {
    this.#closing ??= this.#pool.end()
    return this.#closing
  }

  #openPool(): pg.Pool {
    const pool = new pg.Pool({ ...this.#clientOptions(), max: POOL_SIZE, idleTimeoutMillis: 30_000 })
    // A connection that dies, idle or in a transaction, must not end the process: the pool replaces it, and the
    // statement under way fails by itself.
    pool.on('error', (error) => this.#logger.warn({ error: messageOf(error) }, 'database connection lost'))
    pool.on('connect', (client) => {
      client.on('error', (error) => this.#logger.debug({ error: messageOf(error) }, 'database connection failed'))
    })
    return pool
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw asDatabaseError(error, { sent: false })
    }
  }

  async #run<Row extends object>(runner: pg.PoolClient, statement: Statement): Promise<readonly Row[]> {
    const startedAt = performance.now()
    try {
      const result = await runner.query<Row>({
        name: statement.name,
        text: statement.text,
        values: [...(statement.values ?? [])],
        ...(statement.timeoutMs === undefined
          ? {}
          : { query_timeout: Math.min(statement.timeoutMs, QUERY_TIMEOUT_MS) }),
      })
      this.#logger.debug(
        {
          statement: statement.name,
          rows: result.rowCount,
          durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
        },
        'database statement done',
      )
      return result.rows
    } catch (error) {
      this.#logger.debug({ statement: statement.name, error: messageOf(error) }, 'database statement failed')
      throw asDatabaseError(error)
    }
  }

  #clientOptions(): pg.ClientConfig {
    return {
      ...this.#address,
      application_name: 'tidemark',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      options: '-c synchronous_commit=on -c timezone=UTC',
    }
  }
}

/** The PostgreSQL error code of a failure, such as `23505`; undefined when the server did not answer. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code
  return error instanceof Error && error.cause instanceof pg.DatabaseError ? error.cause.code : undefined
}

/** Connection trouble, shutdown, resource shortage, serialization and time-outs may pass by themselves. */
const transientClasses = new Set(['08', '3D', '40', '53', '55', '57'])

function asDatabaseError(error: unknown, { sent } = { sent: true }): unknown {
  if (error instanceof DatabaseUnavailableError) return error
  if (error instanceof pg.DatabaseError) {
    const transient = transientClasses.has((error.code ?? '').slice(0, 2))
    return transient
      ? new DatabaseUnavailableError(`the database refused: ${error.message}`, { cause: error, sent })
      : error
  }
  if (!(error instanceof Error)) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const connectionTrouble =
    /^E[A-Z_]+$/.test(code) || /timeout|terminated|Connection|not queryable|ended|closed/i.test(error.message)
  return connectionTrouble
    ? new DatabaseUnavailableError(`the database did not answer: ${error.message}`, { cause: error, sent })
    : error
}
