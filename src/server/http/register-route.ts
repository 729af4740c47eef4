import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { RequestError } from '../../api/request-error.js'
import type { Route, RouteScope } from '../../api/route.js'
import type { KeyRing } from '../key-ring.js'
import { bearerSecret } from '../key-ring.js'
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

  constructor(app: FastifyInstance, keys: KeyRing) {
    this.#app = app
    this.#keys = keys
  }

  add<Params, Query, Body, Answer>(
    route: Route<Params, Query, Body, Answer>,
    handle: RouteHandler<Params, Query, Body, Answer>,
  ): void {
    this.#app.route({
      method: route.method,
      url: route.path,
      onRequest: this.accessCheck(route.scope),
      handler: async (request, reply) => {
        const answer = await handle(readRequest(route, request))
        return send(reply, route, answer)
      },
    })
  }

  /** A hook that lets only callers with the scope pass. */
  accessCheck(scope: RouteScope | null): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      if (scope === null) return
      const caller = this.#keys.identify(bearerSecret(request.headers.authorization))
      if (caller === null) {
        throw new RequestError('unauthorized', 'expected the header "Authorization: Bearer <API key>" with a valid key')
      }
      if (!caller.may(scope)) throw new RequestError('forbidden', `expected an API key with the scope "${scope}"`)
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
