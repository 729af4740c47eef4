import { z } from 'zod'
import type { oas31, ZodOpenApiOperationObject, ZodOpenApiPathsObject, ZodOpenApiResponsesObject } from 'zod-openapi'
import { createDocument } from 'zod-openapi'

import { wireErrorSchema } from './error-answer.js'
import type { ErrorCode } from './error-codes.js'
import { errorStatus } from './error-codes.js'
import type { Route, RouteMethod } from './route.js'
import { routes } from './routes.js'
import { SOCKET_PATH, socketEvents } from './socket-events.js'

/** The OpenAPI 3.1 document. */
export type OpenApiDocument = ReturnType<typeof createDocument>

const methodKey = { GET: 'get', POST: 'post', DELETE: 'delete' } as const satisfies Record<RouteMethod, string>

/** Builds the OpenAPI document from the table of routes and the table of Socket.IO events. */
export function buildOpenApi(options: { readonly version: string }): OpenApiDocument {
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Tidemark',
      version: options.version,
      description: describeApi(),
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths: describePaths(),
    components: {
      schemas: socketSchemas(),
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of the service' } },
    },
    'x-socket-io': describeSocketEvents(),
  })
}

function describePaths(): ZodOpenApiPathsObject {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [methodKey[route.method]]: describeRoute(route) }
  }
  return paths
}

function describeRoute(route: Route): ZodOpenApiOperationObject {
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    security: route.scope === null ? [] : [{}, { apiKey: [] }],
    requestParams: {
      path: route.params,
      query: route.query,
      ...(route.headers === undefined ? {} : { header: route.headers }),
    },
    ...(route.documentedBody === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: route.documentedBody } } } }),
    responses: { ...describeAnswer(route), ...describeErrors(route) },
  }
}

function describeAnswer(route: Route): ZodOpenApiResponsesObject {
  const { status, description, contentType = 'application/json', schema } = route.answer
  if (status === 204) return { '204': { description } }
  const [mediaType = contentType] = contentType.split(';')
  return { [`${status}`]: { description, content: { [mediaType]: { schema: schema ?? z.string() } } } }
}

function describeErrors(route: Route): ZodOpenApiResponsesObject {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of errorsOf(route)) {
    const status = errorStatus[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const answers: ZodOpenApiResponsesObject = {}
  for (const [status, codes] of byStatus) {
    answers[`${status}` as `${1 | 2 | 3 | 4 | 5}${string}`] = {
      description: `Refused, with code ${codes.map((code) => `\`${code}\``).join(', ')}`,
      content: { 'application/json': { schema: wireErrorSchema } },
    }
  }
  return answers
}

/** All errors a route may give, those common to all routes included. */
function errorsOf(route: Route): readonly ErrorCode[] {
  const hasBody = route.documentedBody !== null
  return [
    'invalid_request',
    ...(hasBody ? (['invalid_json', 'body_too_large', 'unsupported_media_type'] as const) : []),
    ...(route.scope === null ? [] : (['unauthorized', 'forbidden'] as const)),
    ...route.errors,
    'rate_limited',
    'internal',
    ...(route.scope === null ? [] : (['unavailable', 'closed'] as const)),
  ]
}

function socketSchemas(): Record<string, z.ZodType> {
  return Object.fromEntries(
    socketEvents.flatMap(({ schemaName, schema }) =>
      schemaName === null || schema === null ? [] : [[schemaName, schema]],
    ),
  )
}

interface SocketDescription {
  readonly path: string
  readonly protocol: string
  readonly auth: string
  readonly events: readonly {
    readonly from: string
    readonly name: string
    readonly summary: string
    readonly payload?: oas31.ReferenceObject
  }[]
}

function describeSocketEvents(): SocketDescription {
  return {
    path: SOCKET_PATH,
    protocol: 'Socket.IO v4',
    auth: '{ token?, since?, log?, events? }',
    events: socketEvents.map(({ from, name, summary, schemaName }) => ({
      from,
      name,
      summary,
      ...(schemaName === null ? {} : { payload: { $ref: `#/components/schemas/${schemaName}` } }),
    })),
  }
}

function describeApi(): string {
  const rows = socketEvents.map(
    ({ from, name, summary, schemaName }) => `| ${from} | \`${name}\` | ${schemaName ?? ''} | ${summary} |`,
  )
  return [
    'Amounts and block numbers are decimal text, exact at any size; times are ISO 8601 in UTC.',
    'Lists answer `{items, nextCursor}`; a `nextCursor` goes into `cursor` for the next page.',
    '',
    `## Live events: Socket.IO v4 at \`${SOCKET_PATH}\``,
    '',
    'Each pushed event carries `seq`. A client that connects again gives `auth: {since, log}` with the last `seq` it has',
    'and the `log` of `connected`: it is sent what it missed, and then what happens.',
    '',
    '| sent by | event | payload | meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}
