import type { OpenApiDocument } from '../../api/openapi.js'
import { RequestError } from '../../api/request-error.js'
import { getLive, getMetrics, getOpenApi, getReady } from '../../api/service-routes.js'
import type { BalanceManager, Logger } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'
import type { ServerMetrics } from '../metrics/server-metrics.js'

export interface ServiceRoutesOptions {
  readonly manager: Pick<BalanceManager, 'health'>
  readonly metrics: ServerMetrics
  readonly document: OpenApiDocument
  readonly logger: Logger
}

export function addServiceRoutes(registrar: RouteRegistrar, options: ServiceRoutesOptions): void {
  registrar.add(getLive, async () => ({ status: 'live' }))

  registrar.add(getReady, async ({ request }) => {
    const { database, reason } = await options.manager.health()
    if (database === 'up') return { status: 'ready', database }
    options.logger.warn({ requestId: request.id, reason }, 'not ready')
    throw new RequestError('not_ready', 'the database does not answer')
  })

  registrar.add(getMetrics, () => options.metrics.read())
  registrar.add(getOpenApi, async () => options.document)
}
