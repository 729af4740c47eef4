import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Snapshot } from '../../src/model/snapshot.js'
import { until } from '../support/until.js'
import { Collected, getJson, nextEvent, postJson, startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

const DAY_MS = 86_400_000
const retention = { snapshotRetentionDays: 90, eventRetentionDays: 30 }

let database: TestDatabase
const services: Service[] = []

const serve = async (options: Parameters<typeof startService>[1] = {}): Promise<Service> => {
  const service = await startService(database, options)
  services.push(service)
  return service
}

const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS)

/** Saves so many snapshots, one a second from a time on. */
async function save(service: Service, count: number, from: Date): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      service.manager.saveSnapshot({
        ts: new Date(from.getTime() + index * 1000).toISOString(),
        onchain: { rlb: index },
        onsite: { rlb: '0.5' },
      }),
    ),
  )
}

/** Lets everything that is in the log so far be older than events are kept. */
const ageEvents = (): Promise<unknown> => database.query(`update tidemark.event set at = now() - interval '31 days'`)

const stored = async (): Promise<number> =>
  Number((await database.query('select count(*) from tidemark."BalanceSnapshot"'))[0]?.['count'])

beforeEach(async () => {
  database = await startDatabase()
})

afterEach(async () => {
  for (const service of services.splice(0)) await service.close()
  await database.stop()
})

describe('retention', () => {
  it('deletes nothing when it is off', async () => {
    const first = await serve()
    await save(first, 20, daysAgo(4000))
    await ageEvents()
    await first.close()
    const service = await serve({ retention: { snapshotRetentionDays: 0, eventRetentionDays: 0 } })
    await save(service, 1, daysAgo(4000))
    await until('the sums are up to date', async () => {
      const [row] = await database.query('select rolled_up_seq = 21 as done from tidemark.snapshot_upkeep')
      return row?.['done']
    })
    expect(await stored()).toBe(21)
    expect(await service.manager.events.oldestSeq()).toBe(1n)
  })

  it('deletes snapshots and events that are too old, and no answer mentions them any more', async () => {
    const first = await serve()
    await save(first, 3000, daysAgo(100))
    await save(first, 10, daysAgo(80))
    await ageEvents()
    // Reported late: the snapshot is old, its event is not.
    await save(first, 5, daysAgo(200))
    await first.close()

    const service = await serve({ retention })
    await until('the old ones are gone', async () => (await stored()) === 15)
    const { body } = await getJson(`${service.url}/api/balance/snapshot?limit=1`)
    expect(body).toMatchObject({ data: { pagination: { total: 15, hasMore: true } } })
    const older = `to=${daysAgo(90).toISOString()}`
    expect((await getJson(`${service.url}/api/balance/snapshot?${older}`)).body).toMatchObject({
      data: { pagination: { total: 5, hasMore: false } },
    })
    const series = await service.manager.snapshotSeries({
      book: 'onchain',
      asset: 'rlb',
      from: daysAgo(300),
      to: new Date(),
      points: 2,
    })
    expect(series.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(15)
    expect(await service.manager.events.oldestSeq()).toBe(3011n)
    // Every event that is left still has its snapshot.
    expect(await service.manager.events.read(0n, 100)).toHaveLength(5)
  })

  it('sends a viewer who was away for too long to the lists, also when it emptied the log', async () => {
    const first = await serve()
    await save(first, 10, daysAgo(1))
    await ageEvents()
    await first.close()

    const service = await serve({ retention })
    await until('the log is empty', async () => (await service.manager.events.oldestSeq()) === 11n)
    expect(await stored()).toBe(10)
    const away = service.connect({ auth: { since: 3 } })
    expect(await nextEvent(away, 'resync')).toMatchObject({ reason: 'expired', seq: 10 })
    const present = service.connect({ auth: { since: 10 } })
    const pushed = new Collected(present, 'balance:snapshot')
    await nextEvent(present, 'connected')
    await save(service, 1, daysAgo(0))
    expect(await pushed.take(1)).toMatchObject([{ seq: 11 }])
  })

  it('goes on beside readers and reporters: every page is right, and nothing acknowledged is lost', async () => {
    const first = await serve()
    for (let hour = 0; hour < 4; hour += 1) await save(first, 2500, daysAgo(100 + hour / 24))
    await save(first, 500, daysAgo(10))
    await ageEvents()
    await first.close()

    const [service] = await Promise.all([serve({ retention }), serve({ retention })])
    let pruning = true
    let walks = 0
    const acknowledged = new Set<string>()
    const reporter = async (): Promise<void> => {
      while (pruning) {
        const { status, body } = await postJson(`${service.url}/api/balance/snapshot`, {
          onchain: { rlb: 1 },
          onsite: { rlb: 2 },
        })
        expect(status).toBe(200)
        acknowledged.add((body['data'] as { id: string }).id)
      }
    }
    /** Everything older than the newest reports, page by page; a page whose end was deleted ends the walk. */
    const reader = async (): Promise<void> => {
      while (pruning) {
        const seen: Snapshot[] = []
        let before: string | undefined
        for (;;) {
          const list = await service.manager.snapshots({ limit: 500, offset: 0, before, to: daysAgo(9) })
          if (list === null) break
          expect(list.total).toBeGreaterThanOrEqual(500)
          seen.push(...list.snapshots)
          before = list.snapshots.at(-1)?.id
          if (!list.hasMore) break
        }
        walks += 1
        expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length)
        expect(seen).toEqual(seen.toSorted((a, b) => b.ts.getTime() - a.ts.getTime()))
        expect(seen.length).toBeGreaterThanOrEqual(500)
      }
    }
    const others = [reporter(), reader()]
    const gone = until('the old ones are gone', async () => {
      const [row] = await database.query(
        `select count(*) from tidemark."BalanceSnapshot" where ts < now() - interval '90 days'`,
      )
      return Number(row?.['count']) === 0
    })
    await gone.finally(() => (pruning = false))
    await Promise.all(others)
    expect(walks).toBeGreaterThan(1)
    expect(acknowledged.size).toBeGreaterThan(1)
    const ids = (await database.query('select id from tidemark."BalanceSnapshot"')).map((row) => String(row['id']))
    expect(ids).toEqual(expect.arrayContaining([...acknowledged]))
    const { total } = (await service.manager.snapshots({ limit: 1, offset: 0 })) ?? { total: -1 }
    expect(total).toBe(await stored())
    const inRange = await service.manager.snapshots({ limit: 1, offset: 0, from: daysAgo(1000) })
    expect(inRange?.total).toBe(total)
  })
})
