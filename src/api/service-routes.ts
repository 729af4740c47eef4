import { z } from 'zod'

import type { Route } from './route.js'
import { anything, ignoredParameters, noParameters } from './route.js'
import { wireInteger } from './scalars.js'

export interface LiveAnswer {
  readonly status: 'live'
}

export interface ReadyAnswer {
  readonly status: 'ready'
  readonly database: 'up'
  /** How the copy in MongoDB stands; absent when there is none. Whatever it is, the service is ready. */
  readonly mongodb?: RecordCopyAnswer | undefined
}

export interface RecordCopyAnswer {
  readonly state: 'starting' | 'copying' | 'following' | 'failing'
  readonly reason: string | null
  /** Events of the log whose records are not in MongoDB yet. */
  readonly lagEvents: string
  /** Age of the oldest of them; 0 when there is none. */
  readonly lagSeconds: number
}

export const getLive: Route<unknown, unknown, unknown, LiveAnswer> = {
  method: 'GET',
  path: '/livez',
  operationId: 'getLive',
  tag: 'service',
  summary: 'Whether the process answers at all',
  scope: null,
  params: noParameters,
  query: ignoredParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'It does', schema: z.strictObject({ status: z.literal('live') }) },
  errors: [],
}

const recordCopyWire = z.strictObject({
  state: z.enum(['starting', 'copying', 'following', 'failing']),
  reason: z.string().nullable(),
  lagEvents: wireInteger,
  lagSeconds: z.number(),
})

export const getReady: Route<unknown, unknown, unknown, ReadyAnswer> = {
  method: 'GET',
  path: '/readyz',
  operationId: 'getReady',
  tag: 'service',
  summary: 'Whether the service can do its work: the database answers',
  scope: null,
  params: noParameters,
  query: ignoredParameters,
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description: 'It can',
    schema: z.strictObject({
      status: z.literal('ready'),
      database: z.literal('up'),
      mongodb: recordCopyWire.optional(),
    }),
  },
  errors: ['not_ready'],
}

export const getMetrics: Route = {
  method: 'GET',
  path: '/metrics',
  operationId: 'getMetrics',
  tag: 'service',
  summary: 'Numbers for Prometheus',
  scope: 'read',
  params: noParameters,
  query: ignoredParameters,
  body: anything,
  documentedBody: null,
  answer: {
    status: 200,
    description: 'Prometheus text format',
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  },
  errors: [],
}

export const getOpenApi: Route = {
  method: 'GET',
  path: '/openapi.json',
  operationId: 'getOpenApi',
  tag: 'service',
  summary: 'This document',
  scope: 'read',
  params: noParameters,
  query: ignoredParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) },
  errors: [],
}

export const getDocs: Route = {
  method: 'GET',
  path: '/docs',
  operationId: 'getDocs',
  tag: 'service',
  summary: 'This document, for reading in a browser',
  scope: 'read',
  params: noParameters,
  query: ignoredParameters,
  body: anything,
  documentedBody: null,
  answer: { status: 200, description: 'A page', contentType: 'text/html; charset=utf-8' },
  errors: [],
}
