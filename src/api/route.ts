import { z } from 'zod'

import type { ErrorCode } from './error-codes.js'

/** What a key must allow; null: the route is open. */
export type RouteScope = 'read' | 'write'

/** What a request counts against. */
export type RouteLimit = 'requests' | 'snapshots'

export type RouteMethod = 'GET' | 'POST' | 'DELETE'

/** Part of a request that comes as named texts. */
export type ParameterSchema<Output> = z.ZodType<Output, Record<string, unknown>>

/** No parameters: whatever is sent is refused. */
export const noParameters: ParameterSchema<unknown> = z.strictObject({})
/** No parameters, but others may be sent: probes and scrapers add their own. */
export const ignoredParameters: ParameterSchema<unknown> = z.looseObject({})
/** A body that the server does not look at. */
export const anything: z.ZodType = z.unknown()

/** What a route answers with when it succeeds. */
export interface RouteAnswer<Answer> {
  readonly status: 200 | 204
  readonly description: string
  /** `application/json` when absent. */
  readonly contentType?: string
  /** Absent: the answer is no JSON, or there is none. */
  readonly schema?: z.ZodType<Answer>
}

/**
 * One REST route: the server registers and validates from it, and the OpenAPI document describes it, so that the two
 * cannot disagree.
 */
export interface Route<Params = unknown, Query = unknown, Body = unknown, Answer = unknown> {
  readonly method: RouteMethod
  /** Path with `:name` for parameters. */
  readonly path: string
  readonly operationId: string
  readonly tag: 'snapshots' | 'chains' | 'watch list' | 'balances' | 'service'
  readonly summary: string
  readonly scope: RouteScope | null
  /** `requests` when absent. */
  readonly limit?: RouteLimit
  readonly params: ParameterSchema<Params>
  readonly query: ParameterSchema<Query>
  /** What the server checks; `anything` where the core checks the body itself. */
  readonly body: z.ZodType<Body>
  /** What the document says of the body; null when there is none. */
  readonly documentedBody: z.ZodType | null
  /** Headers, for the document only. */
  readonly headers?: ParameterSchema<unknown>
  readonly answer: RouteAnswer<Answer>
  /** Errors of its own, besides those every route may give. */
  readonly errors: readonly ErrorCode[]
}
