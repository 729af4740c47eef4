import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import {
  Collected,
  documentReport,
  getJson,
  nextEvent,
  postJson,
  startDatabase,
  startService,
} from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

let database: TestDatabase
let service: Service
let api: string

beforeAll(async () => {
  database = await startDatabase()
  service = await startService(database)
  api = `${service.url}/api/balance/snapshot`
}, 60_000)

afterAll(async () => {
  await service.close()
  await database.stop()
})

describe('snapshots over REST', () => {
  it('S1, S2: saves the documented body and answers with exactly the documented object', async () => {
    const { status, body } = await postJson(api, documentReport)
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      message: 'Balance snapshot saved successfully',
      data: {
        id: expect.stringMatching(uuid),
        timestamp: '2025-11-07T00:45:08.603Z',
        onchain: documentReport.onchain,
        onsite: documentReport.onsite,
      },
    })
  })

  it('S2: echoes decimal strings as they were sent, beyond what a double can hold', async () => {
    const onchain = { wei: '123456789012345678901234567890.000000000000000001', zero: 0, text: '0' }
    const { body } = await postJson(api, { onchain, onsite: { usd: 0.1 } })
    expect(body['data']).toMatchObject({ onchain, onsite: { usd: 0.1 } })
  })

  it('S3: lists the newest first, with a limit of 100 and an offset of 0 when not told', async () => {
    const before = (await database.query('select count(*)::int as count from tidemark."BalanceSnapshot"'))[0]?.[
      'count'
    ] as number
    await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        service.manager.saveSnapshot({
          ts: new Date(Date.UTC(2026, 0, 1) + index).toISOString(),
          onchain: { n: index },
          onsite: { n: index },
        }),
      ),
    )
    const first = await getJson(api)
    const data = first.body['data'] as { snapshots: { ts: string; id: string }[]; pagination: Record<string, unknown> }
    expect(first.body['success']).toBe(true)
    expect(data.snapshots).toHaveLength(100)
    expect(data.pagination).toEqual({ total: before + 120, limit: 100, offset: 0, hasMore: true })
    expect(data.snapshots.map(({ ts }) => ts)).toEqual(
      data.snapshots
        .map(({ ts }) => ts)
        .toSorted()
        .toReversed(),
    )

    const second = await getJson(`${api}?limit=100&offset=100`)
    const rest = second.body['data'] as typeof data
    expect(rest.pagination).toEqual({ total: before + 120, limit: 100, offset: 100, hasMore: false })
    expect(new Set([...data.snapshots, ...rest.snapshots].map(({ id }) => id)).size).toBe(before + 120)
  })

  it('S3: pages by before, and by from and to', async () => {
    const { body } = await getJson(`${api}?limit=2&from=2026-01-01T00:00:00.000Z&to=2026-01-01T00:00:00.009Z`)
    const data = body['data'] as { snapshots: { id: string; onchain: unknown }[]; pagination: Record<string, unknown> }
    expect(data.pagination).toEqual({ total: 10, limit: 2, offset: 0, hasMore: true })
    expect(data.snapshots.map(({ onchain }) => onchain)).toEqual([{ n: 9 }, { n: 8 }])
    const next = await getJson(`${api}?limit=1&before=${data.snapshots[1]?.id}`)
    expect((next.body['data'] as typeof data).snapshots[0]?.onchain).toEqual({ n: 7 })
  })

  it('S13, S14: takes the server time and leaves pid out when they are not sent', async () => {
    const before = Date.now()
    const { body } = await postJson(api, { onchain: { a: 1 }, onsite: { a: 1 } })
    const { timestamp, id } = body['data'] as { timestamp: string; id: string }
    expect(timestamp).toMatch(isoTime)
    expect(Date.parse(timestamp)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(timestamp)).toBeLessThanOrEqual(Date.now())
    const list = (await getJson(`${api}?limit=5`)).body['data'] as { snapshots: { id: string }[] }
    expect(Object.keys(list.snapshots.find((snapshot) => snapshot.id === id) ?? {})).toEqual([
      'id',
      'ts',
      'onchain',
      'onsite',
    ])
  })

  it('S13: takes times with any offset and tells them in UTC', async () => {
    const { body } = await postJson(api, { ...documentReport, ts: '2025-11-07T02:45:08.603+02:00' })
    expect(body['data']).toMatchObject({ timestamp: '2025-11-07T00:45:08.603Z' })
  })

  it('gives the first snapshot again for a repeated Idempotency-Key, and 409 for another body', async () => {
    const first = await postJson(api, documentReport, { 'idempotency-key': 'rest-1' })
    const again = await postJson(api, documentReport, { 'idempotency-key': 'rest-1' })
    expect(again.body).toEqual(first.body)
    const other = await postJson(api, { ...documentReport, pid: 7 }, { 'idempotency-key': 'rest-1' })
    expect(other.status).toBe(409)
    expect(other.body).toMatchObject({
      success: false,
      code: 'idempotency_conflict',
      details: { id: (first.body['data'] as { id: string }).id },
    })
  })
})

describe.each([['websocket'], ['polling']])('snapshots over Socket.IO by %s', (transport) => {
  it('S4, S5: greets each connection at /api/socket.io', async () => {
    const socket = service.connect({ transports: [transport] })
    const connected = await nextEvent(socket, 'connected')
    expect(connected).toEqual({
      message: 'Connected to balance snapshot server',
      socketId: socket.id,
      timestamp: expect.stringMatching(isoTime),
      seq: expect.any(Number),
      log: expect.stringMatching(uuid),
    })
  })

  it('S6, S7, S9, S17: saves a balance:update, acknowledges it to its sender and sends it to everybody', async () => {
    const [sender, viewer] = [service.connect({ transports: [transport] }), service.connect()]
    await Promise.all([nextEvent(sender, 'connected'), nextEvent(viewer, 'connected')])
    const foreignAcks = new Collected(viewer, 'balance:ack')
    const pushed = Promise.all([nextEvent(sender, 'balance:snapshot'), nextEvent(viewer, 'balance:snapshot')])
    sender.emit('balance:update', documentReport)
    const ack = await nextEvent(sender, 'balance:ack')
    expect(ack).toEqual({ success: true, id: expect.stringMatching(uuid), timestamp: '2025-11-07T00:45:08.603Z' })
    const expected = { id: ack['id'], ...documentReport, seq: expect.any(Number) }
    expect(await pushed).toEqual([expected, expected])
    expect(
      await database.query(
        `select pid::int as pid, onchain, onsite from tidemark."BalanceSnapshot" where id = '${String(ack['id'])}'`,
      ),
    ).toEqual([{ pid: documentReport.pid, onchain: documentReport.onchain, onsite: documentReport.onsite }])
    expect(foreignAcks.items).toEqual([])
  })

  it('S9: sends a snapshot that came over REST too, without a pid it did not have', async () => {
    const socket = service.connect({ transports: [transport] })
    await nextEvent(socket, 'connected')
    const pushed = nextEvent(socket, 'balance:snapshot')
    const { body } = await postJson(api, { ts: documentReport.ts, onchain: { a: '1.50' }, onsite: { a: 2 } })
    expect(await pushed).toEqual({
      id: (body['data'] as { id: string }).id,
      ts: documentReport.ts,
      onchain: { a: '1.50' },
      onsite: { a: 2 },
      seq: expect.any(Number),
    })
  })

  it('S7, S8: gives an acknowledgement callback the same object as the event', async () => {
    const socket = service.connect({ transports: [transport] })
    const acked = nextEvent(socket, 'balance:ack')
    expect(await socket.emitWithAck('balance:update', documentReport)).toEqual(await acked)
    const refused = nextEvent(socket, 'balance:error')
    expect(await socket.emitWithAck('balance:update', { onchain: {}, onsite: { a: 1 } })).toEqual(await refused)
    expect(await refused).toEqual({
      success: false,
      error: 'onchain: expected at least one asset',
      code: 'invalid_snapshot',
      details: [{ path: 'onchain', message: 'expected at least one asset' }],
    })
  })

  it('takes a repeated id once, and broadcasts it once', async () => {
    const socket = service.connect({ transports: [transport] })
    await nextEvent(socket, 'connected')
    const pushed = new Collected(socket, 'balance:snapshot')
    const mark = async (asset: string): Promise<void> => {
      await socket.emitWithAck('balance:update', { onchain: { [asset]: 1 }, onsite: { [asset]: 1 } })
      while (!pushed.items.some((item) => JSON.stringify(item['onchain']) === `{"${asset}":1}`))
        await nextEvent(socket, 'balance:snapshot')
    }
    // Events come in order: nothing of an earlier test comes after the first mark, nothing of this one after the second.
    await mark('before')
    const before = pushed.items.length
    const update = { ...documentReport, id: `retry-${transport}` }
    const answers: Record<string, unknown>[] = await Promise.all(
      Array.from({ length: 20 }, () => socket.emitWithAck('balance:update', update)),
    )
    expect(new Set(answers.map((answer) => answer['id'])).size).toBe(1)
    expect(await socket.emitWithAck('balance:update', { ...update, pid: 1 })).toMatchObject({
      success: false,
      code: 'idempotency_conflict',
    })
    await mark('after')
    expect(pushed.items.slice(before)).toHaveLength(2)
  })

  it('S10: answers ping by pong with a timestamp, and by the acknowledgement when asked', async () => {
    const socket = service.connect({ transports: [transport] })
    const pong = nextEvent(socket, 'pong')
    socket.emit('ping')
    expect(await pong).toEqual({ timestamp: expect.stringMatching(isoTime) })
    expect(await socket.emitWithAck('ping')).toEqual({ timestamp: expect.stringMatching(isoTime) })
  })
})

describe('the connection itself', () => {
  it.each(['/api/socket.io/', '/api/socket.io'])('S4, S11: announces a heartbeat of 25 seconds at %s', async (path) => {
    const raw = new WebSocket(`${service.url.replace('http', 'ws')}${path}?EIO=4&transport=websocket`)
    const packet = await new Promise<string>((resolve, reject) => {
      raw.once('message', (data) => resolve(String(data)))
      raw.once('error', reject)
    })
    raw.terminate()
    expect(JSON.parse(packet.slice(1))).toMatchObject({ pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 65_536 })
  })

  it('refuses a client of the third protocol, whose ping would never arrive', async () => {
    const { status, body } = await getJson(`${service.url}/api/socket.io/?EIO=3&transport=polling`)
    expect([status, body]).toEqual([400, { code: 5, message: 'Unsupported protocol version' }])
  })
})

describe('clients of the document', () => {
  it('S16: the quick-start client works as it stands', async () => {
    const text = await readFile(new URL('quick-start.txt', import.meta.url), 'utf8')
    const source = text.replace('http://localhost:3000', service.url)
    const child = spawn(process.execPath, ['--input-type=commonjs', '-e', source], {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const wanted = new Set(['Connected!', 'Balance saved:', 'New snapshot received:'])
    for await (const line of createInterface({ input: child.stdout })) {
      for (const start of wanted) if (line.startsWith(start)) wanted.delete(start)
      if (wanted.size === 0) break
    }
    child.kill()
    expect([...wanted]).toEqual([])
  })

  it('S16: examples/balance-client.js reports once and ends', async () => {
    const child = spawn(process.execPath, ['examples/balance-client.js', '--once'], {
      cwd: repository,
      env: { ...process.env, TIDEMARK_URL: service.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code).toBe(0)
    expect(output).toContain('Connected to balance snapshot server')
    expect(output).toContain('success: true')
  })

  it('S16: examples/balance-client.js ends cleanly on Ctrl-C', async () => {
    const child = spawn(process.execPath, ['examples/balance-client.js'], {
      cwd: repository,
      env: { ...process.env, TIDEMARK_URL: service.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('Connected to')) break
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve([code, signal])))
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  })
})
