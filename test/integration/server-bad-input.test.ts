import { request } from 'node:http'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import { wireErrorSchema } from '../../src/api/error-answer.js'
import { recordLog } from '../support/log-recorder.js'
import { longTimeoutMs, times } from '../support/long.js'
import { documentReport, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

const { logger, lines } = recordLog()

let database: TestDatabase
let service: Service
let api: string

beforeAll(async () => {
  database = await startDatabase()
  service = await startService(database, { logger })
  api = `${service.url}/api/balance/snapshot`
}, 60_000)

afterAll(async () => {
  await service.close()
  await database.stop()
  // Nothing that a caller sent may have been unexpected.
  expect(lines.filter(({ level }) => level === 'error')).toEqual([])
})

async function storedSnapshots(): Promise<unknown> {
  return (await database.query('select count(*)::int as count from tidemark."BalanceSnapshot"'))[0]?.['count']
}

const book = { a: 1 }
const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** JSON text of a report, the path that must be named, and what must be said of it. */
const badReports: readonly (readonly [name: string, json: string, path: string, message: RegExp])[] = [
  ['null', 'null', '', /expected/],
  ['a list', '[]', '', /expected/],
  ['a text', '"report"', '', /expected/],
  ['a number', '5', '', /expected/],
  ['an empty object', '{}', 'onchain', /expected/],
  ['no onsite', '{"onchain":{"a":1}}', 'onsite', /expected/],
  ['an empty book', '{"onchain":{},"onsite":{"a":1}}', 'onchain', /at least one asset/],
  ['a book that is a list', '{"onchain":[1],"onsite":{"a":1}}', 'onchain', /expected/],
  ['a book that is null', '{"onchain":null,"onsite":{"a":1}}', 'onchain', /expected/],
  ['an unknown field', '{"onchain":{"a":1},"onsite":{"a":1},"extra":1}', 'extra', /unknown/],
  ['a negative amount', '{"onchain":{"a":-1},"onsite":{"a":1}}', 'onchain.a', /non-negative/],
  ['a negative zero', '{"onchain":{"a":-0.0},"onsite":{"a":1}}', 'onchain.a', /non-negative/],
  ['an infinite amount', '{"onchain":{"a":1e999},"onsite":{"a":1}}', 'onchain.a', /finite/],
  ['a negative text', '{"onchain":{"a":"-1"},"onsite":{"a":1}}', 'onchain.a', /decimal string/],
  ['an exponent in text', '{"onchain":{"a":"1e5"},"onsite":{"a":1}}', 'onchain.a', /decimal string/],
  ['a hexadecimal text', '{"onchain":{"a":"0x10"},"onsite":{"a":1}}', 'onchain.a', /decimal string/],
  ['a word for an amount', '{"onchain":{"a":"NaN"},"onsite":{"a":1}}', 'onchain.a', /decimal string/],
  ['an empty text', '{"onchain":{"a":""},"onsite":{"a":1}}', 'onchain.a', /decimal string/],
  ['79 digits', `{"onchain":{"a":"${'9'.repeat(79)}"},"onsite":{"a":1}}`, 'onchain.a', /decimal string/],
  [
    'an integer no double can hold',
    '{"onchain":{"a":9007199254740993},"onsite":{"a":1}}',
    'onchain.a',
    /decimal string/,
  ],
  ['an amount that is null', '{"onchain":{"a":null},"onsite":{"a":1}}', 'onchain.a', /expected/],
  ['an amount that is true', '{"onchain":{"a":true},"onsite":{"a":1}}', 'onchain.a', /expected/],
  ['an amount that is an object', '{"onchain":{"a":{"$ne":0}},"onsite":{"a":1}}', 'onchain.a', /expected/],
  ['nested lists', `{"onchain":{"a":${deep(8000)}},"onsite":{"a":1}}`, 'onchain.a', /expected/],
  ['an asset name with a space', '{"onchain":{"a b":1},"onsite":{"a":1}}', 'onchain.a b', /asset name/],
  ['an empty asset name', '{"onchain":{"":1},"onsite":{"a":1}}', 'onchain.', /asset name/],
  ['__proto__ as an asset', '{"onchain":{"__proto__":1},"onsite":{"a":1}}', 'onchain', /./],
  [
    '__proto__ with an object',
    '{"onchain":{"a":1,"__proto__":{"b":1}},"onsite":{"a":1}}',
    'onchain.__proto__',
    /not allowed/,
  ],
  ['__proto__ as a field', '{"__proto__":{"x":1},"onchain":{"a":1},"onsite":{"a":1}}', '__proto__', /not allowed/],
  [
    '65 assets',
    JSON.stringify({ onchain: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, 1])), onsite: book }),
    'onchain',
    /at most 64/,
  ],
  ['a time in words', '{"ts":"yesterday","onchain":{"a":1},"onsite":{"a":1}}', 'ts', /ISO 8601/],
  ['a time without a zone', '{"ts":"2025-11-07T00:45:08","onchain":{"a":1},"onsite":{"a":1}}', 'ts', /ISO 8601/],
  ['a time as a number', '{"ts":1762476308603,"onchain":{"a":1},"onsite":{"a":1}}', 'ts', /expected/],
  ['a time before 1970', '{"ts":"1969-12-31T23:59:59Z","onchain":{"a":1},"onsite":{"a":1}}', 'ts', /1970/],
  ['a time far in the future', '{"ts":"2999-01-01T00:00:00Z","onchain":{"a":1},"onsite":{"a":1}}', 'ts', /future/],
  ['a time that is null', '{"ts":null,"onchain":{"a":1},"onsite":{"a":1}}', 'ts', /expected/],
  ['the 30th of February', '{"ts":"2025-02-30T00:00:00Z","onchain":{"a":1},"onsite":{"a":1}}', 'ts', /ISO 8601/],
  ['a pid of 0', '{"pid":0,"onchain":{"a":1},"onsite":{"a":1}}', 'pid', /./],
  ['a negative pid', '{"pid":-5,"onchain":{"a":1},"onsite":{"a":1}}', 'pid', /./],
  ['a broken pid', '{"pid":1.5,"onchain":{"a":1},"onsite":{"a":1}}', 'pid', /integer/],
  ['a pid in text', '{"pid":"1","onchain":{"a":1},"onsite":{"a":1}}', 'pid', /integer/],
  ['a pid that is null', '{"pid":null,"onchain":{"a":1},"onsite":{"a":1}}', 'pid', /./],
]

describe('S8, S15: a report that is not acceptable is refused, and nothing is stored', () => {
  it.each(badReports)('over REST: %s', async (_name, json, path, message) => {
    const before = await storedSnapshots()
    const { status, body } = await postJson(api, json)
    expect(status).toBe(400)
    expectIssue(body, path, message)
    expect(await storedSnapshots()).toBe(before)
  })

  it.each(badReports)('over Socket.IO: %s', async (_name, json, path, message) => {
    const before = await storedSnapshots()
    // The frame is sent as it stands, since an object could not carry everything that JSON text can.
    const answer = await answerTo(`42["balance:update",${json}]`)
    expect(answer[0]).toBe('balance:error')
    expectIssue(answer[1], path, message)
    expect(await storedSnapshots()).toBe(before)
  })

  function expectIssue(body: Record<string, unknown>, path: string, message: RegExp): void {
    expect(wireErrorSchema.parse(body)).toMatchObject({ success: false, code: 'invalid_snapshot' })
    const issues = body['details'] as { path: string; message: string }[]
    expect(
      issues.some((issue) => issue.path.startsWith(path) && message.test(issue.message)),
      JSON.stringify(issues),
    ).toBe(true)
  }

  it.each([
    ['an empty key', ''],
    ['a key with a space', 'a b'],
    ['a key of 129 characters', 'k'.repeat(129)],
  ])('over REST and Socket.IO: %s', async (_name, key) => {
    expect(await postJson(api, documentReport, { 'idempotency-key': key })).toMatchObject({
      status: 400,
      body: { code: 'invalid_snapshot' },
    })
    const answer = await answerTo(`42["balance:update",${JSON.stringify({ ...documentReport, id: key })}]`)
    expect(answer).toMatchObject(['balance:error', { code: 'invalid_snapshot', details: [{ path: 'id' }] }])
  })

  it.each([['null'], ['5'], ['{}'], ['["a"]']])('over Socket.IO: the id %s', async (id) => {
    const answer = await answerTo(`42["balance:update",{"id":${id},"onchain":{"a":1},"onsite":{"a":1}}]`)
    expect(answer).toMatchObject(['balance:error', { code: 'invalid_snapshot', details: [{ path: 'id' }] }])
  })
})

describe('a body that is no JSON', () => {
  it.each([
    ['broken JSON', '{"onchain":', 'application/json', 400, 'invalid_json'],
    ['an empty body', '', 'application/json', 400, 'invalid_json'],
    ['NaN', '{"onchain":{"a":NaN}}', 'application/json', 400, 'invalid_json'],
    ['plain text', JSON.stringify(documentReport), 'text/plain', 415, 'unsupported_media_type'],
    ['a form', 'a=1', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    ['70 KB', JSON.stringify({ onchain: { a: '1'.repeat(70_000) } }), 'application/json', 413, 'body_too_large'],
  ])('%s is refused before anybody reads it as a report', async (_name, body, contentType, status, code) => {
    const answer = await getJson(api, { method: 'POST', headers: { 'content-type': contentType }, body })
    expect([answer.status, answer.body['code']]).toEqual([status, code])
    expect(wireErrorSchema.parse(answer.body).success).toBe(false)
  })

  it('a body in disguise is not unpacked', async () => {
    const body = gzipSync(JSON.stringify({ onchain: { a: '1'.repeat(50_000_000) }, onsite: book }))
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const answer = await getJson(api, { method: 'POST', headers, body })
    expect([answer.status, wireErrorSchema.parse(answer.body).code]).toEqual([400, 'invalid_json'])
  })

  it('no body at all', async () => {
    expect(await getJson(api, { method: 'POST' })).toMatchObject({ status: 400, body: { code: 'invalid_snapshot' } })
  })
})

const solver = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'
const position = `/api/balances/1/native/${solver}`

describe('a request that is not acceptable', () => {
  it.each([
    ['/api/balance/snapshot?limit=0', 'limit'],
    ['/api/balance/snapshot?limit=501', 'limit'],
    ['/api/balance/snapshot?limit=-1', 'limit'],
    ['/api/balance/snapshot?limit=1.5', 'limit'],
    ['/api/balance/snapshot?limit=1e2', 'limit'],
    ['/api/balance/snapshot?limit=', 'limit'],
    ['/api/balance/snapshot?limit=1;drop', 'limit'],
    ['/api/balance/snapshot?limit=1&limit=2', 'limit'],
    ['/api/balance/snapshot?offset=-1', 'offset'],
    ['/api/balance/snapshot?offset=9999999999', 'offset'],
    ['/api/balance/snapshot?offset=abc', 'offset'],
    ['/api/balance/snapshot?offset=1&offset=2', 'offset'],
    ['/api/balance/snapshot/series?asset=rlb', 'book'],
    ['/api/balance/snapshot/series?book=onchain', 'asset'],
    ['/api/balance/snapshot/series?book=seq&asset=rlb', 'book'],
    ["/api/balance/snapshot/series?book=onchain&asset=rlb';drop", 'asset'],
    ['/api/balance/snapshot/series?book=onchain&asset=rlb&asset=usd', 'asset'],
    ['/api/balance/snapshot/series?book=onchain&asset=rlb&points=1', 'points'],
    ['/api/balance/snapshot/series?book=onchain&asset=rlb&points=2001', 'points'],
    ['/api/balance/snapshot/series?book=onchain&asset=rlb&from=yesterday', 'from'],
    ['/api/balance/snapshot/series?book=onchain&asset=rlb&from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z', 'from'],
    ['/api/balance/snapshot?offset[$gt]=1', 'offset[$gt]'],
    ['/api/balance/snapshot?before=abc', 'before'],
    ['/api/balance/snapshot?before=00000000-0000-4000-8000-000000000000', 'before'],
    ['/api/balance/snapshot?from=yesterday', 'from'],
    ['/api/balance/snapshot?to=1', 'to'],
    ['/api/balance/snapshot?page=2', 'page'],
    ['/api/balance/snapshot?__proto__=1', '__proto__'],
    ['/api/chains?verbose=1', 'verbose'],
    ['/api/balances?chainId=0', 'chainId'],
    ['/api/balances?chainId=0x1', 'chainId'],
    ['/api/balances?chainId=1&chainId=2', 'chainId'],
    ['/api/balances?tokenAddress=usdc', 'tokenAddress'],
    ['/api/balances?solverAddress=0x123', 'solverAddress'],
    ['/api/balances?cursor=zzz', 'cursor'],
    ['/api/balances?cursor=a%00b', 'cursor'],
    [`${position}/history?cursor=YmFsYW5jZXM6MQ`, 'cursor'],
    [`${position}/history?fromBlock=latest`, 'fromBlock'],
    [`${position}/history?toBlock=-1`, 'toBlock'],
    [`${position}/history?from=2025`, 'from'],
    [`/api/balances/abc/native/${solver}`, 'chainId'],
    [`/api/balances/1/eth/${solver}`, 'token'],
    ['/api/balances/1/native/0x12', 'solver'],
    ['/api/chains/x/tokens', 'chainId'],
  ])('GET %s is 400 and names %s', async (path, name) => {
    const { status, body } = await getJson(`${service.url}${path}`)
    expect(status).toBe(400)
    expect(wireErrorSchema.parse(body)).toMatchObject({ code: 'invalid_request' })
    expect((body['details'] as { path: string }[]).map((issue) => issue.path)).toContain(name)
  })

  it.each([
    ['/api/solvers', '{}', 'address'],
    ['/api/solvers', '[]', ''],
    ['/api/solvers', 'null', ''],
    ['/api/solvers', '{"address":"0x1"}', 'address'],
    ['/api/solvers', `{"address":"${solver}","label":""}`, 'label'],
    ['/api/solvers', `{"address":"${solver}","label":"a\\u0000b"}`, 'label'],
    ['/api/solvers', `{"address":"${solver}","label":5}`, 'label'],
    ['/api/solvers', `{"address":"${solver}","admin":true}`, 'admin'],
    ['/api/solvers', `{"address":"${solver}","__proto__":{"label":"x"}}`, '__proto__'],
    ['/api/chains/1/tokens', '{"tokens":[]}', 'tokens'],
    ['/api/chains/1/tokens', '{"tokens":["native"]}', 'tokens.0'],
    ['/api/chains/1/tokens', '{"tokens":"0x"}', 'tokens'],
    ['/api/chains/1/tokens', `{"tokens":${JSON.stringify(Array.from({ length: 501 }, () => solver))}}`, 'tokens'],
  ])('POST %s with %s is 400 and names "%s"', async (path, body, name) => {
    const answer = await postJson(`${service.url}${path}`, body)
    expect(answer.status).toBe(400)
    expect(wireErrorSchema.parse(answer.body)).toMatchObject({ code: 'invalid_request' })
    expect((answer.body['details'] as { path: string }[]).map((issue) => issue.path)).toContain(name)
  })

  it.each([
    ['GET', '/api/nothing'],
    ['PUT', '/api/solvers'],
    ['GET', '/api/socketx'],
    ['GET', '/docs/static/nothing.js'],
  ])('%s %s is 404', async (method, path) => {
    expect(await getJson(`${service.url}${path}`, { method })).toMatchObject({
      status: 404,
      body: { success: false, code: 'not_found' },
    })
  })

  it.each([
    ['a broken escape', `/api/balances/1/native/%zz`],
    ['a parameter beyond the limit', `/api/solvers/${'a'.repeat(200)}`],
  ])('%s in the path is 400', async (_name, path) => {
    const method = path.startsWith('/api/solvers') ? 'DELETE' : 'GET'
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      request(service.url, { method, path }, (response) => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode, body }))
      })
        .on('error', reject)
        .end()
    })
    expect(answer.status).toBe(400)
    expect(wireErrorSchema.parse(JSON.parse(answer.body)).code).toBe('invalid_request')
  })

  it('bytes that are no HTTP are answered with the documented error', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(service.server.port, '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'))
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(wireErrorSchema.parse(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).code).toBe('invalid_request')
  })
})

describe('a body that never comes to its end', () => {
  // Node looks for such requests every 30 seconds.
  it.runIf(times(0, 1) === 1)('is given up, and the connection closed', { timeout: longTimeoutMs }, async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const head = 'POST /api/balance/snapshot HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
      const socket = connect(service.server.port, '127.0.0.1', () => socket.write(`${head}content-length: 9\r\n\r\n{`))
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  })
})

describe('a reporter that is gone before its answer', () => {
  it('loses the answer, not the snapshot', async () => {
    const key = 'gone-before-its-answer'
    const release = await database.holdSnapshots()
    const raw = await openRaw()
    raw.socket.send(`421["balance:update",${JSON.stringify({ ...documentReport, id: key })}]`)
    await database.waitUntilHeld()
    const closed = new Promise((resolve) => raw.socket.once('close', resolve))
    raw.socket.terminate()
    await closed
    await release()
    expect((await postJson(api, documentReport, { 'idempotency-key': key })).status).toBe(200)
    const rows = await database.query(
      `select count(*)::int as count from tidemark."BalanceSnapshot" where idempotency_key = '${key}'`,
    )
    expect(rows).toEqual([{ count: 1 }])
    const bystander = service.connect()
    await nextEvent(bystander, 'connected')
    expect(await bystander.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
  })
})

describe('hostile frames', () => {
  it.each([
    ['no payload', '42["balance:update"]'],
    ['no payload but an acknowledgement', '421["balance:update"]'],
    ['an object where the acknowledgement would be', '42["balance:update",{"onchain":{}},{"call":"me"}]'],
    ['8,000 nested lists', `42["balance:update",${deep(8000)}]`],
    ['8,000 nested lists under id', `42["balance:update",{"id":${deep(8000)},"onchain":{"a":1},"onsite":{"a":1}}]`],
    ['three payloads', '42["balance:update",1,2,3]'],
    ['a binary attachment', '451-["balance:update",{"_placeholder":true,"num":0}]'],
  ])('%s gets balance:error, and the connection lives', async (_name, frame) => {
    const raw = await openRaw()
    const answered = raw.next((name) => name === 'balance:error')
    raw.socket.send(frame)
    if (frame.startsWith('45')) raw.socket.send(Buffer.from([1, 2, 3]))
    expect(await answered).toMatchObject(['balance:error', { success: false, code: 'invalid_snapshot' }])
    const acked = raw.next((name) => name === 'balance:ack')
    raw.socket.send(`42["balance:update",${JSON.stringify(documentReport)}]`)
    expect(await acked).toMatchObject(['balance:ack', { success: true }])
    raw.socket.terminate()
  })

  it.each([
    ['broken JSON', '42{bad'],
    ['an event that is an object', '42[{}]'],
    ['another reserved event', '42["connect_error",{}]'],
    ['a reserved event', '42["disconnect"]'],
    ['an attachment that is announced but not sent', '451-["balance:update",{"_placeholder":true,"num":0}]42'],
    ['a million attachments', '451000000-["balance:update",{"_placeholder":true,"num":0}]'],
    ['more than 64 KB', `42["balance:update","${'x'.repeat(70_000)}"]`],
    ['an unknown packet type', '9'],
  ])('%s closes that connection only', async (_name, frame) => {
    const bystander = service.connect()
    await nextEvent(bystander, 'connected')
    const raw = await openRaw()
    const closed = new Promise((resolve) => raw.socket.once('close', resolve))
    raw.socket.send(frame)
    await closed
    expect(await bystander.emitWithAck('balance:update', documentReport)).toMatchObject({ success: true })
  })

  it.each([['error'], [1], ['toString'], ['__proto__'], ['balance:ack']])(
    'the event %s is passed over',
    async (name) => {
      const raw = await openRaw()
      raw.socket.send(`42[${JSON.stringify(name)},{"a":1}]`)
      const answered = raw.next((event) => event === 'pong' || event === 'closed')
      raw.socket.send('42["ping",{"a":1},5]')
      expect((await answered)[0]).toBe('pong')
      raw.socket.terminate()
    },
  )

  it('pollution does not reach other objects', () => {
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
    expect(({} as Record<string, unknown>)['label']).toBeUndefined()
  })
})

type RawEvent = readonly [name: string, payload: Record<string, unknown>]

interface RawClient {
  readonly socket: WebSocket
  next(wanted: (name: string) => boolean): Promise<RawEvent>
}

/** A Socket.IO connection spoken by hand, so that anything can be sent over it. */
async function openRaw(): Promise<RawClient> {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/api/socket.io/?EIO=4&transport=websocket`)
  const listeners = new Set<(event: RawEvent) => void>()
  socket.on('message', (data) => {
    const text = String(data)
    if (text.startsWith('0')) socket.send('40')
    if (text.startsWith('42')) for (const listener of listeners) listener(JSON.parse(text.slice(2)))
  })
  socket.on('close', () => {
    for (const listener of listeners) listener(['closed', {}])
  })
  socket.on('error', () => undefined)
  const next: RawClient['next'] = (wanted) =>
    new Promise((resolve) => {
      const listener = (event: RawEvent): void => {
        if (!wanted(event[0])) return
        listeners.delete(listener)
        resolve(event)
      }
      listeners.add(listener)
    })
  await next((name) => name === 'connected')
  return { socket, next }
}

/** The answer to one frame. */
async function answerTo(frame: string): Promise<RawEvent> {
  const raw = await openRaw()
  const answer = raw.next((name) => name === 'balance:error' || name === 'balance:ack' || name === 'closed')
  raw.socket.send(frame)
  const event = await answer
  raw.socket.terminate()
  return event
}
