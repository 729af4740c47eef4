import { randomUUID } from 'node:crypto'

import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fastify from 'fastify'

import { RequestError } from '../../api/request-error.js'
import type { Logger } from '../../index.js'
import { answerBrokenRequest, answerOtherUpgrade } from './answer-broken-requests.js'
import { answerErrors, createErrorAnswerer } from './answer-errors.js'
import type { HostCheck } from '../host-allowed.js'
import { hasKeyInUrl } from '../key-in-url.js'
import { logRequests } from './log-requests.js'
import { addSecurityHeaders } from './security-headers.js'

const BODY_BYTES_MAX = 64 * 1024
const PARAMETER_LENGTH_MAX = 128
/** A request must have arrived within this time. */
const REQUEST_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 15_000
/** A connection on which nothing moves is cut after this time, or twice of it: longer than any answer takes, and a long poll. */
const IDLE_TIMEOUT_MS = 60_000

export interface AppOptions {
  readonly corsOrigins: readonly string[]
  readonly hostCheck: HostCheck
  readonly logger: Logger
}

/** The HTTP application without its routes: limits, headers, errors and logging. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const answerError = createErrorAnswerer(options.logger)
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    // A reporter's body may carry hostile names: they are refused by the intake, which can say where they are.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    return503OnClosing: false,
    genReqId: () => randomUUID(),
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
    clientErrorHandler: answerBrokenRequest,
  })
  app.server.headersTimeout = HEADERS_TIMEOUT_MS
  app.server.on('upgrade', answerOtherUpgrade)
  addSecurityHeaders(app)
  app.addHook('onRequest', async (request) => {
    const host = options.hostCheck(request.headers)
    if (host === 'not_known')
      throw new RequestError('not_ready', 'the API keys could not be read from the database yet')
    if (host === 'forbidden') {
      throw new RequestError('forbidden', 'expected a request to localhost or a loopback address')
    }
    if (hasKeyInUrl(request.raw.url)) {
      throw new RequestError(
        'invalid_request',
        'expected the key in the header "Authorization: Bearer", got one in the URL, where others can read it: replace it',
      )
    }
  })
  logRequests(app, options.logger)
  answerErrors(app, answerError)
  refuseWhileClosing(app)
  readJsonOnly(app)
  await app.register(cors, {
    origin: corsOrigin(options.corsOrigins),
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key'],
    exposedHeaders: ['retry-after', 'x-request-id'],
    maxAge: 600,
  })
  return app
}

/** The `origin` setting of CORS for a list of origins, where `*` stands for all. */
export function corsOrigin(origins: readonly string[]): string | string[] | false {
  if (origins.length === 0) return false
  return origins.includes('*') ? '*' : [...origins]
}

function refuseWhileClosing(app: FastifyInstance): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onRequest', async () => {
    if (closing) throw new RequestError('closed', 'the service is shutting down')
  })
  // A request that began before would otherwise keep its connection, and with it the server, open.
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close')
  })
}

/** Plain text would let any web page send us bodies without asking first. */
function readJsonOnly(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('ignore', 'ignore')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Many clients name the content type on requests that have no body.
    if (body === '' && request.method === 'DELETE') done(null, undefined)
    else void parseJson(request, body, done)
  })
}
