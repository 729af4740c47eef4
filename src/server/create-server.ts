import type { FastifyInstance } from 'fastify'

import { buildOpenApi } from '../api/openapi.js'
import type { Config } from '../config/config.js'
import type { BalanceManager, Logger } from '../index.js'
import { createApp } from './http/create-app.js'
import { createHostCheck } from './host-allowed.js'
import { KeyRing } from './key-ring.js'
import { ServerLimits } from './limits/server-limits.js'
import { ListenError } from './listen-error.js'
import { measureRequests } from './metrics/measure-requests.js'
import { ServerMetrics } from './metrics/server-metrics.js'
import { OpenConnections } from './open-connections.js'
import { readPackageVersion } from './package-version.js'
import { SocketServer } from './realtime/socket-server.js'
import { refuseExposure } from './refuse-exposure.js'
import { addRoutes } from './routes/add-routes.js'

/** TCP connections for REST besides those of Socket.IO. */
const REST_CONNECTIONS_MAX = 1000
/** Requests under way have this long to finish when the server closes; then they are cut. */
const CLOSE_TIMEOUT_MS = 3000

/** The settings the server needs. */
export type ServerConfig = Pick<
  Config,
  'host' | 'port' | 'apiKeys' | 'allowUnauthenticated' | 'publicRead' | 'corsOrigins'
> &
  Partial<Pick<Config, 'maxConnections' | 'maxConnectionsPerAddress' | 'snapshotsPerSecond'>>

export interface ServerOptions {
  /** Started, or about to be: until then whatever needs it is refused. The server does not close it. */
  readonly manager: BalanceManager
  readonly config: ServerConfig
  readonly logger: Logger
  readonly connectionsMax?: number | undefined
}

export interface TidemarkServer {
  readonly url: string
  readonly port: number
  /** Answers what is under way, disconnects everybody and frees the port. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves a manager over REST and Socket.IO on one port.
 *
 * @throws {ListenError} when the port cannot be had.
 * @throws {ConfigurationError} for a host that others can reach while there is no API key.
 */
export async function createServer(options: ServerOptions): Promise<TidemarkServer> {
  const { manager, config, logger } = options
  const keys = await openKeyRing(options)
  const metrics = new ServerMetrics(manager, logger)
  const limits = new ServerLimits(
    {
      connectionsMax: options.connectionsMax ?? config.maxConnections,
      connectionsPerAddressMax: config.maxConnectionsPerAddress,
      snapshotsPerSecond: config.snapshotsPerSecond,
    },
    metrics,
  )
  const hostCheck = createHostCheck(config.host, keys)
  const app = await createApp({ corsOrigins: config.corsOrigins, hostCheck, logger })
  app.server.maxConnections = limits.connectionsMax + REST_CONNECTIONS_MAX
  measureRequests(app, metrics)
  const document = buildOpenApi({ version: readPackageVersion() })
  await addRoutes(app, { manager, keys, limits, metrics, document, logger })
  const connections = new OpenConnections(app.server)
  await app.ready()
  const sockets = new SocketServer({
    http: app.server,
    manager,
    keys,
    corsOrigins: config.corsOrigins,
    hostCheck,
    limits,
    metrics,
    logger,
  })
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => (closing ??= closeAll({ app, sockets, connections, keys }))
  const port = await listen(app, config).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const url = `http://${urlHost(config.host)}:${port}`
  logger.info({ url }, 'listening')
  return { url, port, close }
}

/** Access is settled before the port is opened. */
async function openKeyRing({ manager, config, logger }: ServerOptions): Promise<KeyRing> {
  const keys = new KeyRing({
    configured: config.apiKeys,
    publicRead: config.publicRead,
    store: () => manager.apiKeys,
    logger: logger.child({ component: 'access' }),
  })
  await keys.start()
  try {
    refuseExposure(config, keys)
    return keys
  } catch (error) {
    keys.close()
    throw error
  }
}

async function listen(app: FastifyInstance, { host, port }: Pick<Config, 'host' | 'port'>): Promise<number> {
  try {
    // Fastify opens a second server for "localhost", which Socket.IO would not be attached to.
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
  } catch (error) {
    throw new ListenError({ host, port }, error)
  }
  const address = app.server.address()
  if (typeof address !== 'object' || address === null)
    throw new Error('invariant: a listening TCP server has an address')
  return address.port
}

async function closeAll(parts: {
  app: FastifyInstance
  sockets: SocketServer
  connections: OpenConnections
  keys: KeyRing
}): Promise<void> {
  const { app, sockets, connections, keys } = parts
  keys.close()
  await sockets.close()
  const timer = setTimeout(() => connections.destroy(), CLOSE_TIMEOUT_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}

/** A host that a client on this machine can connect to. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === 'localhost') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
