import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'

import pg from 'pg'
import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { wireErrorSchema } from '../../src/api/error-answer.js'
import { buildOpenApi } from '../../src/api/openapi.js'
import { routes } from '../../src/api/routes.js'
import { socketEvents } from '../../src/api/socket-events.js'
import { runService, temporaryFolder } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const SOLVER = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
const KEY_CANARY = 'keycanary-0123456789abcdef'
const PASSWORD_CANARY = 'passwordcanary0123456789'
/** Header names that proxies and frameworks act on. */
const HEADERS = [
  'referer',
  'user-agent',
  'idempotency-key',
  'x-forwarded-for',
  'x-forwarded-host',
  'forwarded',
  'x-request-id',
  'x-original-url',
  'x-http-method-override',
  'accept',
  'if-none-match',
  'cookie',
  'x-webhook-url',
]
const FIELDS = [
  'url',
  'webhook',
  'callback',
  'callbackUrl',
  'endpoint',
  'rpcUrl',
  'redirect',
  'image',
  '__proto__',
  'constructor',
  '$where',
]

interface Answer {
  readonly what: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

let folder: string
let database: TestDatabase
let listener: Server
let visits = 0
let service: ServiceProcess
let url: string
let hostileTexts: readonly string[]
let schemaBefore: unknown
const answers: Answer[] = []
const socketAnswers: unknown[] = []
const pushed: unknown[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  database = await createTestDatabase()
  listener = createServer((socket) => {
    visits += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  hostileTexts = [
    `http://127.0.0.1:${port}/canary`,
    `//127.0.0.1:${port}`,
    `127.0.0.1:${port}`,
    `postgres://127.0.0.1:${port}/x`,
    "'; drop table tidemark.event_log; --",
    '$1" or 1=1',
    '{"$ne":null}',
    '__proto__',
    '<img src=x onerror=alert(1)>',
    'a\r\nset-cookie: hostile=1\r\n\r\n{"level":"forged"}',
    '\u001b[2J\u001b]0;hostile\u0007',
    '\u202Egnp.exe\u2028\u0000',
    '../../../../etc/passwd',
    '%s%n${jndi:ldap://127.0.0.1}',
  ]
  const address = new URL(database.url)
  address.password = PASSWORD_CANARY
  service = runService({
    cwd: folder,
    env: {
      DATABASE_URL: address.href,
      API_KEYS: `all:admin:${KEY_CANARY}`,
      LOG_LEVEL: 'debug',
      CHAIN_1_RPC_URL: 'http://127.0.0.1:1',
    },
  })
  url = await service.ready()
  const viewer = openSocket({ token: KEY_CANARY })
  viewer.onAny((...event: unknown[]) => pushed.push(event))
  await new Promise<void>((resolve) => viewer.once('connected', () => resolve()))
  schemaBefore = await describeSchema()
  await attackRoutes()
  await attackSockets()
  await attackBytes()
}, 120_000)

afterAll(async () => {
  for (const socket of sockets) socket.disconnect()
  listener.close()
  service.kill('SIGKILL')
  await service.exited()
  await rm(folder, { recursive: true, force: true })
})

const authorization = { authorization: `Bearer ${KEY_CANARY}` }

async function withDatabase(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(database.address)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Every table, column and function of ours. */
function describeSchema(): Promise<unknown> {
  return withDatabase(`
    select table_name, column_name, data_type from information_schema.columns where table_schema = 'tidemark'
    union all select routine_name, 'function', data_type from information_schema.routines where routine_schema = 'tidemark'
    order by 1, 2`)
}

async function ask(
  path: string,
  init: RequestInit & { readonly headers?: Record<string, string> } = {},
): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    redirect: 'manual',
    ...init,
    headers: { ...authorization, ...init.headers },
  })
  const what = `${init.method ?? 'GET'} ${path} ${typeof init.body === 'string' ? init.body : ''}`
  answers.push({ what, status: response.status, headers: response.headers, text: await response.text() })
}

/** The names of a route's parameters, as its own document has them. */
function parametersOf(method: string, path: string): readonly string[] {
  const document = JSON.parse(JSON.stringify(buildOpenApi({ version: '0' }))) as {
    paths: Record<string, Record<string, { parameters?: { in: string; name: string }[] }>>
  }
  const operation = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
  return (operation?.parameters ?? []).filter((parameter) => parameter.in === 'query').map(({ name }) => name)
}

const goodValues: Readonly<Record<string, string>> = { chainId: '1', token: 'native', solver: SOLVER, address: SOLVER }
const fill = (path: string, values: Readonly<Record<string, string>>): string =>
  path.replaceAll(/:(\w+)/g, (_match, name: string) => encodeURIComponent(values[name] ?? name))

/** @param fields names beside those that are known, where an address might be called */
function bodiesWith(text: string, fields: readonly string[]): unknown[] {
  const book = { a: 1 }
  return [
    text,
    { [text]: text },
    { onchain: { [text]: 1 }, onsite: book },
    { onchain: { a: text }, onsite: { a: { $ne: text } } },
    { onchain: book, onsite: book, ts: text, pid: text },
    { onchain: book, onsite: book, pid: { $gt: text } },
    { address: text, label: text },
    { address: SOLVER, label: text },
    { tokens: [text] },
    ...fields.map((field) => ({ onchain: book, onsite: book, [field]: text })),
  ]
}

/** Every hostile text in every path parameter, query parameter, header and body of every route. */
async function attackRoutes(): Promise<void> {
  for (const { method, path } of routes) {
    const good = fill(path, goodValues)
    for (const [index, text] of hostileTexts.entries()) {
      const requests = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) =>
        ask(fill(path, { ...goodValues, [name]: text }), { method }),
      )
      // Addresses also under names that might be taken for one to call.
      const fields = index === 0 ? FIELDS : []
      const names = [...parametersOf(method, path), ...fields]
      if (method === 'GET') {
        for (const name of names) requests.push(ask(`${good}?${encodeURIComponent(name)}=${encodeURIComponent(text)}`))
      }
      // What no header may hold is sent in another test, byte by byte.
      const sendable = text.replaceAll(/[^\u0020-\u007E]/g, '')
      requests.push(ask(good, { method, headers: Object.fromEntries(HEADERS.map((name) => [name, sendable])) }))
      for (const body of method === 'POST' ? bodiesWith(text, fields) : []) {
        requests.push(
          ask(good, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        )
      }
      await Promise.all(requests)
    }
  }
}

function openSocket(auth: Record<string, unknown>, options: Record<string, unknown> = {}): Socket {
  const socket = io(url, {
    path: '/api/socket.io',
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    auth,
    ...options,
  })
  sockets.push(socket)
  return socket
}

/** Every hostile text in the handshake and in the payload of every event. */
async function attackSockets(): Promise<void> {
  const socket = openSocket({ token: KEY_CANARY })
  await new Promise<void>((resolve) => socket.once('connected', () => resolve()))
  for (const text of hostileTexts) {
    for (const auth of [{ token: text }, { token: KEY_CANARY, since: text }, { token: KEY_CANARY, log: text }]) {
      const other = openSocket(auth, { extraHeaders: { 'x-forwarded-for': text.replaceAll(/[^\u0020-\u007E]/g, '') } })
      await new Promise<void>((resolve) => {
        other.once('connected', () => resolve())
        other.once('connect_error', (error: Error) => {
          socketAnswers.push([error.message, Reflect.get(error, 'data')])
          resolve()
        })
      })
      other.disconnect()
    }
    for (const { name } of socketEvents.filter(({ from }) => from === 'client')) {
      const bodies = [
        ...bodiesWith(text, text.startsWith('http') ? FIELDS : []),
        { id: text, onchain: { a: 1 }, onsite: { a: 1 } },
      ]
      socketAnswers.push(...(await Promise.all(bodies.map((body) => socket.emitWithAck(name, body)))))
    }
    socket.emit(text, { [text]: text })
  }
}

/** What `fetch` refuses to send. */
async function attackBytes(): Promise<void> {
  const lines = [
    'GET /api/chains\u001b[2J HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET /api/chains HTTP/1.1\r\nhost: a\u001b[2J\r\nx: \u001b]0;hostile\u0007\r\n\r\n',
    `GET /api/chains HTTP/1.1\r\nhost: a\r\nuser-agent: x\n{"level":"forged"}\r\n\r\n`,
    `GET /%0d%0a{"level":"forged"} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
    `\u001b[2J{"level":"forged"}\r\n\r\n`,
  ]
  for (const bytes of lines) {
    await new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end(bytes))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.resume()
    })
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const logLines = (): readonly string[] => service.log().split('\n').slice(0, -1)

describe('callers who send whatever they like to every route and event', () => {
  it('are answered by the service that goes on, in the documented form, and never by a failure of its own', () => {
    expect(answers.length).toBeGreaterThan(routes.length * hostileTexts.length)
    // Nothing was kept from the handlers by a limit.
    expect(answers.filter(({ status }) => status === 429)).toEqual([])
    expect(answers.filter(({ status }) => status >= 500).map(({ what, text }) => [what, text])).toEqual([])
    for (const { what, status, text } of answers.filter((answer) => answer.status >= 400)) {
      expect(wireErrorSchema.safeParse(JSON.parse(text)).success, `${what} ${status} ${text}`).toBe(true)
    }
    expect(logLines().filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
    expect(service.child.exitCode).toBeNull()
  })

  it('never make the service connect to an address that they name', async () => {
    expect(visits).toBe(0)
    // The listener would have noticed.
    await fetch(hostileTexts[0] ?? '').catch(() => undefined)
    expect(visits).toBeGreaterThan(0)
    visits = 0
  })

  it('reach the database as values only, and no other object through a name', async () => {
    expect(await describeSchema()).toEqual(schemaBefore)
    const rows = async (sql: string): Promise<readonly Record<string, unknown>[]> => withDatabase(sql)
    // The log is whole: as many events as its counter says.
    expect(
      await rows('select (select seq from tidemark.event_log) - (select count(*) from tidemark.event) as missing'),
    ).toEqual([{ missing: '0' }])
    // What may be a label is one, letter by letter.
    for (const label of hostileTexts.filter((text) => !/\p{Cc}/u.test(text) && text.length <= 64)) {
      const body = JSON.stringify({ address: SOLVER, label })
      await ask('/api/solvers', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      expect(await rows('select label from tidemark.solver')).toEqual([{ label }])
    }
    // An object that was polluted would show in each answer.
    const answer = await fetch(`${url}/api/balance/snapshot?limit=1`, { headers: authorization })
    const { success, data, ...others } = (await answer.json()) as { success: boolean; data: Record<string, unknown> }
    expect([success, Object.keys(data), others]).toEqual([true, ['snapshots', 'pagination'], {}])
  })

  it('get no stack, statement, path or secret in an error', () => {
    const told = [
      ...answers.filter(({ status }) => status >= 400).map(({ text }) => text),
      ...socketAnswers.filter(isRefusal).map((answer) => JSON.stringify(answer)),
    ]
    expect(told.length).toBeGreaterThan(500)
    const inner =
      /\bat \S+ \(|\bat file:|node_modules|\.[jt]s:\d|tidemark\.event|select |insert into|syntax error|ECONN|postgres|\/(work|home|usr|tmp)\//i
    const longestFirst = hostileTexts.toSorted((a, b) => b.length - a.length)
    // What the caller sent may come back to it, so that is taken out first.
    const own = told.map((text) =>
      longestFirst.reduce((rest, hostile) => rest.replaceAll(JSON.stringify(hostile).slice(1, -1), ''), text),
    )
    expect(own.filter((text) => inner.test(text))).toEqual([])
  })

  it('see their text come back as data only: as JSON that no browser takes for a page', () => {
    for (const { what, headers, text } of answers) {
      expect([what, headers.get('x-content-type-options')]).toEqual([what, 'nosniff'])
      expect(headers.get('content-security-policy'), what).toMatch(/default-src 'none'/)
      expect(headers.get('set-cookie')).toBeNull()
      if (headers.get('content-type')?.startsWith('application/json') !== true)
        expect(text).not.toMatch(/onerror=alert|hostile/)
    }
    expect(answers.some(({ text }) => text.includes('onerror=alert'))).toBe(true)
  })

  it('leave one JSON object in each line of the log, made by the service alone', () => {
    const lines = logLines()
    expect(lines.length).toBeGreaterThan(1000)
    for (const line of lines) {
      const entry: unknown = JSON.parse(line)
      expect(isRecord(entry) && typeof entry['level'] === 'string' && entry['level'] !== 'forged', line).toBe(true)
      expect(line).not.toMatch(/\p{Cc}/u)
    }
  })

  it('make no label of a metric', async () => {
    const text = await (await fetch(`${url}/metrics`, { headers: authorization })).text()
    const labels = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
    const patterns = new Set([...routes.map(({ path }) => path), 'unmatched'])
    const unexpected = labels.filter(([, name, value = '']) =>
      name === 'route' ? !patterns.has(value) && !value.startsWith('/docs/') : !/^[\w.+-]*$/.test(value),
    )
    expect(labels.filter(([, name]) => name === 'route').length).toBeGreaterThan(routes.length)
    expect(unexpected.map(([label]) => label)).toEqual([])
    for (const hostile of hostileTexts) expect(text).not.toContain(hostile)
  })

  it('find no route, namespace or file beside those of the table', async () => {
    const guesses = [
      '/admin',
      '/debug',
      '/debug/pprof',
      '/api/debug',
      '/api/admin',
      '/api/keys',
      '/status',
      '/server-status',
      '/actuator',
      '/api/socket.io/socket.io.js',
      '/.env',
      '/package.json',
      '/src/index.ts',
      '/docs/static/..%2f..%2fpackage.json',
      '/graphql',
      '/console',
    ]
    for (const path of guesses) {
      const response = await fetch(`${url}${path}`, { headers: authorization })
      await response.arrayBuffer()
      expect([path, response.status]).toEqual([path, response.status === 400 ? 400 : 404])
    }
    for (const namespace of ['/admin', '/debug', '/api']) {
      const socket = io(`${url}${namespace}`, {
        path: '/api/socket.io',
        transports: ['websocket'],
        reconnection: false,
        forceNew: true,
        auth: { token: KEY_CANARY },
      })
      sockets.push(socket)
      expect(
        await new Promise((resolve) => socket.once('connect_error', (error: Error) => resolve(error.message))),
      ).toBe('Invalid namespace')
    }
  })

  it('never see a key of the API or the password of the database, not even when the database is gone', async () => {
    await database.drop()
    const before = answers.length
    for (const { method, path } of routes) {
      const body = method === 'POST' ? { body: JSON.stringify({ onchain: { a: 1 }, onsite: { a: 1 } }) } : {}
      await ask(fill(path, goodValues), {
        method,
        ...body,
        headers: method === 'POST' ? { 'content-type': 'application/json' } : {},
      })
    }
    expect(answers.slice(before).filter(({ status }) => status === 503).length).toBeGreaterThan(5)
    const everything = JSON.stringify([
      answers.map(({ text }) => text),
      socketAnswers,
      pushed,
      service.log(),
      service.stdout(),
    ])
    expect(everything).toContain('database')
    expect(pushed.length).toBeGreaterThan(1)
    for (const canary of [KEY_CANARY, PASSWORD_CANARY]) expect(everything).not.toContain(canary)
  })
})

function isRefusal(answer: unknown): boolean {
  return isRecord(answer) ? answer['success'] === false : Array.isArray(answer)
}
