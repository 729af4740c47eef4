import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'

import type { FastifyInstance } from 'fastify'

import { buildOpenApi } from '../api/openapi.js'
import type { Config } from '../config/config.js'
import type { BalanceManager, Logger } from '../index.js'
import { createApp } from './http/create-app.js'
import { createHostCheck } from './host-allowed.js'
import { KeyRing } from './key-ring.js'
import { ServerLimits } from './limits/server-limits.js'
import { measureRequests } from './metrics/measure-requests.js'
import { ServerMetrics } from './metrics/server-metrics.js'
import { readPackageVersion } from './package-version.js'
import { SocketServer } from './realtime/socket-server.js'
import { addRoutes } from './routes/add-routes.js'

/** The settings the server needs. */
export type ServerConfig = Pick<
  Config,
  'host' | 'port' | 'apiKeys' | 'allowUnauthenticated' | 'publicRead' | 'corsOrigins'
> &
  Partial<Pick<Config, 'maxConnections' | 'maxConnectionsPerAddress' | 'snapshotsPerSecond'>>

export interface ServiceOptions {
  /** Started, or about to be: until then whatever needs it is refused. The server does not close it. */
  readonly manager: BalanceManager
  readonly config: ServerConfig
  readonly logger: Logger
  readonly connectionsMax?: number | undefined
}

/** Where REST and Socket.IO are put. */
export interface ServicePlace {
  /** The address that is listened on, as far as access depends on it. */
  readonly host: string
  readonly http: (app: FastifyInstance) => HttpServer | HttpsServer
  /** Others serve on it too. */
  readonly isShared: boolean
  /** @throws when nobody may be served there with these keys */
  readonly refuse: (keys: KeyRing) => void
}

/** REST and Socket.IO, without a port. */
export interface Service {
  readonly app: FastifyInstance
  readonly limits: ServerLimits
  /** Takes no more snapshots over Socket.IO and disconnects everybody there. Idempotent. */
  readonly disconnect: () => Promise<void>
}

/** Builds all that answers, REST and Socket.IO, and puts it in its place. Access is settled before anything is served. */
export async function openService(options: ServiceOptions, place: ServicePlace): Promise<Service> {
  const { manager, config, logger } = options
  const keys = await openKeyRing(options, place)
  const metrics = new ServerMetrics(manager, logger)
  const limits = new ServerLimits(
    {
      connectionsMax: options.connectionsMax ?? config.maxConnections,
      connectionsPerAddressMax: config.maxConnectionsPerAddress,
      snapshotsPerSecond: config.snapshotsPerSecond,
    },
    metrics,
  )
  const hostCheck = createHostCheck(place.host, keys)
  const app = await createApp({ corsOrigins: config.corsOrigins, hostCheck, logger })
  measureRequests(app, metrics)
  const document = buildOpenApi({ version: readPackageVersion() })
  await addRoutes(app, { manager, keys, limits, metrics, document, logger })
  await app.ready()
  const sockets = new SocketServer({
    http: place.http(app),
    isShared: place.isShared,
    manager,
    keys,
    corsOrigins: config.corsOrigins,
    hostCheck,
    limits,
    metrics,
    logger,
  })
  const disconnect = async (): Promise<void> => {
    keys.close()
    await sockets.close()
  }
  return { app, limits, disconnect }
}

async function openKeyRing({ manager, config, logger }: ServiceOptions, { refuse }: ServicePlace): Promise<KeyRing> {
  const keys = new KeyRing({
    configured: config.apiKeys,
    publicRead: config.publicRead,
    store: () => manager.apiKeys,
    logger: logger.child({ component: 'access' }),
  })
  await keys.start()
  try {
    refuse(keys)
    return keys
  } catch (error) {
    keys.close()
    throw error
  }
}
