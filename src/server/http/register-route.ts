import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { RequestError } from '../../api/request-error.js'
import type { Route, RouteLimit, RouteScope } from '../../api/route.js'
import type { Logger } from '../../index.js'
import type { KeyRing } from '../key-ring.js'
import { bearerSecret } from '../key-ring.js'
import type { ServerLimits } from '../limits/server-limits.js'
import { readInput } from './read-input.js'
import { sendLines } from './send-lines.js'

/** A request after validation. */
export interface RouteInput<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly request: FastifyRequest
}

export type RouteHandler<Params, Query, Body, Answer> = (input: RouteInput<Params, Query, Body>) => Promise<Answer>

/** Registers routes of the table: access, validation and answer follow from the table's entry. */
export class RouteRegistrar {
  readonly #app: FastifyInstance
  readonly #keys: KeyRing
  readonly #limits: ServerLimits
  readonly #logger: Logger

  constructor(app: FastifyInstance, parts: { keys: KeyRing; limits: ServerLimits; logger: Logger }) {
    this.#app = app
    this.#keys = parts.keys
    this.#limits = parts.limits
    this.#logger = parts.logger
  }

  add<Params, Query, Body, Answer>(
    route: Route<Params, Query, Body, Answer>,
    handle: RouteHandler<Params, Query, Body, Answer>,
  ): void {
    this.#app.route({
      method: route.method,
      url: route.path,
      onRequest: this.accessCheck(route.scope, route.limit),
      handler: async (request, reply) => {
        const answer = await handle(readRequest(route, request))
        return send(reply, route, answer)
      },
    })
  }

  /** A route that answers with any number of items, each a line of JSON. Only so many are answered at once. */
  addStream<Params, Query, Item>(
    route: Route<Params, Query, unknown, Item>,
    open: (input: RouteInput<Params, Query, unknown>) => Promise<AsyncIterable<Item>>,
  ): void {
    this.#app.route({
      method: route.method,
      url: route.path,
      onRequest: this.accessCheck(route.scope, route.limit),
      handler: async (request, reply) => {
        const leave = this.#limits.openStream(request.socket.remoteAddress)
        try {
          await sendLines(request, reply, {
            lines: await open(readRequest(route, request)),
            contentType: route.answer.contentType ?? 'application/x-ndjson',
            onFailure: (error) => this.#logger.warn({ requestId: request.id, err: error }, 'stream failed on its way'),
          })
        } finally {
          leave()
        }
        return reply
      },
    })
  }

  /** A hook that lets only callers with the scope pass, and not too often. */
  accessCheck(scope: RouteScope | null, limit: RouteLimit = 'requests'): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      const { remoteAddress } = request.socket
      if (limit === 'requests') this.#limits.admitRequest(remoteAddress)
      if (scope === null) return
      const secret = bearerSecret(request.headers.authorization)
      const caller = this.#keys.identify(secret)
      const limited = this.#limits.keyLimit({ secret, caller, remoteAddress })
      if (limited !== null) throw limited
      if (caller === null) {
        throw new RequestError('unauthorized', 'expected the header "Authorization: Bearer <API key>" with a valid key')
      }
      if (!caller.may(scope)) throw new RequestError('forbidden', `expected an API key with the scope "${scope}"`)
      if (limit === 'snapshots') {
        this.#limits.admitSnapshot(this.#limits.requestReporter(caller.keyName, remoteAddress))
      }
    }
  }
}

function readRequest<Params, Query, Body, Answer>(
  route: Route<Params, Query, Body, Answer>,
  request: FastifyRequest,
): RouteInput<Params, Query, Body> {
  return {
    params: readInput(route.params, request.params),
    query: readInput(route.query, request.query),
    body: readInput(route.body, request.body),
    request,
  }
}

function send<Answer>(reply: FastifyReply, route: Pick<Route, 'answer'>, answer: Answer): FastifyReply {
  const { status, contentType } = route.answer
  if (status === 204) return reply.status(status).send()
  if (contentType !== undefined) reply.type(contentType)
  return reply.status(status).send(answer)
}
