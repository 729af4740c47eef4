import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { longTimeoutMs, times } from '../support/long.js'
import { getJson, startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

let database: TestDatabase
let service: Service

beforeAll(async () => {
  database = await startDatabase()
  service = await startService(database)
}, 60_000)

afterAll(async () => {
  await service.close()
  await database.stop()
})

/** Opens a TCP connection, writes, and resolves with everything that came when it is closed. */
function exchange(write: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.server.port, '127.0.0.1', () => write(socket))
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('close', () => resolve(text))
    socket.on('error', (error: Error & { code?: string }) =>
      error.code === 'ECONNRESET' ? resolve(text) : reject(error),
    )
  })
}

const post = 'POST /api/balance/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
const hidden = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

describe('a request that two servers could read differently', () => {
  it.each([
    ['a length and chunks', `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}${hidden}`],
    ['a length with a sign', `${post}Content-Length: +2\r\n\r\n{}${hidden}`],
    ['an unknown encoding', `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`],
    ['a broken chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${hidden}`],
    ['a folded header', `${post}X-A: b\r\n c: d\r\nContent-Length: 2\r\n\r\n{}${hidden}`],
    ['a name with a space', `${post}Content-Length : 2\r\n\r\n{}${hidden}`],
    ['a NUL in a header', `${post}X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}${hidden}`],
  ])('%s: what may hide in it is not answered', async (_name, bytes) => {
    const answer = await exchange((socket) => socket.write(bytes))
    expect(answer).not.toContain('"status":"live"')
    expect(answer.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1)
    expect((await getJson(`${service.url}/livez`)).status).toBe(200)
  })
})

it('a request that would rather have HTTP/2 is told what to do, and not left without an answer', async () => {
  const headers =
    'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
  const answer = await exchange((socket) => socket.write(`GET /livez HTTP/1.1\r\n${headers}\r\n`))
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toContain('expected HTTP/1.1 without')
})

it.each(['/docs/static/%00', '/docs/static/..%00', '/%00', '/api/solvers/%00', '/%ff', '/docs/static/%ff'])(
  'a path that no file can have, %s, is the fault of whoever asks for it',
  async (path) => {
    const answer = await exchange((socket) =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
  },
)

describe('a request that is too large or too slow', () => {
  it('with 100 KB of headers gets 431 and is closed', async () => {
    const answer = await exchange((socket) => {
      socket.on('error', () => undefined)
      socket.write(`GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('with a body that is announced as 10 MB gets 413 before it is sent', async () => {
    const answer = await exchange((socket) => {
      socket.write(`${post}Content-Length: 10000000\r\nConnection: close\r\n\r\n`)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  it.skipIf(times(0, 1) === 0)(
    'or whose answer nobody reads is cut after two minutes',
    async () => {
      const answer = await exchange((socket) => {
        socket.pause()
        socket.write('GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000))
        setTimeout(() => socket.resume(), 140_000)
      })
      expect(answer.split('HTTP/1.1 200').length - 1).toBeLessThan(1000)
    },
    longTimeoutMs,
  )

  it.skipIf(times(0, 1) === 0)(
    'whose headers never end is closed with 408',
    async () => {
      const answer = await exchange((socket) => {
        socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n')
        const timer = setInterval(() => socket.write('X-A: b\r\n'), 1000)
        socket.on('close', () => clearInterval(timer))
        socket.on('error', () => undefined)
      })
      expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    },
    longTimeoutMs,
  )
})
