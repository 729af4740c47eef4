import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { wireErrorSchema } from '../../src/api/error-answer.js'
import { wireBalanceRecordSchema } from '../../src/api/balance-wire.js'
import type { WireBalanceRecord } from '../../src/api/balance-wire.js'
import { createClient } from '../../src/client/index.js'
import type { TidemarkClient } from '../../src/client/index.js'
import { startCuttingProxy } from '../support/cutting-proxy.js'
import { until } from '../support/until.js'
import { chainId, solver, token } from './ledger-store-fixture.js'
import { collect, fillRecords, filledBalance, openRecords, watching } from './records-fixture.js'
import type { RecordsFixture } from './records-fixture.js'
import { getJson, startService } from './server-fixture.js'
import type { Service } from './server-fixture.js'

/** Records besides the first one: some 14 MB of lines. */
const COUNT = 20_000
const NEWEST = 10 + COUNT
/** Streams that the server answers at once. */
const STREAMS_MAX = 16

const path = `/api/balances/1/native/${solver}/history.ndjson`
const position = { chainId, token: 'native', solver }

let fixture: RecordsFixture
let service: Service
let client: TidemarkClient

beforeAll(async () => {
  fixture = await openRecords()
  await fixture.start({ native: 0n, erc20: 1n })
  await fillRecords(fixture, fixture.native, COUNT)
  service = await startService(fixture.testDatabase, watching)
  client = createClient({ url: service.url, retryFirstMs: 1 })
}, 120_000)

afterAll(async () => {
  await service.close()
  await fixture.close()
})

/** A connection that has asked for a stream; it may stop reading as soon as there is something. */
async function ask({ version = '1.1', stops = false } = {}): Promise<{
  readonly socket: Socket
  readonly text: () => string
}> {
  const socket = connect(service.server.port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (stops) socket.pause()
  })
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(`GET ${path} HTTP/${version}\r\nHost: localhost\r\n\r\n`)
  return { socket, text: () => text }
}

const freeSlots = async (): Promise<void> => {
  await until('the streams of others have ended', async () => {
    const controller = new AbortController()
    const answers = await Promise.all(
      Array.from({ length: STREAMS_MAX }, () => fetch(`${service.url}${path}`, { signal: controller.signal })),
    )
    controller.abort()
    return answers.every(({ status }) => status === 200)
  })
}

describe('a streamed history', () => {
  it('has every record, newest first, one to a line', async () => {
    const response = await fetch(`${service.url}${path}`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    const text = await response.text()
    expect(text.endsWith('\n')).toBe(true)
    const records = text
      .trimEnd()
      .split('\n')
      .map((line): WireBalanceRecord => JSON.parse(line) as WireBalanceRecord)
    expect(records).toHaveLength(COUNT + 1)
    const wrong = records.findIndex(
      ({ balance, blockNumber }, index) =>
        blockNumber !== String(NEWEST - index) || balance !== filledBalance(COUNT - index).toString(),
    )
    expect(wrong).toBe(-1)
    for (const record of [...records.slice(0, 3), ...records.slice(-2)]) wireBalanceRecordSchema.parse(record)
    const { body } = await getJson(`${service.url}${path.replace('.ndjson', '')}?limit=3`)
    expect(body['items']).toEqual(records.slice(0, 3))
  })

  it('keeps to its bounds, and is empty where there is nothing', async () => {
    const blocks = async (bounds: Parameters<TidemarkClient['streamHistory']>[1]): Promise<string[]> =>
      (await collect(client.streamHistory(position, bounds))).map(({ blockNumber }) => blockNumber)
    expect(await blocks({ fromBlock: 10_000, toBlock: 10_002n })).toEqual(['10002', '10001', '10000'])
    expect(await blocks({ from: new Date((1_700_000_000 + (NEWEST - 1) * 12) * 1000) })).toEqual([
      `${NEWEST}`,
      `${NEWEST - 1}`,
    ])
    expect(await blocks({ to: '2023-01-01T00:00:00Z' })).toEqual([])
    expect(await collect(client.streamHistory({ ...position, token }))).toMatchObject([{ balance: '1' }])
  })

  it('answers HEAD without reading anything, and no HTTP/1.0, which cannot tell a cut answer', async () => {
    const head = await fetch(`${service.url}${path}`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'application/x-ndjson; charset=utf-8',
      '',
    ])
    const { text } = await ask({ version: '1.0' })
    await until('it is answered', () => text().includes('expected HTTP/1.1'))
    expect(text()).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('that breaks off on its way ends with an error line and a cut connection, and never looks complete', async () => {
    const { socket, text } = await ask()
    await until('it has begun', () => text().includes('"blockNumber"'))
    socket.pause()
    await fixture.database.query({ name: 'test-away', text: 'alter table tidemark.balance_record rename to away' })
    try {
      socket.resume()
      await until('it has ended', () => socket.closed)
    } finally {
      await fixture.database.query({ name: 'test-back', text: 'alter table tidemark.away rename to balance_record' })
    }
    // Chunks are taken off: the last line is whole.
    const lines = text()
      .replaceAll(/\r\n[0-9a-f]+\r\n/g, '')
      .trimEnd()
      .split('\n')
    expect(wireErrorSchema.parse(JSON.parse(lines.at(-1) ?? ''))).toMatchObject({ success: false })
    expect(text()).not.toContain('\r\n0\r\n\r\n')
  })

  it('goes on in the client where it broke off', async () => {
    const proxy = await startCuttingProxy(service.url)
    const records = createClient({ url: proxy.url, retryFirstMs: 1 }).streamHistory(position)
    const seen: string[] = []
    let cuts = 0
    for await (const { blockNumber } of records) {
      seen.push(blockNumber)
      if (seen.length % 6_000 !== 0) continue
      proxy.cut()
      cuts += 1
    }
    await proxy.close()
    expect(cuts).toBe(3)
    expect(seen).toEqual(Array.from({ length: COUNT + 1 }, (_, index) => `${NEWEST - index}`))
  })

  it('ends with the loop that reads it, and with a signal', async () => {
    for (let round = 0; round < 2 * STREAMS_MAX; round += 1) {
      for await (const { blockNumber } of client.streamHistory(position)) {
        expect(blockNumber).toBe(`${NEWEST}`)
        break
      }
    }
    const controller = new AbortController()
    const reading = (async () => {
      for await (const _ of client.streamHistory(position, {}, { signal: controller.signal })) controller.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'aborted' })
    await freeSlots()
  })
})

describe('many streams at once', () => {
  it('are answered up to a limit, and one that goes away makes room', async () => {
    const asked = await Promise.all(Array.from({ length: STREAMS_MAX }, () => ask({ stops: true })))
    for (const { text } of asked) await until('it has begun', () => text().startsWith('HTTP/1.1 200'))
    const answer = await getJson(`${service.url}${path}`)
    expect(answer).toMatchObject({
      status: 429,
      body: { code: 'rate_limited', error: expect.stringContaining('streamed') },
    })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await getJson(`${service.url}/api/balances`)).status).toBe(200)
    asked[0]?.socket.destroy()
    await until('there is room', async () => {
      const response = await fetch(`${service.url}${path}`)
      await response.body?.cancel()
      return response.status === 200
    })
    for (const { socket } of asked) socket.destroy()
    await freeSlots()
  })
})
