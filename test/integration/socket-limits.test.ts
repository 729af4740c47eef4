import { createHash } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { openRawSocket } from '../support/raw-socket.js'
import type { RawSocket } from '../support/raw-socket.js'
import { until } from '../support/until.js'
import { documentReport, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, ServiceOptions, TestDatabase } from './server-fixture.js'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const secrets = { reporter: 'reporter-secret-0001', viewer: 'viewer-secret-00002' }
const apiKeys = [
  { name: 'reporter', secretSha256: sha256(secrets.reporter), scopes: ['write', 'read'] as const },
  { name: 'viewer', secretSha256: sha256(secrets.viewer), scopes: ['read'] as const },
]
const book = Object.fromEntries(
  Array.from({ length: 64 }, (_, index) => [`asset-with-a-long-name-${index}`, '9'.repeat(70)]),
)

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

async function metricOf(url: string, line: string, headers: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers })).text()
  return Number(
    text
      .split('\n')
      .find((found) => found.startsWith(`${line} `))
      ?.split(' ')[1] ?? 0,
  )
}

function closed(raw: RawSocket): Promise<number> {
  return new Promise((resolve) => raw.socket.once('close', resolve))
}

describe('a reporter that sends too much', () => {
  it('is told when to come again, over REST and Socket.IO from one account of its key, and stays connected', async () => {
    const { url, connect } = await serve({ server: { apiKeys, snapshotsPerSecond: 1 } })
    const socket = connect({ auth: { token: secrets.reporter } })
    await nextEvent(socket, 'connected')
    const errors: Record<string, unknown>[] = []
    socket.on('balance:error', (error: Record<string, unknown>) => errors.push(error))
    const save = (): Promise<Record<string, unknown>> => socket.emitWithAck('balance:update', documentReport)
    const answers = await Promise.all(Array.from({ length: 40 }, save))
    const refused = answers.filter((answer) => answer['success'] === false)
    // The burst of two seconds, and what came back meanwhile.
    expect(40 - refused.length).toBeGreaterThanOrEqual(2)
    expect(refused.length).toBeGreaterThan(20)
    expect(errors).toEqual(refused)
    const error = { success: false, code: 'rate_limited', details: { retryAfterMs: expect.any(Number) } }
    for (const answer of refused) expect(answer).toMatchObject(error)

    const headers = { authorization: `Bearer ${secrets.reporter}` }
    const overRest = await Promise.all(
      Array.from({ length: 20 }, () => postJson(`${url}/api/balance/snapshot`, documentReport, headers)),
    )
    const limited = overRest.filter(({ status }) => status === 429)
    expect(limited.length).toBeGreaterThan(5)
    for (const answer of limited) {
      expect(answer.headers.get('retry-after')).toBe('1')
      expect(answer.body).toMatchObject(error)
    }
    expect(await metricOf(url, 'tidemark_limited_total{limit="snapshots"}', headers)).toBe(
      refused.length + limited.length,
    )
    await until('it may report again', async () => (await save())['success'])
  })

  it('and comes again each time when it is told to is not cut, however often that is too early', async () => {
    const { connect } = await serve({ server: { snapshotsPerSecond: 100 } })
    const socket = connect()
    await nextEvent(socket, 'connected')
    let cut = false
    socket.once('disconnect', () => (cut = true))
    for (let refused = 0; refused < 300 && !cut;) {
      const answer: unknown = await Promise.race([
        socket.emitWithAck('balance:update', documentReport),
        nextEvent(socket, 'disconnect'),
      ])
      const waitMs = (answer as { details?: { retryAfterMs: number } }).details?.retryAfterMs
      if (waitMs === undefined) continue
      refused += 1
      await sleep(waitMs + 1)
    }
    expect(cut).toBe(false)
  })

  it('is not believed to be somebody else by its headers', async () => {
    const { url } = await serve({ server: { snapshotsPerSecond: 5 } })
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        postJson(`${url}/api/balance/snapshot`, documentReport, { 'x-forwarded-for': `203.0.113.${index}` }),
      ),
    )
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(10)
  })

  it('may send 5,000 a second from this machine without keys', async () => {
    const { url } = await serve()
    const raw = await openRawSocket(url, { events: false })
    const names = new Set<string>()
    let answered = 0
    raw.onEvent = (event) => {
      names.add(event.slice(0, 14))
      answered += 1
    }
    for (let sent = 0; sent < 5000; sent += 500) {
      for (let index = 0; index < 500; index += 1) raw.emit('balance:update', documentReport)
      await until('the snapshots are answered', () => answered >= sent + 500)
    }
    expect([...names]).toEqual(['["balance:ack"'])
    raw.socket.terminate()
  })
})

describe('a connection that floods', () => {
  const floods: readonly (readonly [what: string, send: (raw: RawSocket) => void])[] = [
    ['snapshots that are refused', (raw) => raw.emit('balance:update', documentReport)],
    ['snapshots that are not valid', (raw) => raw.emit('balance:update', null)],
    ['pings', (raw) => raw.emit('ping', {})],
    ['events nobody knows', (raw) => raw.emit('whatever', { a: 1 })],
    ['pings of WebSocket', (raw) => raw.socket.ping()],
  ]

  it.each(floods)('with %s is cut, and the others are not harmed', async (_what, send) => {
    const { url, connect } = await serve({ server: { snapshotsPerSecond: 100 } })
    const bystander = connect()
    await nextEvent(bystander, 'connected')
    const raw = await openRawSocket(url, { events: false })
    const end = closed(raw)
    let open = true
    void end.then(() => (open = false))
    let sent = 0
    while (open) {
      for (let index = 0; index < 100 && raw.socket.readyState === raw.socket.OPEN; index += 1) send(raw)
      sent += 100
      await sleep(1)
    }
    // Not at first: a client may go beyond its limit for a while.
    expect(sent).toBeGreaterThan(300)
    expect(await metricOf(url, 'tidemark_limited_total{limit="flood"}')).toBeGreaterThan(0)
    expect(await bystander.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
  })
})

describe('connections', () => {
  it('that come all at once are taken up to the limit, the others are refused with a reason', async () => {
    const { url } = await serve({ server: { maxConnections: 100 } })
    const opened = await Promise.allSettled(Array.from({ length: 250 }, () => openRawSocket(url)))
    const taken = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(taken).toHaveLength(100)
    expect(await metricOf(url, 'tidemark_limited_total{limit="connections"}')).toBe(150)
    const polling = await fetch(`${url}/api/socket.io/?EIO=4&transport=polling`)
    expect([polling.status, await polling.json()]).toEqual([
      403,
      expect.objectContaining({ message: 'too_many_connections' }),
    ])
    const gone = taken.map(closed)
    for (const { socket } of taken) socket.terminate()
    await Promise.all(gone)
    await until('there is room again', async () => (await metricOf(url, 'tidemark_socket_connections')) === 0)
    const again = await openRawSocket(url)
    again.socket.terminate()
  })

  it('of one key leave room for others', async () => {
    const { connect, url } = await serve({ server: { apiKeys, maxConnections: 10 } })
    const open = (token: string): Promise<RawSocket> => openRawSocket(url, { token })
    const taken = await Promise.all(Array.from({ length: 8 }, () => open(secrets.viewer)))
    const refused = await nextEvent<Error & { data: unknown }>(
      connect({ auth: { token: secrets.viewer } }),
      'connect_error',
    )
    expect(refused).toMatchObject({ message: 'too_many_connections', data: { code: 'too_many_connections' } })
    taken.push(await open(secrets.reporter))
    for (const { socket } of taken) socket.terminate()
  })

  it('join once, however often they ask before the answer, and end when they leave', async () => {
    const { url, manager } = await serve()
    const address = `${url}/api/socket.io/?EIO=4&transport=polling`
    const { sid } = JSON.parse((await (await fetch(address)).text()).slice(1)) as { sid: string }
    const post = (...packets: string[]): Promise<Response> =>
      fetch(`${address}&sid=${sid}`, { method: 'POST', body: packets.join('\x1e') })
    const read = async (start: string): Promise<number> => {
      const text = await (await fetch(`${address}&sid=${sid}`)).text()
      return text.split('\x1e').filter((packet) => packet.startsWith(start)).length
    }
    await post(...Array.from({ length: 50 }, () => '40'))
    await until('it has joined', async () => (await metricOf(url, 'tidemark_socket_connections')) > 0)
    expect(await read('40')).toBe(1)
    await manager.saveSnapshot(documentReport)
    expect(await read('42["balance:snapshot"')).toBe(1)
    // One that stayed would count for nobody.
    await post('41')
    await until('it has ended', async () => (await post('3')).status === 400)
  })

  it('that open and close again and again leave nothing behind', async () => {
    const { url } = await serve()
    for (let round = 0; round < 5; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => openRawSocket(url)))
      for (const { socket } of sockets) socket.terminate()
    }
    await until('all are counted off', async () => (await metricOf(url, 'tidemark_socket_connections')) === 0)
  })
})

describe('requests', () => {
  it('of one address are limited', async () => {
    const { url, server } = await serve()
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connectTcp(server.port, '127.0.0.1', () => {
        socket.write(`GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(9000))
        socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      })
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    const count = (status: number): number => answer.split(`HTTP/1.1 ${status} `).length - 1
    expect(count(200)).toBeGreaterThanOrEqual(2000)
    expect(count(429)).toBeGreaterThan(0)
    expect(count(200) + count(429)).toBe(9001)
    expect(answer).toMatch(/retry-after: 1\r\n/i)
    await sleep(50)
    expect((await getJson(`${url}/livez`)).status).toBe(200)
  })

  it('with wrong keys are limited, whatever address they claim, and a key that was right before goes on', async () => {
    const { url, connect } = await serve({ server: { apiKeys } })
    const ask = (secret: string, index = 0): Promise<number> =>
      getJson(`${url}/api/chains`, {
        headers: { authorization: `Bearer ${secret}`, 'x-forwarded-for': `203.0.113.${index % 250}` },
      }).then(({ status }) => status)
    expect(await ask(secrets.viewer)).toBe(200)
    const statuses = await Promise.all(
      Array.from({ length: 80 }, (_, index) => ask(`wrong-secret-${index}-00000`, index)),
    )
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(50)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(10)
    expect(await ask(secrets.viewer)).toBe(200)
    expect(await ask(secrets.reporter)).toBe(429)
    const error = await nextEvent<Error & { data: unknown }>(
      connect({ auth: { token: 'wrong-secret-000000' } }),
      'connect_error',
    )
    expect(error).toMatchObject({ message: 'rate_limited', data: { code: 'rate_limited' } })
  })
})

describe('a client that is not one of ours', () => {
  it('with version 3 of the protocol is refused with a reason on both transports', async () => {
    const { url } = await serve()
    const polling = await fetch(`${url}/api/socket.io/?EIO=3&transport=polling`)
    expect([polling.status, await polling.json()]).toEqual([400, { code: 5, message: 'Unsupported protocol version' }])
    const error = await new Promise<string>((resolve) => {
      const socket = connectTcp(Number(new URL(url).port), '127.0.0.1', () => {
        socket.write(
          'GET /api/socket.io/?EIO=3&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n',
        )
      })
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('close', () => resolve(text))
    })
    expect(error).toContain('Unsupported protocol version')
  })

  it('on another path or namespace gets connect_error, and the service goes on', async () => {
    const { url, connect } = await serve()
    const options = { transports: ['websocket'], reconnection: false, forceNew: true }
    const [path, namespace] = [
      io(url, { ...options, path: '/socket.io' }),
      io(`${url}/admin`, { ...options, path: '/api/socket.io' }),
    ]
    const errors = await Promise.all([path, namespace].map((socket) => nextEvent<Error>(socket, 'connect_error')))
    expect(errors.map(({ message }) => message)).toEqual(['websocket error', 'Invalid namespace'])
    for (const socket of [path, namespace]) socket.disconnect()
    await nextEvent(connect(), 'connected')
  })

  it('or sends too much at once is closed with code 1009, and comes back', async () => {
    const { url, connect } = await serve()
    const raw = await openRawSocket(url)
    const code = closed(raw)
    raw.socket.send(`42["balance:update","${'x'.repeat(70_000)}"]`)
    expect(await code).toBe(1009)
    const socket = connect({ reconnection: true })
    await nextEvent(socket, 'connected')
    const again = nextEvent(socket, 'connected')
    socket.emit('balance:update', 'x'.repeat(70_000))
    await again
    expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
  })
})

describe('a client that does not read', () => {
  it('over HTTP polling is cut as well', async () => {
    const { url, manager } = await serve()
    const address = `${url}/api/socket.io/?EIO=4&transport=polling`
    const handshake = await (await fetch(address)).text()
    const { sid } = JSON.parse(handshake.slice(1)) as { sid: string }
    const post = (body: string): Promise<Response> => fetch(`${address}&sid=${sid}`, { method: 'POST', body })
    await post('40')
    // It has joined, and never asks for what is there.
    await until('it is connected', async () => (await metricOf(url, 'tidemark_socket_connections')) === 1)
    while ((await metricOf(url, 'tidemark_socket_slow_readers_total')) === 0) {
      await Promise.all(Array.from({ length: 100 }, () => manager.saveSnapshot({ onchain: book, onsite: book })))
    }
    await until('it is gone', async () => (await metricOf(url, 'tidemark_socket_connections')) === 0)
    expect((await post('3')).status).toBe(400)
  })

  it('answers to its own questions is cut as well', async () => {
    const { url } = await serve()
    const raw = await openRawSocket(url, { events: false })
    const end = closed(raw)
    raw.socket.pause()
    const padding = 'x'.repeat(500)
    let cut = false
    void end.then(() => (cut = true))
    while ((await metricOf(url, 'tidemark_socket_slow_readers_total')) === 0 && !cut) {
      // An acknowledgement each, and less of them a second than would be a flood.
      for (let index = 0; index < 200; index += 1) raw.socket.send(`42${index}["balance:update",{"id":"${padding}"}]`)
      await sleep(20)
    }
    raw.socket.resume()
    await end
    expect(await metricOf(url, 'tidemark_socket_slow_readers_total')).toBe(1)
  })
})
