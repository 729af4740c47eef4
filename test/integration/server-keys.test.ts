import { request } from 'node:http'

import type { Socket } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { routes } from '../../src/api/routes.js'
import { socketEvents } from '../../src/api/socket-events.js'
import { openApiKeys } from '../../src/index.js'
import type { OpenApiKeys } from '../../src/index.js'
import { recordLog } from '../support/log-recorder.js'
import { until } from '../support/until.js'
import { documentReport, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

let database: TestDatabase
let keys: OpenApiKeys
const services: Service[] = []

beforeEach(async () => {
  database = await startDatabase()
  // As the command does it: another process than the service, with connections of its own.
  keys = await openApiKeys({ databaseUrl: database.url, dataDir: '/nonexistent' })
}, 60_000)

afterEach(async () => {
  for (const service of services.splice(0)) await service.close()
  await keys.close()
  await database.stop()
})

async function serve(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService(database, options)
  services.push(service)
  return service
}

const bearer = (secret: string): Record<string, string> => ({ authorization: `Bearer ${secret}` })

const statusOf = async (url: string, secret: string | null): Promise<number> =>
  (await getJson(url, secret === null ? {} : { headers: bearer(secret) })).status

/** The same, for the name by which a proxy is called: `fetch` would send its own. */
const statusUnderName = (host: string, url: string, secret: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { headers: { host, ...bearer(secret) } }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })

async function report({ url }: Service, secret: string | null): Promise<number> {
  return (await postJson(`${url}/api/balance/snapshot`, documentReport, secret === null ? {} : bearer(secret))).status
}

describe('a key of the database', () => {
  it('opens every process within seconds of being added, and none any more once it is revoked', async () => {
    const [first, second] = [await serve(), await serve()]
    expect([await report(first, null), await report(second, null)]).toEqual([200, 200])
    const keyless = first.connect()
    await nextEvent(keyless, 'connected')
    const keylessEnd = nextEvent<string>(keyless, 'disconnect')

    const gone = await keys.add({ name: 'gone', scopes: ['write'] })
    expect(gone.secret).toMatch(/^tm_[\w-]{43}$/)
    const kept = await keys.add({ name: 'kept', scopes: ['write'] })
    for (const service of [first, second]) {
      await until('the door is shut', async () => (await report(service, null)) === 401)
      expect(await report(service, gone.secret)).toBe(200)
    }
    // Who came in while there was no key has to come again with one.
    expect(await keylessEnd).toBe('io server disconnect')
    expect(await refusalOf(first.connect())).toBe('unauthorized')

    const goneSocket = first.connect({ auth: { token: gone.secret } })
    await nextEvent(goneSocket, 'connected')
    const keptSocket = first.connect({ auth: { token: kept.secret } })
    await nextEvent(keptSocket, 'connected')
    const goneEnd = nextEvent<string>(goneSocket, 'disconnect')
    expect(await keys.revoke(gone.key.id)).toMatchObject({ name: 'gone', revokedAt: expect.any(Date) as unknown })
    expect(await goneEnd).toBe('io server disconnect')
    for (const service of [first, second]) {
      await until('the key is refused', async () => (await report(service, gone.secret)) === 401)
    }
    expect(await refusalOf(first.connect({ auth: { token: gone.secret } }))).toBe('unauthorized')
    expect(await keptSocket.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
  })

  it('that is the last one and revoked leaves the door shut', async () => {
    const { key } = await keys.add({ name: 'last', scopes: ['admin'] })
    await keys.revoke(key.id)
    const service = await serve()
    expect(await report(service, null)).toBe(401)
    expect(await refusalOf(service.connect())).toBe('unauthorized')
  })

  it('is let in although its address has tried wrong keys without end: nobody could have guessed it', async () => {
    const { secret } = await keys.add({ name: 'bot', scopes: ['read'] })
    const { url } = await serve()
    const guesses = Array.from({ length: 60 }, (_, index) => statusOf(`${url}/api/chains`, `wrong-secret-${index}`))
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([401, 429]))
    expect(await statusOf(`${url}/api/chains`, `${secret.slice(0, -1)}!`)).toBe(429)
    expect(await statusOf(`${url}/api/chains`, secret)).toBe(200)
  })

  it('is kept as a hash only, and its use is noted', async () => {
    const { secret } = await keys.add({ name: 'bot', scopes: ['admin'] })
    const { logger, lines } = recordLog()
    const service = await serve({ logger })
    expect(await report(service, secret)).toBe(200)
    await until('the use is noted', async () => (await keys.list())[0]?.lastUsedAt !== null)
    expect(await keys.list()).toMatchObject([{ name: 'bot', scopes: ['read', 'write', 'admin'], revokedAt: null }])
    const rows = JSON.stringify(
      await database.query('select encode(secret_sha256, $$escape$$), * from tidemark.api_key'),
    )
    for (const text of [rows, JSON.stringify(lines)]) expect(text).not.toContain(secret.slice(3, 20))
  })

  it('has a name that no other key in force has', async () => {
    await keys.add({ name: 'bot', scopes: ['read'] })
    await expect(keys.add({ name: 'bot', scopes: ['read'] })).rejects.toMatchObject({ code: 'api_key_name_taken' })
    await keys.revoke('bot')
    const { key } = await keys.add({ name: 'bot', scopes: ['read'] })
    expect((await keys.list()).map(({ name, revokedAt }) => [name, revokedAt === null])).toEqual([
      ['bot', true],
      ['bot', false],
    ])
    expect(await keys.revoke('nobody')).toBeNull()
    expect((await keys.revoke('bot'))?.id).toBe(key.id)
  })

  it.each(['', 'a b', 'x'.repeat(33), 'a\nb', "'); drop table tidemark.api_key; --"])(
    'is not named %j',
    async (name) => {
      await expect(keys.add({ name, scopes: ['read'] })).rejects.toMatchObject({ code: 'configuration' })
      expect(await keys.list()).toEqual([])
    },
  )

  it('lets a service on loopback go by any name, since it protects it now', async () => {
    const { secret } = await keys.add({ name: 'bot', scopes: ['read'] })
    const { url } = await serve()
    expect(await statusUnderName('tidemark.example', `${url}/api/chains`, secret)).toBe(200)
  })
})

describe('a host that others can reach', () => {
  it('is refused without any key, and taken with one of the database', async () => {
    await expect(serve({ server: { host: '0.0.0.0' } })).rejects.toMatchObject({
      code: 'configuration',
      hint: expect.stringContaining('tidemark keys add') as unknown,
    })
    const { secret } = await keys.add({ name: 'bot', scopes: ['write'] })
    const service = await serve({ server: { host: '0.0.0.0' } })
    expect([await report(service, secret), await report(service, null)]).toEqual([200, 401])
  })

  it('may be open to everyone when that is wanted', async () => {
    const service = await serve({ server: { host: '0.0.0.0', allowUnauthenticated: true } })
    expect(await report(service, null)).toBe(200)
  })
})

async function refusalOf(socket: Socket): Promise<string> {
  return (await nextEvent<Error>(socket, 'connect_error')).message
}

describe('who may do what', () => {
  const open = new Set(['GET /livez', 'GET /readyz'])
  const solver = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
  const values: Readonly<Record<string, string>> = { chainId: '1', token: 'native', solver, address: solver }
  const pathOf = (path: string): string => path.replaceAll(/:(\w+)/g, (_match, name: string) => values[name] ?? name)

  const answerTo = async (
    { url }: Service,
    { method, path }: { readonly method: string; readonly path: string },
    secret: string | null,
  ): Promise<number> => {
    const response = await fetch(`${url}${pathOf(path)}`, {
      method,
      headers: {
        ...(secret === null ? {} : bearer(secret)),
        ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
      },
      ...(method === 'POST' ? { body: '{}' } : {}),
    })
    await response.arrayBuffer()
    return response.status
  }

  it('over every route: nothing but health without a key, reading with read, changing with write', async () => {
    const [reader, writer] = [
      await keys.add({ name: 'r', scopes: ['read'] }),
      await keys.add({ name: 'w', scopes: ['write'] }),
    ]
    const service = await serve()
    for (const route of routes) {
      const name = `${route.method} ${route.path}`
      const [without, wrong, reading, writing] = [
        await answerTo(service, route, null),
        await answerTo(service, route, 'tm_wrong'),
        await answerTo(service, route, reader.secret),
        await answerTo(service, route, writer.secret),
      ]
      const refused = open.has(name) ? 200 : 401
      expect([name, without, wrong]).toEqual([name, refused, refused])
      // What changes something is never a GET, and never for readers.
      expect([name, reading === 403]).toEqual([name, route.method !== 'GET'])
      expect([name, [401, 403].includes(writing)]).toEqual([name, false])
    }
  })

  it('over every route when reading is public: reading without a key, changing with one', async () => {
    const { secret } = await keys.add({ name: 'w', scopes: ['write'] })
    const service = await serve({ server: { publicRead: true } })
    for (const route of routes) {
      const name = `${route.method} ${route.path}`
      const [without, wrong, writing] = [
        await answerTo(service, route, null),
        await answerTo(service, route, 'tm_wrong'),
        await answerTo(service, route, secret),
      ]
      expect([name, without === 403]).toEqual([name, route.method !== 'GET'])
      expect([name, wrong]).toEqual([name, open.has(name) ? 200 : 401])
      expect([name, [401, 403].includes(writing)]).toEqual([name, false])
    }
  })

  it('over every socket event: watching with read, reporting with write', async () => {
    const { secret } = await keys.add({ name: 'r', scopes: ['read'] })
    const closed = await serve()
    const readable = await serve({ server: { publicRead: true } })
    expect(await refusalOf(closed.connect())).toBe('unauthorized')
    for (const connect of [() => closed.connect({ auth: { token: secret } }), () => readable.connect()]) {
      const socket = connect()
      await nextEvent(socket, 'connected')
      const answers: Record<string, unknown> = {}
      for (const { name } of socketEvents.filter(({ from }) => from === 'client')) {
        answers[name] = await socket.emitWithAck(name, documentReport)
      }
      expect(answers).toEqual({
        ping: { timestamp: expect.any(String) as unknown },
        'balance:update': expect.objectContaining({ success: false, code: 'forbidden' }) as unknown,
      })
    }
    expect(await database.query('select count(*)::int as count from tidemark."BalanceSnapshot"')).toEqual([
      { count: 0 },
    ])
  })

  it('events are pushed to those who may read only', async () => {
    const writer = await keys.add({ name: 'w', scopes: ['write'] })
    const service = await serve({ server: { publicRead: true } })
    const viewer = service.connect()
    await nextEvent(viewer, 'connected')
    const pushed = nextEvent(viewer, 'balance:snapshot')
    expect(await report(service, writer.secret)).toBe(200)
    expect(await pushed).toMatchObject({ onchain: documentReport.onchain })
  })
})

it('a database that was never read shuts everybody out, and lets in who waited once it was read', async () => {
  const { secret } = await keys.add({ name: 'stored', scopes: ['read'] })
  let away = true
  const service = await serve({
    wrap: (manager) =>
      new Proxy(manager, {
        get: (target, property) => {
          if (property === 'apiKeys' && away) throw new Error('the database is away')
          const member: unknown = Reflect.get(target, property, target)
          return typeof member === 'function' ? (member.bind(target) as unknown) : member
        },
      }),
  })
  // A proxy passes on the name that it is called by: that is fine with a key, and there may be one.
  expect(await statusUnderName('tidemark.example', `${service.url}/api/chains`, secret)).toBe(503)
  expect([
    await statusOf(`${service.url}/api/chains`, null),
    await statusOf(`${service.url}/api/chains`, secret),
    await statusOf(`${service.url}/livez`, null),
  ]).toEqual([503, 503, 200])
  const socket = service.connect({ auth: { token: secret } })
  const stranger = service.connect()
  const refused = nextEvent<Error>(stranger, 'connect_error')
  const connected = nextEvent(socket, 'connected')
  away = false
  expect(await connected).toMatchObject({ socketId: socket.id })
  expect((await refused).message).toBe('unauthorized')
  expect(await statusOf(`${service.url}/api/chains`, secret)).toBe(200)
})
