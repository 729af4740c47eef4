import type { FastifyInstance } from 'fastify'

import type { Logger } from '../../index.js'

/** One line per answer. The route's pattern stands for the URL, which may hold what does not belong into a log. */
export function logRequests(app: FastifyInstance, logger: Logger): void {
  app.addHook('onResponse', async (request, reply) => {
    logger.debug(
      {
        requestId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? 'unmatched',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
      },
      'request answered',
    )
  })
}
