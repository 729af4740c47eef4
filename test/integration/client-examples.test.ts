import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { until } from '../support/until.js'
import { documentReport, getJson, postJson, startDatabase, startService } from './server-fixture.js'
import type { JsonAnswer, Service, TestDatabase } from './server-fixture.js'

const repository = resolve(import.meta.dirname, '../..')
const secret = 'the-secret-of-the-examples-0001'
const secretSha256 = createHash('sha256').update(secret).digest('hex')

let database: TestDatabase
let service: Service
let folder: string
const running = new Set<Example>()

interface Example {
  readonly output: () => string
  kill(signal: NodeJS.Signals): void
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

beforeAll(async () => {
  ;[database, folder] = await Promise.all([startDatabase(), mkdtemp(join(tmpdir(), 'tidemark-examples-'))])
  service = await startService(database, {
    server: { apiKeys: [{ name: 'examples', scopes: ['read', 'write'], secretSha256 }] },
  })
}, 60_000)

afterEach(async () => {
  for (const example of running) example.kill('SIGKILL')
  await Promise.all([...running].map(({ exited }) => exited))
})

afterAll(async () => {
  await service.close()
  await database.stop()
  await rm(folder, { recursive: true, force: true })
})

function run(args: readonly string[], key = secret, url = service.url): Example {
  const child = spawn(process.execPath, args, {
    cwd: repository,
    env: { ...process.env, TIDEMARK_URL: url, TIDEMARK_API_KEY: key },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
  const example: Example = {
    output: () => output,
    kill: (signal) => void child.kill(signal),
    exited: new Promise((done) => {
      child.once('close', (code, signal) => {
        running.delete(example)
        done({ code, signal })
      })
    }),
  }
  running.add(example)
  return example
}

const save = (count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => service.manager.saveSnapshot(documentReport)))

describe('examples/reporter.mjs', () => {
  it('reports once and ends', async () => {
    const reporter = run(['examples/reporter.mjs', '--once'])
    expect(await reporter.exited).toEqual({ code: 0, signal: null })
    const id = /stored (\S+),/.exec(reporter.output())?.[1]
    expect(await database.query(`select id from tidemark."BalanceSnapshot"`)).toEqual([{ id }])
  })

  it('ends cleanly on Ctrl-C', async () => {
    const reporter = run(['examples/reporter.mjs'])
    await until('it has reported', () => reporter.output().includes('stored'))
    reporter.kill('SIGINT')
    expect(await reporter.exited).toEqual({ code: 0, signal: null })
  })

  it('says that its key is refused, and ends with a failure', async () => {
    const reporter = run(['examples/reporter.mjs', '--once'], 'a-wrong-secret')
    expect(await reporter.exited).toEqual({ code: 1, signal: null })
    expect(reporter.output()).toContain('unauthorized')
  })
})

describe('examples/viewer.mjs', () => {
  it('goes on where it stopped, and ends cleanly on Ctrl-C', async () => {
    const place = join(folder, 'place.json')
    const first = run(['examples/viewer.mjs', place])
    await until('it is live', () => first.output().includes('live'))
    await save(3)
    await until('it has seen all', () => seen(first).length === 3)
    first.kill('SIGINT')
    expect(await first.exited).toEqual({ code: 0, signal: null })
    const last = seen(first).at(-1) ?? 0
    expect(JSON.parse(await readFile(place, 'utf8'))).toMatchObject({ seq: String(last) })

    await save(4)
    const second = run(['examples/viewer.mjs', place])
    await until('it has seen all', () => seen(second).length === 4)
    second.kill('SIGINT')
    await second.exited
    expect([...seen(first), ...seen(second)]).toEqual(Array.from({ length: 7 }, (_, index) => last - 2 + index))
  })
})

describe('examples/balance-client.js', () => {
  it('keeps a report that the service has no time for, and sends it later', async () => {
    const slow = await startService(database, {
      server: { apiKeys: [{ name: 'slow', scopes: ['read', 'write'], secretSha256 }], snapshotsPerSecond: 1 },
    })
    try {
      const headers = { authorization: `Bearer ${secret}` }
      const report = (): Promise<JsonAnswer> => postJson(`${slow.url}/api/balance/snapshot`, documentReport, headers)
      const client = run(['examples/balance-client.js', '--once'], secret, slow.url)
      // Others with its key leave no room for it until then.
      await until('it is told to wait', async () => {
        await Promise.all([report(), report(), report()])
        return client.output().includes('rate_limited')
      })
      expect(await client.exited).toEqual({ code: 0, signal: null })
    } finally {
      await slow.close()
    }
  })

  it('ends when its key is revoked, rather than gather reports that nobody takes', async () => {
    const key = 'the-secret-of-the-examples-0002'
    await service.manager.apiKeys.add({
      name: 'revoked',
      scopes: ['read', 'write'],
      secretSha256: createHash('sha256').update(key).digest('hex'),
    })
    const headers = { authorization: `Bearer ${key}` }
    await until('its key counts', async () => (await getJson(`${service.url}/api/chains`, { headers })).status === 200)
    const client = run(['examples/balance-client.js'], key)
    await until('it is let in', () => client.output().includes('Connected'))
    await service.manager.apiKeys.revoke('revoked')
    expect(await client.exited).toEqual({ code: 1, signal: null })
    expect(client.output()).toContain('unauthorized')
  })
})

describe('docs/reference/client.md', () => {
  it('has examples that work, one after the other', async () => {
    const text = await readFile(join(repository, 'docs/reference/client.md'), 'utf8')
    const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block ?? '')
    expect(blocks).toHaveLength(6)
    const program = [...blocks, 'await client.close()']
      .join('\n')
      .replace("'tidemark/client'", "'./dist/client/index.js'")
      .replace("'http://localhost:3000'", 'process.env.TIDEMARK_URL')
    const docs = run(['--input-type=module', '-e', program])
    expect(await docs.exited).toEqual({ code: 0, signal: null })
    const id = /^([0-9a-f-]{36}) \d{4}-/m.exec(docs.output())?.[1]
    expect(await database.query(`select 1 from tidemark."BalanceSnapshot" where id = '${id}'`)).toHaveLength(1)
  })
})

describe('a closed client', () => {
  it('lets its process end, whatever it was doing', async () => {
    const program = `
      const { createClient } = await import('./dist/client/index.js')
      const away = createClient({ url: 'http://127.0.0.1:1', retryFirstMs: 50 })
      const there = createClient({ url: process.env.TIDEMARK_URL, apiKey: process.env.TIDEMARK_API_KEY })
      const parts = [away.live(), away.reporter(), there.live(), there.reporter()]
      const report = parts[1].report({ onchain: { a: 1 }, onsite: { a: 1 } }).catch((error) => error.code)
      while (parts.filter(({ state }) => state === 'live').length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
      console.log(parts.map(({ state }) => state).join(' '))
      await Promise.all([away.close({ flushMs: 50 }), there.close()])
      console.log('closed', await report)`
    const child = run(['--input-type=module', '-e', program])
    await until('it is closed', () => child.output().includes('closed closed'))
    const closedAtMs = performance.now()
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - closedAtMs).toBeLessThan(3000)
    expect(child.output()).toMatch(/^(offline|connecting) (offline|connecting) live live$/m)
  })
})

describe('in a browser', () => {
  it('works on the build of socket.io-client for browsers, without anything that only Node has', async () => {
    const program = `
      import { register } from 'node:module'
      const browserBuild = new URL('./node_modules/socket.io-client/dist/socket.io.esm.min.js', 'file://' + process.cwd() + '/')
      register('data:text/javascript,' + encodeURIComponent(
        'export const resolve = (specifier, context, next) => specifier === "socket.io-client"' +
        ' ? { url: "' + browserBuild.href + '", format: "module", shortCircuit: true } : next(specifier, context)'))
      const { TIDEMARK_URL: url, TIDEMARK_API_KEY: apiKey } = process.env
      const { href } = new URL('./dist/client/index.js', 'file://' + process.cwd() + '/')
      // Node's own fetch and WebSocket need these; nobody else gets them.
      for (const name of ['process', 'Buffer', 'global', 'setImmediate', 'clearImmediate']) {
        const value = globalThis[name]
        const isOfNode = () => / \\(?node:/.test(new Error().stack.split('\\n')[3] ?? '')
        Object.defineProperty(globalThis, name, { get: () => (isOfNode() ? value : undefined) })
      }
      const { createClient } = await import(href)
      const client = createClient({ url, apiKey, transports: ['websocket'] })
      const live = client.live()
      await new Promise((resolve) => live.on('state', ({ state }) => state === 'live' && resolve()))
      const pushed = new Promise((resolve) => live.on('balance:snapshot', resolve))
      const { id } = await client.reporter().report({ onchain: { a: 1 }, onsite: { a: 1n } })
      const listed = await client.listSnapshots({ limit: 1 })
      console.log('stored', id === (await pushed).id, id === listed.data.snapshots[0].id, typeof process, typeof Buffer)
      await client.close()`
    const child = run(['--experimental-websocket', '--no-warnings', '--input-type=module', '-e', program])
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(child.output().trim()).toBe('stored true true undefined undefined')
  })
})

/** Places of the snapshots that a viewer has shown. */
function seen(viewer: Example): number[] {
  return [...viewer.output().matchAll(/^(\d+) reported/gm)].map(([, seq]) => Number(seq))
}
