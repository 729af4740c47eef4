import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { readRetryAfterMs } from './http-caller.js'
import type { ClientOptions, TidemarkClient } from './index.js'
import { ClientOptionError, createClient, TidemarkApiError } from './index.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const servers: (() => void)[] = []

afterEach(() => {
  for (const close of servers.splice(0)) close()
})

/** A server that answers as told, the last answer for ever. */
async function serve(answers: readonly Answer[]): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    answers[Math.min(requests.length, answers.length - 1)]?.(request, response)
    requests.push(request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(() => (server.closeAllConnections(), server.close()))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
const refused = (code: string, status: number, headers: Record<string, string> = {}): Answer =>
  json(status, { success: false, error: `it is ${code}`, code }, headers)
const nothing = json(200, { items: [], nextCursor: null })

const clientOf = (url: string, options: Partial<ClientOptions> = {}): TidemarkClient =>
  createClient({ url, retryFirstMs: 1, retryMostMs: 4, ...options })

describe('a request', () => {
  it('is sent again while that may help, after the time that the service asks for', async () => {
    const { url, requests } = await serve([refused('unavailable', 503, { 'retry-after': '1' }), nothing])
    const startedMs = performance.now()
    expect(await clientOf(url).listChains()).toEqual({ items: [], nextCursor: null })
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(995)
    expect(requests).toHaveLength(2)
  })

  it.each<[string, Answer]>([
    ['a connection that breaks', (request) => request.socket.destroy()],
    ['a page of a proxy', (_request, response) => response.writeHead(502).end('<h1>Bad gateway</h1>')],
    ['too many requests', refused('rate_limited', 429)],
  ])('is sent again after %s', async (_what, answer) => {
    const { url, requests } = await serve([answer, answer, nothing])
    await clientOf(url).listChains()
    expect(requests).toHaveLength(3)
  })

  it('is given up after some tries', async () => {
    const { url, requests } = await serve([refused('unavailable', 503)])
    const error: unknown = await clientOf(url, { attemptsMax: 3 })
      .listChains()
      .catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(TidemarkApiError)
    expect(error).toMatchObject({ code: 'unavailable', status: 503, retryable: true, message: 'it is unavailable' })
    expect(requests).toHaveLength(3)
  })

  it('is not sent again when that would not help, would take too long, or may do harm', async () => {
    const refusal = await serve([refused('unauthorized', 401)])
    await expect(clientOf(refusal.url).listChains()).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
    const later = await serve([refused('overloaded', 503, { 'retry-after': '3600' })])
    await expect(clientOf(later.url).listChains()).rejects.toMatchObject({ retryAfterMs: 3_600_000 })
    const removal = await serve([refused('unavailable', 503)])
    await expect(clientOf(removal.url).removeSolver('0x1')).rejects.toMatchObject({ code: 'unavailable' })
    expect([refusal, later, removal].map(({ requests }) => requests.length)).toEqual([1, 1, 1])
  })

  it('ends in time, whether nothing comes or only a part', async () => {
    for (const answer of [
      () => undefined,
      (_request: unknown, response: ServerResponse) => void response.writeHead(200).write('{'),
    ]) {
      const { url } = await serve([answer])
      await expect(clientOf(url, { timeoutMs: 50, attemptsMax: 2 }).listChains()).rejects.toMatchObject({
        code: 'timeout',
        retryable: true,
      })
    }
  })

  it('can be ended by its caller, also between two attempts', async () => {
    const hanging = await serve([() => undefined])
    await expect(clientOf(hanging.url).listChains({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      code: 'aborted',
      retryable: false,
    })
    const busy = await serve([refused('overloaded', 503, { 'retry-after': '20' })])
    await expect(clientOf(busy.url).listChains({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'aborted',
    })
  })

  it('says when the answer is none of Tidemark, and follows no redirect with its key', async () => {
    const page = await serve([(_request, response) => void response.end('<h1>Welcome</h1>')])
    await expect(clientOf(page.url).listChains()).rejects.toMatchObject({ code: 'bad_answer', status: 200 })
    const elsewhere = await serve([nothing])
    const redirect = await serve([(_request, response) => response.writeHead(302, { location: elsewhere.url }).end()])
    await expect(clientOf(redirect.url, { apiKey: 'k', attemptsMax: 1 }).listChains()).rejects.toBeInstanceOf(
      TidemarkApiError,
    )
    expect(elsewhere.requests).toEqual([])
  })

  it('carries the key, the parameters and nothing that was left out', async () => {
    const { url, requests } = await serve([nothing])
    const client = clientOf(`${url}/behind/`, { apiKey: () => 'a-key' })
    await client.listHistory(
      { chainId: 1n, token: 'native', solver: '../x?y' },
      { limit: 5, from: new Date(0), fromBlock: 2n ** 60n, to: undefined },
    )
    expect(requests[0]?.url).toBe(
      '/behind/api/balances/1/native/..%2Fx%3Fy/history?limit=5&from=1970-01-01T00%3A00%3A00.000Z&fromBlock=1152921504606846976',
    )
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer a-key', accept: 'application/json' })
  })

  it('of a report is always sent with the same key and body', async () => {
    const bodies: string[] = []
    const keep: Answer = (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        bodies.push(body)
        if (bodies.length < 3) refused('storage_unavailable', 503)(request, response)
        else json(200, { success: true })(request, response)
      })
    }
    const { url, requests } = await serve([keep])
    await clientOf(url).saveSnapshot({ onchain: { eth: 1n }, onsite: { eth: '1' } })
    expect(new Set(bodies).size).toBe(1)
    expect(JSON.parse(bodies[0] ?? '')).toEqual({
      ts: expect.any(String),
      onchain: { eth: '1' },
      onsite: { eth: '1' },
    })
    expect(requests).toHaveLength(3)
    expect(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    expect(requests[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('a report that cannot be sent', () => {
  it('is refused by the promise, as everything else', async () => {
    const { url, requests } = await serve([nothing])
    const failed = clientOf(url).saveSnapshot({ onchain: { eth: Infinity }, onsite: { eth: 1 } })
    await expect(failed).rejects.toMatchObject({ code: 'invalid_snapshot' })
    expect(requests).toEqual([])
  })
})

describe('a list', () => {
  it('is read page by page, and not for ever', async () => {
    const { url } = await serve([
      json(200, { items: [1, 2], nextCursor: 'a' }),
      json(200, { items: [3], nextCursor: 'b' }),
      json(200, { items: [4], nextCursor: null }),
    ])
    const items: unknown[] = []
    for await (const item of clientOf(url).balances()) items.push(item)
    expect(items).toEqual([1, 2, 3, 4])
    const endless = await serve([json(200, { items: [1], nextCursor: 'a' })])
    await expect(async () => {
      for await (const _item of clientOf(endless.url).balances());
    }).rejects.toMatchObject({ code: 'bad_answer' })
  })
})

describe('options', () => {
  it.each<[string, ClientOptions]>([
    ['no address', { url: 'localhost:3000' }],
    ['a key in the address', { url: 'http://user:pass@localhost' }],
    ['no time', { url: 'http://localhost', timeoutMs: 0 }],
    ['no number', { url: 'http://localhost', retryFirstMs: Number.NaN }],
  ])('that cannot be worked with are refused: %s', (_what, options) => {
    expect(() => createClient(options)).toThrow(ClientOptionError)
  })

  it('of a reporter are checked too', () => {
    expect(() => createClient({ url: 'http://localhost' }).reporter({ inFlightMax: 0 })).toThrow(ClientOptionError)
  })
})

describe('Retry-After', () => {
  it.each([
    [null, null],
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 1970 00:00:10 GMT', 9_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
  ])('%j asks to wait %j ms', (header, waitMs) => {
    expect(readRetryAfterMs(header, 1000)).toBe(waitMs)
  })
})
