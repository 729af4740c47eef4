import { describe, expect, it } from 'vitest'

import { buildOpenApi } from './openapi.js'
import { routes } from './routes.js'
import { socketEvents } from './socket-events.js'

// As a client sees it.
const document = JSON.parse(JSON.stringify(buildOpenApi({ version: '1.2.3' }))) as {
  openapi: string
  info: { version: string; description: string }
  paths: Record<
    string,
    Record<
      string,
      { operationId: string; responses: Record<string, unknown>; parameters?: { in: string; name: string }[] }
    >
  >
  components: { schemas: Record<string, unknown> }
  'x-socket-io': { path: string; events: { name: string; payload?: { $ref: string } }[] }
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : referencesIn(inner)))
}

function resolve(reference: string): unknown {
  const path = reference.replace(/^#\//, '').split('/')
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    document,
  )
}

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1 with the version it is given', () => {
    expect([document.openapi, document.info.version]).toEqual(['3.1.0', '1.2.3'])
  })

  it('has only references that resolve', () => {
    const references = referencesIn(document)
    expect(references.length).toBeGreaterThan(30)
    expect(references.filter((reference) => typeof resolve(reference) !== 'object')).toEqual([])
  })

  it('describes every route of the table, with all parameters of its path', () => {
    for (const route of routes) {
      const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
      const operation = document.paths[path]?.[route.method.toLowerCase()]
      expect(operation?.operationId).toBe(route.operationId)
      expect(Object.keys(operation?.responses ?? {})).toContain(String(route.answer.status))
      const named = (operation?.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => name)
      expect(named).toEqual([...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]))
    }
  })

  it('gives operations different ids', () => {
    expect(new Set(routes.map(({ operationId }) => operationId)).size).toBe(routes.length)
  })

  it('says that keys are for everything but health checks', () => {
    expect(routes.filter(({ scope }) => scope === null).map(({ path }) => path)).toEqual(['/livez', '/readyz'])
    expect(routes.filter(({ method, scope }) => method !== 'GET' && scope !== 'write')).toEqual([])
  })

  it('describes every Socket.IO event, in words and as data', () => {
    expect(document['x-socket-io'].path).toBe('/api/socket.io')
    expect(document['x-socket-io'].events.map(({ name }) => name)).toEqual(socketEvents.map(({ name }) => name))
    for (const { name } of socketEvents) expect(document.info.description).toContain(`\`${name}\``)
  })
})
