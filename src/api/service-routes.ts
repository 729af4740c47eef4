import { z } from 'zod'

import type { Route } from './route.js'
import { anything, ignoredParameters, noParameters } from './route.js'

export interface LiveAnswer {
  readonly status: 'live'
}

export interface ReadyAnswer {
  readonly status: 'ready'
  readonly database: 'up'
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
    schema: z.strictObject({ status: z.literal('ready'), database: z.literal('up') }),
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
