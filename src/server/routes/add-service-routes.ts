import type { OpenApiDocument } from '../../api/openapi.js'
import { RequestError } from '../../api/request-error.js'
import { getLive, getMetrics, getOpenApi, getReady } from '../../api/service-routes.js'
import type { ReadyAnswer } from '../../api/service-routes.js'
import type { BalanceManager, Logger, RecordCopyHealth } from '../../index.js'
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

  // Probes come every few seconds: only what changes is worth a line of the log.
  let told: string | null = null
  registrar.add(getReady, async ({ request }) => {
    const health = await options.manager.health()
    const { reason } = health
    const level = reason === told ? 'debug' : reason === null ? 'info' : 'warn'
    told = reason
    const fields = { requestId: request.id, reason }
    if (health.database === 'up') {
      if (level === 'info') options.logger.info(fields, 'ready again')
      return readyAnswer(health)
    }
    options.logger[level]({ ...fields, err: health.error }, 'not ready')
    throw new RequestError('not_ready', health.reason)
  })

  registrar.add(getMetrics, () => options.metrics.read())
  registrar.add(getOpenApi, async () => options.document)
}

function readyAnswer({ mongodb }: { readonly mongodb?: RecordCopyHealth }): ReadyAnswer {
  const answer: ReadyAnswer = { status: 'ready', database: 'up' }
  return mongodb === undefined
    ? answer
    : { ...answer, mongodb: { ...mongodb, lagEvents: mongodb.lagEvents.toString() } }
}
