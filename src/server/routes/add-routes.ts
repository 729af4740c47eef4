import type { FastifyInstance } from 'fastify'

import type { OpenApiDocument } from '../../api/openapi.js'
import type { BalanceManager, Logger } from '../../index.js'
import { addDocs } from '../http/add-docs.js'
import { RouteRegistrar } from '../http/register-route.js'
import type { KeyRing } from '../key-ring.js'
import type { ServerLimits } from '../limits/server-limits.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'
import { addBalanceRoutes } from './add-balance-routes.js'
import { addBalanceTimeRoutes } from './add-balance-time-routes.js'
import { addChainRoutes } from './add-chain-routes.js'
import { addServiceRoutes } from './add-service-routes.js'
import { addSnapshotRoutes } from './add-snapshot-routes.js'
import { addWatchListRoutes } from './add-watch-list-routes.js'

export interface RouteParts {
  readonly manager: BalanceManager
  readonly keys: KeyRing
  readonly limits: ServerLimits
  readonly metrics: ServerMetrics
  readonly document: OpenApiDocument
  readonly logger: Logger
}

/** Registers every route of the table. */
export async function addRoutes(app: FastifyInstance, parts: RouteParts): Promise<void> {
  const { manager, document } = parts
  const registrar = new RouteRegistrar(app, parts)
  addSnapshotRoutes(registrar, manager)
  addChainRoutes(registrar, manager)
  addWatchListRoutes(registrar, manager)
  addBalanceRoutes(registrar, manager)
  addBalanceTimeRoutes(registrar, manager)
  addServiceRoutes(registrar, parts)
  await addDocs(app, registrar, document)
}
