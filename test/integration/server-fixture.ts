import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

import pg from 'pg'
import type { Socket } from 'socket.io-client'
import { io } from 'socket.io-client'

import type { ChainConfig } from '../../src/config/config.js'
import { BalanceManager } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Logger } from '../../src/model/logger.js'
import { createServer } from '../../src/server/create-server.js'
import type { ServerConfig, TidemarkServer } from '../../src/server/create-server.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { createTestDatabase } from '../support/test-database.js'

/** A PostgreSQL of the test's own. */
export interface TestDatabase {
  readonly url: string
  query(sql: string): Promise<readonly Record<string, unknown>[]>
  /** Lets no snapshot be stored until the returned function is called. */
  holdSnapshots(): Promise<() => Promise<void>>
  /** Resolves when a statement waits for what `holdSnapshots` holds. */
  waitUntilHeld(): Promise<void>
  stop(): Promise<void>
}

/** A database on the server that all test files share. */
export async function startDatabase(): Promise<TestDatabase> {
  const { url, address, drop } = await createTestDatabase()
  return openDatabase({ url, address, stop: drop })
}

/** A database on a server of its own, which can be stopped under the service. */
export async function startDatabaseServer(): Promise<TestDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-server-'))
  const server = await startEmbeddedPostgres({ dataDir, logger: silentLogger })
  const { host, port, user, database } = server.connection
  return openDatabase({
    url: `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`,
    address: { host, port, user, database },
    stop: async () => {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  })
}

function openDatabase(server: { url: string; address: pg.PoolConfig; stop: () => Promise<void> }): TestDatabase {
  const pool = new pg.Pool({ ...server.address, max: 3 })
  pool.on('error', () => undefined)
  let stopping: Promise<void> | null = null
  return {
    url: server.url,
    query: async (sql) => (await pool.query<Record<string, unknown>>(sql)).rows,
    holdSnapshots: async () => {
      const client = await pool.connect()
      await client.query('begin')
      await client.query('lock table tidemark."BalanceSnapshot" in exclusive mode')
      return async () => {
        await client.query('commit')
        client.release()
      }
    },
    waitUntilHeld: async () => {
      const waiting = `select 1 from pg_locks where not granted and relation = 'tidemark."BalanceSnapshot"'::regclass`
      while ((await pool.query(waiting)).rowCount === 0) await setImmediate()
    },
    stop: () => (stopping ??= pool.end().then(server.stop)),
  }
}

export interface Service {
  readonly manager: BalanceManager
  readonly server: TidemarkServer
  readonly url: string
  /** Opens a Socket.IO connection that is closed with the service. */
  connect(options?: ConnectOptions): Socket
  close(): Promise<void>
}

export interface ConnectOptions {
  readonly transports?: string[]
  readonly auth?: Record<string, unknown>
  readonly headers?: Record<string, string>
  readonly reconnection?: boolean
}

export interface ServiceOptions {
  readonly server?: Partial<ServerConfig>
  readonly chains?: readonly ChainConfig[]
  readonly solvers?: readonly { readonly address: `0x${string}`; readonly label: string | null }[]
  readonly logger?: Logger
  readonly connectionsMax?: number
  readonly mongodb?: { readonly mongodbUrl: string; readonly mongodbBatchSize?: number }
  readonly retention?: { readonly snapshotRetentionDays: number; readonly eventRetentionDays: number }
  /** Stands between the server and the manager. */
  readonly wrap?: (manager: BalanceManager) => BalanceManager
}

export const openConfig: ServerConfig = {
  host: '127.0.0.1',
  port: 0,
  apiKeys: [],
  allowUnauthenticated: false,
  publicRead: false,
  corsOrigins: [],
}

/** The real thing: manager and server on the given database. */
export async function startService(
  database: Pick<TestDatabase, 'url'>,
  options: ServiceOptions = {},
): Promise<Service> {
  const logger = options.logger ?? silentLogger
  const manager = new BalanceManager({
    config: {
      chains: options.chains ?? [],
      solvers: options.solvers ?? [],
      databaseUrl: database.url,
      dataDir: tmpdir(),
      ...options.retention,
      ...options.mongodb,
    },
    logger,
  })
  await manager.start()
  const server = await createServer({
    manager: options.wrap?.(manager) ?? manager,
    config: { ...openConfig, ...options.server },
    logger,
    connectionsMax: options.connectionsMax,
  }).catch(async (error: unknown) => {
    await manager.close()
    throw error
  })
  const sockets = new Set<Socket>()
  return {
    manager,
    server,
    url: server.url,
    connect: ({ transports = ['websocket'], auth, headers, reconnection = false } = {}) => {
      const socket = io(server.url, {
        path: '/api/socket.io',
        transports,
        reconnection,
        forceNew: true,
        ...(auth === undefined ? {} : { auth }),
        ...(headers === undefined ? {} : { extraHeaders: headers }),
      })
      sockets.add(socket)
      return socket
    },
    close: async () => {
      for (const socket of sockets) socket.disconnect()
      await server.close()
      await manager.close()
    },
  }
}

/** The payload of the next event of a name. */
export function nextEvent<Payload = Record<string, unknown>>(socket: Socket, name: string): Promise<Payload> {
  return new Promise((resolve) => socket.once(name, resolve))
}

/** Collects events of a name; `take` resolves when there are as many. */
export class Collected<Payload = Record<string, unknown>> {
  readonly items: Payload[] = []
  readonly #socket: Socket
  readonly #name: string

  constructor(socket: Socket, name: string) {
    this.#socket = socket
    this.#name = name
    socket.on(name, (payload: Payload) => this.items.push(payload))
  }

  async take(count: number): Promise<readonly Payload[]> {
    while (this.items.length < count) await nextEvent(this.#socket, this.#name)
    return this.items
  }
}

/** The report of the document. */
export const documentReport = {
  ts: '2025-11-07T00:45:08.603Z',
  pid: 1132978,
  onchain: { rlb: 100074.99978, usdt: 7656.36 },
  onsite: { rlb: 101132.407627, usd: 7646.96 },
} as const

/** A JSON answer, whatever its status. */
export interface JsonAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export async function getJson(url: string, init: RequestInit = {}): Promise<JsonAnswer> {
  const response = await fetch(url, init)
  const text = await response.text()
  const body: unknown = text === '' ? {} : JSON.parse(text)
  return { status: response.status, headers: response.headers, body: body as Record<string, unknown> }
}

export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<JsonAnswer> {
  return getJson(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}
