import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { queryObjects } from 'node:v8'

import pg from 'pg'
import { Socket as ServerSideSocket } from 'socket.io'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import { BalanceManager, ConfigurationError, DatabaseUnavailableError } from '../../src/index.js'
import { silentLogger } from '../../src/model/logger.js'
import type { ServerConfig } from '../../src/server/create-server.js'
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import type { EmbeddedPostgres } from '../../src/storage/postgres/embedded/start-embedded-postgres.js'
import { openDatabaseDoor } from '../support/database-door.js'
import type { DatabaseDoor } from '../support/database-door.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { serveInTrouble } from './database-fault-fixture.js'
import type { FaultyService } from './database-fault-fixture.js'
import { documentReport, getJson, nextEvent, postJson } from './server-fixture.js'

describe('a database that is away when the service starts', () => {
  let database: TestDatabase
  let door: DatabaseDoor
  let service: FaultyService | null

  beforeEach(async () => {
    service = null
    database = await createTestDatabase({ empty: true })
    door = await openDatabaseDoor(database.address)
  })

  afterEach(async () => {
    await service?.close()
    await door.close()
    await database.drop()
  })

  const serve = async (server: Partial<ServerConfig> = {}): Promise<FaultyService> =>
    (service = await serveInTrouble({ databaseUrl: door.urlOf(database.address), waiting: true, server }))

  const waitingFor = (): readonly unknown[] =>
    service?.lines
      .filter(({ message }) => message === 'waiting for the database')
      .map(({ fields }) => fields['reason']) ?? []

  it.each(['closed', 'silent'] as const)(
    'is waited for: the service says that it is not ready, acknowledges nothing, and heals by itself (%s)',
    async (state) => {
      door.set(state)
      const secret = 'canary-secret-of-the-reporter'
      const secretSha256 = createHash('sha256').update(secret).digest('hex')
      const headers = { authorization: `Bearer ${secret}` }
      const { url, connect, started, manager } = await serve({
        apiKeys: [{ name: 'reporter', scopes: ['read', 'write'], secretSha256 }],
      })
      await until('the database is waited for', () => waitingFor().length > 0)
      expect(await getJson(`${url}/livez`)).toMatchObject({ status: 200 })
      const ready = await getJson(`${url}/readyz`)
      expect(ready).toMatchObject({ status: 503, body: { code: 'not_ready' } })
      expect(ready.body['error']).toMatch(/^the service is starting: the database (cannot be reached|does not answer)/)
      expect(await (await fetch(`${url}/metrics`, { headers })).text()).toContain('tidemark_database_up 0')

      const refused = await postJson(`${url}/api/balance/snapshot`, documentReport, headers)
      expect(refused).toMatchObject({ status: 503, body: { success: false, code: 'not_ready' } })
      expect(refused.headers.get('retry-after')).toBe('1')
      const socket = connect({ token: secret })
      let isGreeted = false
      const greeted = nextEvent(socket, 'connected').finally(() => (isGreeted = true))
      await nextEvent(socket, 'connect')
      const answered = nextEvent(socket, 'balance:error')
      expect(await socket.emitWithAck('balance:update', documentReport)).toMatchObject({ code: 'not_ready' })
      expect(await answered).toMatchObject({ success: false, code: 'not_ready' })
      expect(isGreeted).toBe(false)

      door.set('open')
      await started
      // The same socket, without connecting again: it is greeted now, and follows the log.
      expect(await greeted).toMatchObject({ seq: 0 })
      const pushed = nextEvent(socket, 'balance:snapshot')
      const saved = await postJson(`${url}/api/balance/snapshot`, documentReport, headers)
      expect(saved).toMatchObject({ status: 200, body: { success: true } })
      expect(await getJson(`${url}/readyz`)).toMatchObject({ status: 200, body: { database: 'up' } })
      expect((await manager.snapshots({ limit: 10, offset: 0 }))?.total).toBe(1)
      await pushed
      // One line for each thing that was the matter, however often it was tried.
      expect(waitingFor()).toHaveLength(new Set(waitingFor()).size)
    },
  )

  it('decides who may connect: without keys in the settings a socket waits for it, then is greeted', async () => {
    door.set('closed')
    const { url, connect } = await serve()
    expect(await postJson(`${url}/api/balance/snapshot`, documentReport)).toMatchObject({ status: 503 })
    const greeted = nextEvent(connect(), 'connected')
    await until('the database is waited for', () => waitingFor().length > 0)
    door.set('open')
    expect(await greeted).toMatchObject({ seq: 0 })
    expect(await postJson(`${url}/api/balance/snapshot`, documentReport)).toMatchObject({ status: 200 })
  })

  it.each([
    ['who need it to be told who they are', {}],
    ['whose key stands in the settings', { token: 'canary-secret-of-the-reporter' }],
  ])('keeps nothing of clients who come and go meanwhile, %s', async (_who, auth) => {
    door.set('closed')
    const secretSha256 = createHash('sha256').update('canary-secret-of-the-reporter').digest('hex')
    const { url } = await serve({ apiKeys: [{ name: 'reporter', scopes: ['read', 'write'], secretSha256 }] })
    const kept = (): number => queryObjects(ServerSideSocket, { format: 'count' })
    const before = kept()
    for (let come = 0; come < 20; come += 1) {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`)
      await once(socket, 'message')
      socket.send(`40${JSON.stringify({ token: 'canary-secret-of-nobody', ...auth })}`)
      // Its answer tells that what came before it was read.
      socket.ping()
      await once(socket, 'pong')
      socket.terminate()
    }
    await until('they are forgotten', () => kept() - before <= 2)
  })

  it.each(['closed', 'silent'] as const)('does not hold up a stop (%s)', async (state) => {
    door.set(state)
    const { started, close } = await serve()
    if (state === 'closed') await until('the database is waited for', () => waitingFor().length > 0)
    const startedAt = performance.now()
    await close()
    await expect(started).rejects.toMatchObject({ code: 'closed' })
    expect(performance.now() - startedAt).toBeLessThan(2000)
    service = null
  })

  it('fails a library’s start after the time that it gives', async () => {
    door.set('closed')
    const config = { chains: [], solvers: [], databaseUrl: door.urlOf(database.address), dataDir: tmpdir() }
    const manager = new BalanceManager({ config })
    await expect(manager.start({ databaseWaitMs: 300 })).rejects.toThrow(DatabaseUnavailableError)
    await expect(manager.saveSnapshot(documentReport)).rejects.toMatchObject({ code: 'not_running' })
    await manager.close()
  })
})

/** The same server as before, in the same place, with one more setting: behind the back of whoever started it. */
async function restartWith(server: EmbeddedPostgres, setting: string): Promise<ChildProcess> {
  const about = `/proc/${server.serverPid}`
  const split = (text: string): string[] => text.split('\0').filter((part) => part !== '')
  const [command = '', ...args] = split(readFileSync(`${about}/cmdline`, 'utf8'))
  const env = Object.fromEntries(
    split(readFileSync(`${about}/environ`, 'utf8')).map((entry) => entry.split(/=(.*)/s, 2)),
  )
  const { uid, gid } = statSync(`${about}/cwd/PG_VERSION`)
  const cwd = readlinkSync(`${about}/cwd`)
  process.kill(server.serverPid, 'SIGINT')
  await until('the server is gone', () => !existsSync(join(cwd, 'postmaster.pid')))
  const child = spawn(command, [...args, '-c', setting], { cwd, env, stdio: 'ignore', uid, gid })
  await until('the server is there', () =>
    existsSync(join(server.connection.host, `.s.PGSQL.${server.connection.port}`)),
  )
  return child
}

describe('a database server of one’s own', () => {
  let folder: string
  let server: EmbeddedPostgres
  let door: DatabaseDoor

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
    server = await startEmbeddedPostgres({ dataDir: folder, logger: silentLogger })
    door = await openDatabaseDoor(server.connection)
  })

  afterEach(async () => {
    await door.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const query = async (...statements: string[]): Promise<void> => {
    const client = new pg.Client(server.connection)
    await client.connect()
    for (const statement of statements) await client.query(statement)
    await client.end()
  }

  const startOn = async (databaseUrl: string): Promise<void> => {
    const manager = new BalanceManager({ config: { chains: [], solvers: [], databaseUrl, dataDir: folder } })
    try {
      await manager.start({ databaseWaitMs: Infinity })
    } finally {
      await manager.close()
    }
  }

  it('is not waited for where that does not help: a wrong password, no such database, fsync off', async () => {
    const rules = join(folder, 'postgres', 'pg_hba.conf')
    await writeFile(rules, `local all stranger scram-sha-256\n${await readFile(rules, 'utf8')}`)
    await query(`create role stranger login password 'right'`, 'select pg_reload_conf()')
    const { database, user } = server.connection
    const wrong = new URL(door.urlOf({ user: 'stranger', database }))
    wrong.password = 'canary-wrong'
    const refusal = startOn(wrong.href)
    await expect(refusal).rejects.toThrow(ConfigurationError)
    await expect(refusal).rejects.toThrow(/^DATABASE_URL: .*password authentication failed for user "stranger"/)
    await expect(refusal).rejects.not.toThrow(/canary/)
    await expect(startOn(door.urlOf({ user, database: 'nowhere' }))).rejects.toThrow(
      /database "nowhere" does not exist/,
    )

    const unsafe = await restartWith(server, 'fsync=off')
    try {
      await expect(startOn(door.urlOf(server.connection))).rejects.toThrow(/fsync on, got fsync=off/)
    } finally {
      unsafe.kill('SIGINT')
      await once(unsafe, 'exit')
    }
  })

  it('that is a standby is waited for until it takes writes', async () => {
    await server.stop()
    await writeFile(join(folder, 'postgres', 'standby.signal'), '')
    server = await startEmbeddedPostgres({ dataDir: folder, logger: silentLogger })
    door.moveTo(server.connection)
    const service = await serveInTrouble({ databaseUrl: door.urlOf(server.connection), waiting: true })
    try {
      await until('the standby is waited for', () =>
        service.lines.some(
          ({ message, fields }) => message.includes('waiting') && /standby/.test(String(fields['error'])),
        ),
      )
      expect(await getJson(`${service.url}/readyz`)).toMatchObject({
        status: 503,
        body: { error: expect.stringContaining('standby') as unknown },
      })
      await query('select pg_promote()')
      await service.started
      const { url } = service
      await until(
        'a snapshot is taken',
        async () => (await postJson(`${url}/api/balance/snapshot`, documentReport)).status === 200,
      )
    } finally {
      await service.close()
    }
  })
})
