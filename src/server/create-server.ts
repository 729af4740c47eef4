import type { FastifyInstance } from 'fastify'

import type { Config } from '../config/config.js'
import { ListenError } from './listen-error.js'
import { OpenConnections } from './open-connections.js'
import { openService } from './open-service.js'
import type { Service, ServiceOptions } from './open-service.js'
import { refuseExposure } from './refuse-exposure.js'

export type { ServerConfig } from './open-service.js'

/** TCP connections for REST besides those of Socket.IO. */
const REST_CONNECTIONS_MAX = 1000
/** Requests under way have this long to finish when the server closes; then they are cut. */
const CLOSE_TIMEOUT_MS = 3000

export type ServerOptions = ServiceOptions

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
  const { config, logger } = options
  const service = await openService(options, {
    host: config.host,
    http: (app) => app.server,
    isShared: false,
    refuse: (keys) => refuseExposure(config, keys),
  })
  const { app, limits } = service
  app.server.maxConnections = limits.connectionsMax + REST_CONNECTIONS_MAX
  const connections = new OpenConnections(app.server)
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => (closing ??= closeAll(service, connections))
  const port = await listen(app, config).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const url = `http://${urlHost(config.host)}:${port}`
  logger.info({ url }, 'listening')
  return { url, port, close }
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

async function closeAll({ app, disconnect }: Service, connections: OpenConnections): Promise<void> {
  await disconnect()
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
