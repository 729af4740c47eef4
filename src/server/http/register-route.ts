import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { RequestError } from '../../api/request-error.js'
import type { Route, RouteLimit, RouteScope } from '../../api/route.js'
import type { KeyRing } from '../key-ring.js'
import { bearerSecret } from '../key-ring.js'
import type { ServerLimits } from '../limits/server-limits.js'
import { readInput } from './read-input.js'

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

  constructor(app: FastifyInstance, keys: KeyRing, limits: ServerLimits) {
    this.#app = app
    this.#keys = keys
    this.#limits = limits
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
