import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { getJson, postJson, startDatabase, startService } from './server-fixture.js'
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

const save = (ts: string, rlb: number | string): Promise<unknown> =>
  postJson(`${service.url}/api/balance/snapshot`, { ts, onchain: { rlb, usdt: 1 }, onsite: { rlb: '7' } })

const seriesAt = (query: string): ReturnType<typeof getJson> =>
  getJson(`${service.url}/api/balance/snapshot/series?${query}`)

describe('a series of snapshots', () => {
  it('has the first, last, lowest and highest amount of each bucket with their times, exactly', async () => {
    await save('2025-03-01T10:00:00.000Z', '100.50')
    await save('2025-03-01T10:20:00.000Z', '123456789012345678901234567890.000000000000000001')
    await save('2025-03-01T10:40:00.000Z', 0.1)
    await save('2025-03-01T12:30:00.000+01:00', 5)
    await save('2025-03-01T13:00:00.000Z', 6)
    const { status, body } = await seriesAt(
      'book=onchain&asset=rlb&from=2025-03-01T10:00:00Z&to=2025-03-01T12:59:59.999Z&points=4',
    )
    expect(status).toBe(200)
    const only = { ts: '2025-03-01T11:30:00.000Z', amount: '5' }
    expect(body).toEqual({
      book: 'onchain',
      asset: 'rlb',
      from: '2025-03-01T10:00:00.000Z',
      to: '2025-03-01T12:59:59.999Z',
      bucketMs: 3_600_000,
      items: [
        {
          start: '2025-03-01T10:00:00.000Z',
          count: 3,
          first: { ts: '2025-03-01T10:00:00.000Z', amount: '100.5' },
          last: { ts: '2025-03-01T10:40:00.000Z', amount: '0.1' },
          min: { ts: '2025-03-01T10:40:00.000Z', amount: '0.1' },
          max: {
            ts: '2025-03-01T10:20:00.000Z',
            amount: '123456789012345678901234567890.000000000000000001',
          },
        },
        { start: '2025-03-01T11:00:00.000Z', count: 1, first: only, last: only, min: only, max: only },
      ],
    })
  })

  it('covers the last day in at most 500 buckets when not told, and is empty for what nobody reported', async () => {
    await save(new Date(Date.now() - 3_600_000).toISOString(), 1)
    await save(new Date(Date.now() - 90_000_000).toISOString(), 2)
    const { body } = await seriesAt('book=onsite&asset=rlb')
    expect(body['items']).toMatchObject([{ count: 1, first: { amount: '7' } }])
    expect(Date.parse(String(body['to'])) - Date.parse(String(body['from']))).toBe(86_400_000)
    expect(86_400_000 / Number(body['bucketMs'])).toBeLessThanOrEqual(500)
    expect((await seriesAt('book=onsite&asset=usdt')).body['items']).toEqual([])
  })
})
