import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { StaticDocumentSpec } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

import type { OpenApiDocument } from '../../api/openapi.js'
import { getDocs } from '../../api/service-routes.js'
import type { RouteRegistrar } from './register-route.js'

// Swagger UI sets style attributes, so styles cannot be stricter; scripts come from our own files only.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The document for people, from local files. */
export async function addDocs(
  app: FastifyInstance,
  registrar: RouteRegistrar,
  document: OpenApiDocument,
): Promise<void> {
  // The plugin names its own type for a document; as JSON it is the same.
  const specification: StaticDocumentSpec = { document: JSON.parse(JSON.stringify(document)) }
  await app.register(async (scope) => {
    scope.addHook('onRequest', registrar.accessCheck(getDocs.scope))
    await scope.register(swagger, { mode: 'static', specification })
    await scope.register(swaggerUi, {
      routePrefix: getDocs.path,
      staticCSP: contentSecurityPolicy,
      theme: { title: 'Tidemark API' },
      // Without the bar that asks for another document's address.
      uiConfig: { layout: 'BaseLayout' },
    })
  })
}
