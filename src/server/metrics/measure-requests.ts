import type { FastifyInstance } from 'fastify'

import type { ServerMetrics } from './server-metrics.js'

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'])

/** Measures every answer, by the route's pattern. */
export function measureRequests(app: FastifyInstance, metrics: ServerMetrics): void {
  app.addHook('onResponse', async (request, reply) => {
    metrics.observeRequest(
      {
        method: methods.has(request.method) ? request.method : 'other',
        route: request.routeOptions.url ?? 'unmatched',
        status: reply.statusCode,
      },
      reply.elapsedTime / 1000,
    )
  })
}
