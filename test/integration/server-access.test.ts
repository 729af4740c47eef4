import { request } from 'node:http'
import { createHash } from 'node:crypto'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import { makeSecret } from '../../src/access/make-secret.js'
import { recordLog } from '../support/log-recorder.js'
import { documentReport, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

const readSecret = 'read-secret-canary-0001'
const writeSecret = 'write-secret-canary-0002'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const apiKeys = [
  { name: 'viewer', secretSha256: sha256(readSecret), scopes: ['read'] as const },
  { name: 'reporter', secretSha256: sha256(writeSecret), scopes: ['write', 'read'] as const },
]

let database: TestDatabase
let service: Service | null = null

beforeAll(async () => {
  database = await startDatabase()
}, 60_000)

afterEach(async () => {
  await service?.close()
  service = null
})

afterAll(() => database.stop())

async function serve(options: ServiceOptions = {}): Promise<Service> {
  service = await startService(database, options)
  return service
}

/** Status of a handshake with an Origin, on each transport; 101 and 200 are success. */
async function handshakes(
  url: string,
  origin: string | undefined,
): Promise<{ polling: number; websocket: number; cors: string | null }> {
  const headers = origin === undefined ? {} : { origin }
  const polling = await fetch(`${url}/api/socket.io/?EIO=4&transport=polling`, { headers })
  await polling.arrayBuffer()
  const raw = new WebSocket(`${url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`, { headers })
  const websocket = await new Promise<number>((resolve, reject) => {
    raw.once('open', () => resolve(101))
    raw.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    raw.once('error', reject)
  })
  raw.on('error', () => undefined)
  raw.terminate()
  return { polling: polling.status, websocket, cors: polling.headers.get('access-control-allow-origin') }
}

describe('the origin of a page', () => {
  it('is refused on both transports when it is another site', async () => {
    const { url } = await serve()
    expect(await handshakes(url, 'https://evil.example')).toEqual({ polling: 403, websocket: 400, cors: null })
    expect(await handshakes(url, 'null')).toEqual({ polling: 403, websocket: 400, cors: null })
    expect(await handshakes(url, url.replace('127.0.0.1', '127.0.0.1.evil.example'))).toEqual({
      polling: 403,
      websocket: 400,
      cors: null,
    })
  })

  it('is accepted when it is absent, our own, or in the list', async () => {
    const { url } = await serve({ server: { corsOrigins: ['https://good.example'] } })
    expect(await handshakes(url, undefined)).toMatchObject({ polling: 200, websocket: 101 })
    expect(await handshakes(url, url)).toMatchObject({ polling: 200, websocket: 101 })
    expect(await handshakes(url, 'https://good.example')).toEqual({
      polling: 200,
      websocket: 101,
      cors: 'https://good.example',
    })
    expect(await handshakes(url, 'https://good.example.evil')).toMatchObject({ polling: 403, websocket: 400 })
  })

  it('cannot be hidden by asking for a script, which browsers do without an origin', async () => {
    const { url } = await serve()
    const handshake = `${url}/api/socket.io/?EIO=4&transport=polling`
    const asScript = await fetch(`${handshake}&j=0`)
    expect([asScript.status, await asScript.text()]).toEqual([403, expect.not.stringContaining('sid')])
    // fetch() would take these headers out.
    const ask = (site: string): Promise<number> =>
      new Promise((resolve, reject) => {
        request(handshake, { headers: { 'sec-fetch-site': site } }, (answer) =>
          resolve(answer.resume().statusCode ?? 0),
        )
          .on('error', reject)
          .end()
      })
    expect([await ask('cross-site'), await ask('same-site')]).toEqual([403, 403])
    expect([await ask('same-origin'), await ask('none')]).toEqual([200, 200])
  })

  it('may be any with *', async () => {
    const { url } = await serve({ server: { corsOrigins: ['*'] } })
    expect(await handshakes(url, 'https://any.example')).toEqual({ polling: 200, websocket: 101, cors: '*' })
  })

  it('decides who may read REST answers, and never with credentials', async () => {
    const { url } = await serve({ server: { corsOrigins: ['https://good.example'] } })
    const ask = (origin: string): Promise<Response> =>
      fetch(`${url}/api/solvers`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })
    const good = await ask('https://good.example')
    expect(good.headers.get('access-control-allow-origin')).toBe('https://good.example')
    expect(good.headers.get('access-control-allow-credentials')).toBeNull()
    expect((await ask('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('keys over REST', () => {
  it('opens health checks to all and everything else only to a valid key', async () => {
    const { url } = await serve({ server: { apiKeys } })
    for (const path of ['/livez', '/readyz']) expect((await getJson(`${url}${path}`)).status).toBe(200)
    for (const path of [
      '/api/chains',
      '/api/balance/snapshot',
      '/api/balances',
      '/api/solvers',
      '/metrics',
      '/openapi.json',
      '/docs',
      '/docs/static/swagger-ui.css',
    ]) {
      const refused = await getJson(`${url}${path}`)
      expect([path, refused.status, refused.body['code']]).toEqual([path, 401, 'unauthorized'])
      expect(refused.headers.get('www-authenticate')).toBe('Bearer')
      const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${readSecret}` } })
      await response.arrayBuffer()
      expect([path, response.status]).toEqual([path, 200])
    }
  })

  it.each([
    ['another secret', { authorization: 'Bearer read-secret-canary-0009' }],
    ['another scheme', { authorization: `Basic ${readSecret}` }],
    ['a prefix of the secret', { authorization: `Bearer ${readSecret.slice(0, -1)}` }],
    ['the hash of the secret', { authorization: `Bearer ${sha256(readSecret)}` }],
    ['an empty secret', { authorization: 'Bearer ' }],
  ])('refuses %s', async (_name, headers) => {
    const { url } = await serve({ server: { apiKeys } })
    expect(await getJson(`${url}/api/chains`, { headers })).toMatchObject({ status: 401 })
  })

  it('does not take a key from the query string', async () => {
    const { url } = await serve({ server: { apiKeys } })
    for (const query of [
      `token=${readSecret}`,
      `Access_Token=${readSecret}`,
      `limit=1&api_key=another-secret`,
      `a=${makeSecret()}`,
    ]) {
      for (const path of ['/api/chains', '/metrics', '/livez', '/nowhere']) {
        // Not even beside a good one: what stands in a URL is known to others by then.
        const answer = await getJson(`${url}${path}?${query}`, { headers: { authorization: `Bearer ${writeSecret}` } })
        expect([path, query, answer.status, answer.body['code']]).toEqual([path, query, 400, 'invalid_request'])
        expect(JSON.stringify(answer.body)).not.toContain(query.split('=').at(-1))
      }
    }
    expect((await getJson(`${url}/api/balance/snapshot?limit=1`)).status).toBe(401)
  })

  it('lets only a key with the scope write', async () => {
    const { url } = await serve({ server: { apiKeys } })
    const snapshot = `${url}/api/balance/snapshot`
    const address = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
    const reader = { authorization: `Bearer ${readSecret}` }
    const writer = { authorization: `bearer ${writeSecret}` }
    expect(await postJson(snapshot, documentReport, reader)).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    expect(await postJson(`${url}/api/solvers`, { address }, reader)).toMatchObject({ status: 403 })
    expect(await getJson(`${url}/api/solvers/${address}`, { method: 'DELETE', headers: reader })).toMatchObject({
      status: 403,
    })
    expect(await postJson(snapshot, documentReport, writer)).toMatchObject({ status: 200 })
    expect(await postJson(`${url}/api/solvers`, { address }, writer)).toMatchObject({ status: 200, body: { address } })
    expect(await getJson(`${url}/api/solvers/${address}`, { method: 'DELETE', headers: writer })).toMatchObject({
      status: 204,
    })
  })
})

describe('keys over Socket.IO', () => {
  it.each([
    ['no key', undefined],
    ['a wrong key', { token: 'wrong' }],
    ['a key that is no text', { token: { $ne: '' } }],
  ])('refuses %s by connect_error', async (_name, auth) => {
    const { connect } = await serve({ server: { apiKeys } })
    const socket = connect(auth === undefined ? {} : { auth })
    const error = await nextEvent<Error>(socket, 'connect_error')
    expect(error.message).toBe(typeof auth?.token === 'object' ? 'invalid_request' : 'unauthorized')
  })

  it('does not take a key from the query string', async () => {
    const { url } = await serve({ server: { apiKeys } })
    const path = `/api/socket.io/?EIO=4&token=${readSecret}`
    expect((await fetch(`${url}${path}&transport=polling`)).status).toBe(403)
    const raw = new WebSocket(`${url.replace('http', 'ws')}${path}&transport=websocket`)
    raw.on('error', () => undefined)
    const status = await new Promise((resolve) => {
      raw.once('unexpected-response', (_request, response) => resolve(response.statusCode))
      raw.once('open', () => resolve(101))
    })
    raw.terminate()
    expect(status).toBe(400)
  })

  it.each([
    ['auth.token', { auth: { token: readSecret } }],
    ['the Authorization header', { headers: { authorization: `Bearer ${readSecret}` } }],
  ])('lets a reading key given by %s watch, but not report', async (_name, options) => {
    const { connect } = await serve({ server: { apiKeys } })
    const [viewer, reporter] = [connect(options), connect({ auth: { token: writeSecret } })]
    await Promise.all([nextEvent(viewer, 'connected'), nextEvent(reporter, 'connected')])
    expect(await viewer.emitWithAck('balance:update', documentReport)).toMatchObject({
      success: false,
      code: 'forbidden',
    })
    const pushed = nextEvent(viewer, 'balance:snapshot')
    const ack: Record<string, unknown> = await reporter.emitWithAck('balance:update', documentReport)
    expect((await pushed)['id']).toBe(ack['id'])
  })

  it('never writes a secret to the log', async () => {
    const { logger, lines } = recordLog()
    const { url, connect } = await serve({ server: { apiKeys }, logger })
    await getJson(`${url}/api/chains?token=${readSecret}`, { headers: { authorization: `Bearer ${writeSecret}` } })
    await nextEvent(connect({ auth: { token: readSecret } }), 'connected')
    await nextEvent(connect({ auth: { token: `${readSecret}x` } }), 'connect_error')
    expect(lines.some(({ message }) => message === 'connection opened')).toBe(true)
    expect(lines.filter((line) => JSON.stringify(line).includes('canary'))).toEqual([])
  })
})

describe('limits', () => {
  it('refuses a connection beyond the limit, and takes one again when another has left', async () => {
    const { connect } = await serve({ connectionsMax: 2 })
    const [first, second] = [connect(), connect()]
    await Promise.all([nextEvent(first, 'connected'), nextEvent(second, 'connected')])
    await nextEvent(connect({ transports: ['polling'] }), 'connect_error')
    first.disconnect()
    const third = connect({ reconnection: true })
    expect(await nextEvent(third, 'connected')).toMatchObject({ socketId: third.id })
  })

  it('refuses the 1,001st snapshot of one connection that waits for the database, and answers all', async () => {
    const { connect } = await serve()
    const socket = connect()
    await nextEvent(socket, 'connected')
    const release = await database.holdSnapshots()
    const refused = nextEvent(socket, 'balance:error')
    const answers = Array.from({ length: 1001 }, () => socket.emitWithAck('balance:update', documentReport))
    expect(await refused).toMatchObject({ success: false, code: 'overloaded' })
    await release()
    const codes = (await Promise.all<Record<string, unknown>>(answers)).map((answer) => answer['code'] ?? 'saved')
    expect(codes.filter((code) => code === 'saved')).toHaveLength(1000)
    expect(codes.at(-1)).toBe('overloaded')
  })

  it('says so when another process has the port', async () => {
    const { server } = await serve()
    await expect(startService(database, { server: { port: server.port } })).rejects.toMatchObject({
      code: 'address_in_use',
    })
  })
})

describe('a request under another name than that of this machine', () => {
  it('is refused on both transports while there are no keys', async () => {
    const { url } = await serve()
    const statusOf = (path: string, host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request(`${url}${path}`, { headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        sent.on('error', reject).end()
      })
    for (const path of ['/api/solvers', '/api/socket.io/?EIO=4&transport=polling']) {
      expect(await statusOf(path, new URL(url).host)).toBe(200)
      expect(await statusOf(path, 'evil.example:3000')).toBe(403)
    }
  })
})
