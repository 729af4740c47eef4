import { createHash } from 'node:crypto'
import { createServer, request } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import type { Duplex } from 'node:stream'

import { io } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { BalanceManager } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import { mountServer } from '../../src/server/mount-server.js'
import type { MountedServer } from '../../src/server/mount-server.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { openConfig } from './server-fixture.js'

const secret = 'the-secret-of-the-mounted-server-1'
const secretSha256 = createHash('sha256').update(secret).digest('hex')
const authorization = `Bearer ${secret}`

describe('the API in the HTTP server of a host', () => {
  let database: TestDatabase
  let manager: BalanceManager
  let host: Server
  let mounted: MountedServer | undefined
  let port: number

  beforeEach(async () => {
    database = await createTestDatabase()
    manager = new BalanceManager({
      config: { chains: [], solvers: [], databaseUrl: database.url, dataDir: tmpdir() },
    })
    await manager.start()
    host = createServer((_request, response) => response.end('from the host'))
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    port = (host.address() as AddressInfo).port
  })

  afterEach(async () => {
    await mounted?.close()
    host.closeAllConnections()
    await new Promise((resolve) => host.close(resolve))
    await manager.close()
    await database.drop()
  })

  const mount = async (): Promise<void> => {
    const config = { ...openConfig, apiKeys: [{ name: 'viewer', secretSha256, scopes: ['read', 'write'] as const }] }
    mounted = await mountServer({ http: host, manager, config, logger: silentLogger })
  }

  /** What comes back when another protocol is asked for, up to the end of the connection. */
  const upgrade = (path: string, protocol: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = ''
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`),
      )
      socket.setTimeout(5000, () => socket.destroy(new Error('expected an answer within 5 s, got none')))
      socket.on('data', (data) => (answer += data.toString()))
      socket.on('error', reject)
      socket.on('end', () => {
        socket.end()
        resolve(answer)
      })
    })

  const joins = (): Promise<string> =>
    new Promise((resolve) => {
      const socket = io(`http://127.0.0.1:${port}`, {
        path: '/api/socket.io',
        auth: { token: secret },
        transports: ['websocket'],
        reconnection: false,
      })
      const end = (how: string): void => {
        socket.close()
        resolve(how)
      }
      socket.on('connected', () => end('connected'))
      socket.on('connect_error', ({ message }) => end(message))
    })

  it('answers whoever asks for another protocol, as some clients do for HTTP/2', async () => {
    await mount()
    expect(await upgrade('/greeting', 'h2c')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await joins()).toBe('connected')
  })

  it('leaves upgrades of other paths to the host, whose own refusals do not reach Socket.IO', async () => {
    const asked: (string | undefined)[] = []
    host.on('upgrade', ({ url }, socket: Duplex) => {
      asked.push(url)
      socket.end(`HTTP/1.1 ${url === '/ticks' ? '200 from the host' : '404 unknown path'}\r\n\r\n`)
    })
    await mount()
    expect(await upgrade('/ticks', 'ticks')).toMatch(/^HTTP\/1\.1 200 from the host/)
    expect(await joins()).toBe('connected')
    expect(asked).toEqual(['/ticks'])
  })

  it('says that it is closed, rather than that there is no such path', async () => {
    await mount()
    const status = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request({ port, path, headers: { authorization } }, (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode))
        })
          .on('error', reject)
          .end()
      })
    expect(await status('/api/solvers')).toBe(200)
    await mounted?.close()
    expect(await status('/api/solvers')).toBe(503)
    expect(await status('/greeting')).toBe(200)
  })
})
