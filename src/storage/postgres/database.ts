import pg from 'pg'

import { ConfigurationError, messageOf } from '../../model/errors.js'
import type { Logger } from '../../model/logger.js'
import {
  DatabaseUnavailableError,
  asDatabaseError,
  endsConnection,
  isAnswered,
  troubleText,
} from './database-errors.js'

export { DatabaseUnavailableError, sqlState } from './database-errors.js'

/** After which times a call ends, whatever the database does. */
export interface DatabaseLimits {
  /** For a new connection, and for one of the pool to come free. */
  readonly connectTimeoutMs: number
  /** The server ends a statement after this. */
  readonly statementTimeoutMs: number
  /** The client gives up a little later: the server is frozen, or the network swallows everything. */
  readonly queryTimeoutMs: number
  /** How often a connection that is only listened on is asked whether it still is one. */
  readonly listenCheckMs: number
}

export const databaseLimits: DatabaseLimits = {
  connectTimeoutMs: 3000,
  statementTimeoutMs: 10_000,
  queryTimeoutMs: 12_000,
  listenCheckMs: 10_000,
}

/** Undoing a transaction is quick, or the connection is of no use any more. */
const ROLLBACK_TIMEOUT_MS = 3000
/** Whether the database answers has to be known within seconds. */
const PING_TIMEOUT_MS = 2000
/** So long a refused write counts as the database's state, unless one goes through before. */
const REFUSED_WRITE_MS = 10_000
/** A server that takes no writes says so at once, to each of many: so often the primary is looked for elsewhere. */
const SEEK_PRIMARY_MS = 1000
/** Statements under way have this long when the connections are closed; then they are cut. */
const CLOSE_TIMEOUT_MS = 3000
/** For the server to take leave of one connection. */
const END_TIMEOUT_MS = 1000
/** An idle connection whose other end is gone is found out by the operating system after about twice this. */
const KEEP_ALIVE_MS = 10_000
const IDLE_MS = 30_000
const POOL_SIZE = 12

/**
 * What every connection sets. The server lets go of what a vanished client held: a transaction that is not continued, a
 * connection over which nothing comes back.
 */
const sessionSettings = [
  'synchronous_commit=on',
  'timezone=UTC',
  'idle_in_transaction_session_timeout=15s',
  'tcp_keepalives_idle=10',
  'tcp_keepalives_interval=5',
  'tcp_keepalives_count=3',
]

/**
 * A process that is frozen in the middle of a transaction lets go of its locks before its leases run out, so that nobody
 * who takes over has to wait for it. Nothing of ours rests for so long between two statements.
 */
const beginTransaction = `begin; set local idle_in_transaction_session_timeout = '4s'`

/** A statement with the name it has in logs and as a prepared statement. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  /** How long to wait for the answer, if not as long as usual. The server may carry the statement out all the same. */
  readonly timeoutMs?: number | undefined
}

/** What runs statements: the pool itself, or one connection inside a transaction. */
export interface Queryable {
  query<Row extends object>(statement: Statement): Promise<readonly Row[]>
}

export type DatabaseAddress =
  | { readonly connectionString: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

interface ConnectionPool {
  readonly pool: pg.Pool
  /** Its connections, also those that are being made: to be cut when they do not end by themselves. */
  readonly clients: Set<pg.Client>
}

interface PooledConnection {
  readonly from: ConnectionPool
  readonly client: pg.PoolClient
}

interface RefusedWrite {
  readonly statement: string
  readonly error: DatabaseUnavailableError
  readonly atMs: number
}

/**
 * A pool of PostgreSQL connections. Every connection commits synchronously and has its time limits set, so no caller
 * waits for ever.
 */
export class Database implements Queryable {
  readonly limits: DatabaseLimits
  readonly #logger: Logger
  #address: DatabaseAddress
  #current: ConnectionPool
  /** Pools that are about to end, and when they have. */
  readonly #retiring = new Map<ConnectionPool, Promise<void>>()
  readonly #dedicated = new Set<pg.Client>()
  #refusedWrite: RefusedWrite | null = null
  #outage: DatabaseUnavailableError | null = null
  #soughtAtMs = Number.NEGATIVE_INFINITY
  #pinging: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor(address: DatabaseAddress, logger: Logger, limits: DatabaseLimits = databaseLimits) {
    this.#address = address
    this.#logger = logger
    this.limits = limits
    this.#current = this.#openPool()
  }

  /** Goes on at another address: the embedded server has a new socket after a restart. */
  moveTo(address: DatabaseAddress): void {
    this.#address = address
    this.#renew()
  }

  /** Says why nobody answers, as long as nobody does; null when there is no reason for it any more. */
  explain(outage: DatabaseUnavailableError | null): void {
    this.#outage = outage
  }

  /**
   * Refuses a server that would lose acknowledged rows in a power cut, and one that takes no writes.
   *
   * @throws {ConfigurationError} when it will not do at any time
   * @throws {DatabaseUnavailableError} when it may do later
   */
  async checkDurability(): Promise<void> {
    const rows = await this.query<{ fsync: string; commit: string; standby: boolean; version: string }>({
      name: 'check-durability',
      text: `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
                    pg_is_in_recovery() as standby, current_setting('server_version') as version`,
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
    if (row.commit === 'off') {
      throw new ConfigurationError(
        'DATABASE_URL: expected connections that commit synchronously, got synchronous_commit=off',
        { hint: 'Connect without a pooler that drops the options of a connection, or set it on for this database.' },
      )
    }
    if (row.standby) throw standbyError()
    this.#logger.info({ version: row.version, poolSize: POOL_SIZE }, 'database connected')
  }

  /**
   * Whether the database answers now and took what was last written. Known within seconds; many callers ask it once.
   *
   * @throws {DatabaseUnavailableError}
   */
  async ping(): Promise<void> {
    if (this.#outage !== null) throw this.#outage
    this.#pinging ??= this.#ping().finally(() => (this.#pinging = null))
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new DatabaseUnavailableError(`the database did not answer within ${PING_TIMEOUT_MS} ms`))
      }, PING_TIMEOUT_MS)
    })
    try {
      await Promise.race([this.#pinging, deadline])
    } finally {
      clearTimeout(timer)
    }
  }

  async query<Row extends object>(statement: Statement): Promise<readonly Row[]> {
    const connection = await this.#acquire()
    let failure: Error | undefined
    try {
      return await this.#run<Row>(connection, statement.name, prepared(statement))
    } catch (error) {
      if (endsConnection(error)) failure = asError(error)
      throw error
    } finally {
      connection.client.release(failure)
    }
  }

  /** Runs `work` in one transaction on one connection: all of it is kept, or nothing. */
  async transaction<Result>(work: (transaction: Queryable) => Promise<Result>): Promise<Result> {
    const connection = await this.#acquire()
    // A connection on which one statement got no answer gives none to the next: it is cut, which undoes the transaction.
    let failure: Error | undefined
    const run = async <Row extends object>(name: string, query: TimedQuery): Promise<readonly Row[]> => {
      try {
        return await this.#run<Row>(connection, name, query)
      } catch (error) {
        if (endsConnection(error)) failure = asError(error)
        throw error
      }
    }
    try {
      await run('begin', { text: beginTransaction })
      const result = await work({ query: (statement) => run(statement.name, prepared(statement)) })
      await run('commit', { text: 'commit' })
      return result
    } catch (error) {
      if (failure === undefined) {
        const rollback = withLimit({ text: 'rollback' }, ROLLBACK_TIMEOUT_MS)
        await run('rollback', rollback).catch((refused: unknown) => (failure = asError(refused)))
      }
      throw error
    } finally {
      connection.client.release(failure)
    }
  }

  /**
   * A connection of its own, outside the pool: for LISTEN and for locks held by a session. The server sets no limit to
   * what runs there, the client does; `withLimit` makes exceptions.
   *
   * @throws {DatabaseUnavailableError}
   */
  async dedicatedClient(queryTimeoutMs: number): Promise<pg.Client> {
    const client = new pg.Client({ ...this.#clientOptions(), statement_timeout: 0, query_timeout: queryTimeoutMs })
    client.on('error', (error) => this.#logger.warn({ error: messageOf(error) }, 'dedicated database connection lost'))
    client.on('end', () => this.#dedicated.delete(client))
    this.#dedicated.add(client)
    try {
      await client.connect()
      if (this.#closing !== null) throw new DatabaseUnavailableError('the database connections are closed')
      return client
    } catch (error) {
      this.#dedicated.delete(client)
      cutConnection(client)
      throw asDatabaseError(error)
    }
  }

  /** Whether a backend of the server, by its process id, serves a connection of the pool. */
  owns(processId: number): boolean {
    return [...this.#current.clients].some((client) => 'processID' in client && client.processID === processId)
  }

  /** Lets statements under way finish for a moment, then cuts them off. Idempotent. */
  close(timeoutMs: number = CLOSE_TIMEOUT_MS): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    for (const client of this.#dedicated) cutConnection(client)
    this.#retire(this.#current, timeoutMs)
    const timer = setTimeout(() => {
      for (const pool of this.#retiring.keys()) cutAll(pool)
    }, timeoutMs)
    await Promise.all(this.#retiring.values())
    clearTimeout(timer)
  }

  async #ping(): Promise<void> {
    const rows = await this.query<{ standby: boolean }>({
      name: 'ping',
      text: 'select pg_is_in_recovery() as standby',
    })
    if (rows[0]?.standby === true) throw standbyError()
    const refused = this.#refusedWrite
    if (refused !== null && performance.now() - refused.atMs < REFUSED_WRITE_MS) throw refused.error
  }

  #openPool(): ConnectionPool {
    const clients = new Set<pg.Client>()
    const logger = this.#logger
    class PooledClient extends pg.Client {
      constructor(config?: pg.ClientConfig) {
        super(config)
        clients.add(this)
        this.once('end', () => clients.delete(this))
        this.on('error', (error) => logger.debug({ error: messageOf(error) }, 'database connection failed'))
      }
    }
    const options = { ...this.#clientOptions(), max: POOL_SIZE, idleTimeoutMillis: IDLE_MS, Client: PooledClient }
    const pool = new pg.Pool(options)
    // A connection that dies, idle or in a transaction, must not end the process: the pool replaces it, and the
    // statement under way fails by itself.
    pool.on('error', (error) => logger.warn({ error: messageOf(error) }, 'database connection lost'))
    return { pool, clients }
  }

  /** Goes on with new connections: the old ones are likely to be of no more use than the one that failed. */
  #renew(): void {
    if (this.#closing !== null) return
    this.#retire(this.#current, this.limits.queryTimeoutMs)
    this.#current = this.#openPool()
  }

  /** Ends a pool as soon as its statements are done, or when the time is up: then they are cut. */
  #retire(retired: ConnectionPool, timeoutMs: number): void {
    const { pool, clients } = retired
    const timer = setTimeout(() => cutAll(retired), timeoutMs)
    const ended = pool.end().then(async () => {
      await Promise.all([...clients].map((client) => new Promise((resolve) => client.once('end', resolve))))
      clearTimeout(timer)
      this.#retiring.delete(retired)
    })
    this.#retiring.set(retired, ended)
  }

  async #acquire(): Promise<PooledConnection> {
    const from = this.#current
    try {
      return { from, client: await from.pool.connect() }
    } catch (error) {
      throw asDatabaseError(error, { sent: false })
    }
  }

  async #run<Row extends object>(
    connection: PooledConnection,
    name: string,
    query: TimedQuery,
  ): Promise<readonly Row[]> {
    const startedAt = performance.now()
    try {
      const result = await connection.client.query<Row>(query)
      this.#logger.debug(
        {
          statement: name,
          rows: result.rowCount,
          durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
        },
        'database statement done',
      )
      if (this.#refusedWrite?.statement === name) this.#refusedWrite = null
      return result.rows
    } catch (error) {
      this.#logger.debug({ statement: name, error: messageOf(error) }, 'database statement failed')
      const failure = asDatabaseError(error)
      if (failure instanceof DatabaseUnavailableError) this.#learn(failure, connection, name)
      throw failure
    }
  }

  /** A failure may tell about more than its own statement. */
  #learn(error: DatabaseUnavailableError, { from }: PooledConnection, statement: string): void {
    const { trouble } = error
    if (trouble === 'disk_full' || trouble === 'read_only') {
      this.#refusedWrite = { statement, error, atMs: performance.now() }
    }
    // No answer in time: the server is frozen, or the network swallows everything. A standby: the primary is elsewhere.
    const hopeless = trouble === 'read_only' || (trouble === 'silent' && !isAnswered(error))
    if (!hopeless || from !== this.#current) return
    if (trouble === 'read_only') {
      const nowMs = performance.now()
      if (nowMs - this.#soughtAtMs < SEEK_PRIMARY_MS) return
      this.#soughtAtMs = nowMs
    }
    this.#logger.warn({ reason: troubleText[trouble], statement }, 'database connections are made anew')
    this.#renew()
  }

  #clientOptions(): pg.ClientConfig {
    return {
      application_name: 'tidemark',
      connectionTimeoutMillis: this.limits.connectTimeoutMs,
      statement_timeout: this.limits.statementTimeoutMs,
      query_timeout: this.limits.queryTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      ...withOptions(this.#address, sessionSettings.map((setting) => `-c ${setting}`).join(' ')),
    }
  }
}

/**
 * What the address itself has for options comes first, so that of two settings of one name ours holds. So does the name by
 * which a move sees that a service is at work.
 */
function withOptions(address: DatabaseAddress, options: string): pg.ClientConfig {
  if (!('connectionString' in address) || !URL.canParse(address.connectionString)) return { ...address, options }
  const url = new URL(address.connectionString)
  const theirs = url.searchParams.get('options')
  if (theirs === null && !url.searchParams.has('application_name')) return { ...address, options }
  // The driver would take those of the address alone.
  url.searchParams.delete('application_name')
  url.searchParams.delete('options')
  return { connectionString: url.href, options: theirs === null ? options : `${theirs} ${options}` }
}

function cutAll({ clients }: ConnectionPool): void {
  for (const client of clients) cutConnection(client)
}

/** Closes the socket itself: a polite end would wait for a server that may be frozen. */
export function cutConnection(client: pg.Client): void {
  client.connection.stream.destroy()
}

/** Ends a connection politely, and cuts it when that takes more than a moment. */
export async function endConnection(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => cutConnection(client), END_TIMEOUT_MS)
  try {
    await client.end()
  } finally {
    clearTimeout(timer)
  }
}

/** The driver takes a time limit with each query, which its types do not tell. */
interface TimedQuery extends pg.QueryConfig<unknown[]> {
  readonly query_timeout?: number
}

/** A query that is given up when no answer comes in time. */
export function withLimit(query: pg.QueryConfig<unknown[]>, timeoutMs: number): TimedQuery {
  return { ...query, query_timeout: timeoutMs }
}

function prepared({ name, text, values, timeoutMs }: Statement): TimedQuery {
  const query = { name, text, values: [...(values ?? [])] }
  return timeoutMs === undefined ? query : withLimit(query, timeoutMs)
}

function standbyError(): DatabaseUnavailableError {
  return new DatabaseUnavailableError('DATABASE_URL: expected a server that takes writes, got a read-only standby', {
    trouble: 'read_only',
    hint: 'Let DATABASE_URL name the primary server.',
  })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
