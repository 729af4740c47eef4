import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { systemClock } from '../../model/clock.js'
import { networkTransport } from '../../chain/rpc/node-transport.js'
import { silentLogger } from '../../model/logger.js'
import { HttpEndpoint } from './http-endpoint.js'
import type { RpcOutcome } from './http-endpoint.js'

type Respond = (ids: readonly number[], response: ServerResponse) => void

const signal = new AbortController().signal
const key = 'secretkey1234567890'
let server: Server
let url: string
let respond: Respond
let headers: Readonly<Record<string, unknown>>

beforeAll(async () => {
  server = createServer((request, response) => {
    headers = request.headers
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { id: number } | { id: number }[]
      respond(
        [body].flat().map(({ id }) => id),
        response,
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

let endpoint: HttpEndpoint
beforeEach(() => {
  endpoint = new HttpEndpoint({
    url: `${url}/v2/${key}`,
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
  })
})

describe('a single request', () => {
  it('gives the result, whatever it is', async () => {
    for (const result of ['0x1', null, [], { a: 1 }, false]) {
      respond = ([id], response) => response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      expect(await endpoint.request({ method: 'm', params: [] }, signal)).toEqual(result)
    }
  })

  it.each<[string, number, string, string]>([
    ['nothing', 200, '', 'rpc_malformed'],
    ['a page', 200, '<html>rate limited</html>', 'rpc_malformed'],
    ['half an answer', 200, '{"jsonrpc":"2.0","id":1,"resu', 'rpc_malformed'],
    ['null', 200, 'null', 'rpc_malformed'],
    ['a number', 200, '42', 'rpc_malformed'],
    ['an empty list', 200, '[]', 'rpc_malformed'],
    ['an empty object', 200, '{}', 'rpc_malformed'],
    ['another id', 200, '{"jsonrpc":"2.0","id":999,"result":"0x1"}', 'rpc_malformed'],
    ['neither result nor error', 200, '{"jsonrpc":"2.0","id":ID}', 'rpc_malformed'],
    ['an error that is text', 200, '{"jsonrpc":"2.0","id":ID,"error":"boom"}', 'rpc_malformed'],
    [
      'both result and error',
      200,
      '{"jsonrpc":"2.0","id":ID,"result":"0x1","error":{"code":-32000,"message":"x"}}',
      'rpc_malformed',
    ],
    ['no result beside an error', 200, '{"jsonrpc":"2.0","id":ID,"result":null,"error":{"code":-32000}}', 'rpc_node'],
    ['an error without fields', 200, '{"jsonrpc":"2.0","id":ID,"error":{}}', 'rpc_node'],
    [
      'an error with status 400',
      400,
      '{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"invalid params"}}',
      'rpc_node',
    ],
    ['an error for no id', 200, '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"bad"}}', 'rpc_node'],
    ['JSON of another kind with status 500', 500, '{"message":"oops"}', 'rpc_transport'],
    ['a page with status 502', 502, '<html>bad gateway</html>', 'rpc_transport'],
    ['status 413', 413, 'too large', 'rpc_node'],
    ['status 429', 429, '', 'rpc_rate_limited'],
    ['a redirect', 302, '', 'rpc_transport'],
  ])('that gets %s fails as what it is', async (_name, status, body, code) => {
    respond = ([id], response) => {
      response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {})
      response.end(body.replace('ID', String(id)))
    }
    await expect(endpoint.request({ method: 'm', params: [] }, signal)).rejects.toMatchObject({ code })
  })

  it('fails when the connection is cut in the middle of an answer', async () => {
    respond = (_ids, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"json')
      setImmediate(() => response.destroy())
    }
    await expect(endpoint.request({ method: 'm', params: [] }, signal)).rejects.toMatchObject({ code: 'rpc_transport' })
  })

  it('shows no part of a key, not even where the answer is cut', async () => {
    for (let padding = 80; padding <= 120; padding += 1) {
      respond = (_ids, response) => response.end(`${'x'.repeat(padding)}${key}`)
      const error: unknown = await endpoint
        .request({ method: 'm', params: [] }, signal)
        .catch((failure: unknown) => failure)
      expect(error).toBeInstanceOf(Error)
      expect(String(error)).not.toContain(key.slice(0, 6))
      expect(error instanceof Error && error.cause).toBeUndefined()
    }
  })

  it('honours the time that a busy endpoint asks for, up to ten minutes', async () => {
    for (const [header, retryAfterMs] of [
      ['2', 2000],
      ['86400', 600_000],
      ['soon', undefined],
    ] as const) {
      respond = (_ids, response) => response.writeHead(429, { 'retry-after': header }).end()
      await expect(endpoint.request({ method: 'm', params: [] }, signal)).rejects.toMatchObject({ retryAfterMs })
    }
  })

  it('sends credentials of the address as a header', async () => {
    const open = new HttpEndpoint({
      url: url.replace('//', '//us%40er:pa%3Ass@'),
      clock: systemClock,
      transport: networkTransport,
      logger: silentLogger,
    })
    respond = ([id], response) => response.end(JSON.stringify({ id, result: true }))
    await open.request({ method: 'm', params: [] }, signal)
    expect(headers['authorization']).toBe(`Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`)
  })
})

describe('a batch', () => {
  const calls = ['a', 'b', 'c'].map((method) => ({ method, params: [] }))

  it('gives each call its own outcome, whatever the order of the answers', async () => {
    respond = (ids, response) => {
      const [a, b, c] = ids
      const failed = { id: b, error: { code: -32_000, message: 'execution reverted' } }
      response.end(JSON.stringify([{ id: c, result: 'c' }, failed, { id: a, result: 'a' }]))
    }
    expect((await endpoint.batch(calls, signal)).map(shown)).toEqual(['a', 'rpc_node', 'c'])
  })

  it('gives a failure for each call without an answer', async () => {
    respond = ([a], response) => response.end(JSON.stringify([{ id: a, result: 'a' }, 7, null]))
    expect((await endpoint.batch(calls, signal)).map(shown)).toEqual(['a', 'rpc_malformed', 'rpc_malformed'])
  })

  it('that is refused as a whole fails for each call with the same reason', async () => {
    respond = (_ids, response) =>
      response.end(JSON.stringify({ id: null, error: { code: -32_600, message: 'no batches' } }))
    expect((await endpoint.batch(calls, signal)).map(shown)).toEqual(['rpc_node', 'rpc_node', 'rpc_node'])
  })
})

function shown(outcome: RpcOutcome): unknown {
  return outcome.ok ? outcome.result : outcome.error.code
}
