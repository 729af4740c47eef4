import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import type {
  ClientOptions,
  LiveFeed,
  LiveOptions,
  Place,
  ResyncNotice,
  TidemarkClient,
  WireEvent,
} from '../../src/client/index.js'
import { createClient } from '../../src/client/index.js'
import type { ChainConfig } from '../../src/config/config.js'
import type { CuttingProxy } from '../support/cutting-proxy.js'
import { startCuttingProxy } from '../support/cutting-proxy.js'
import { longTimeoutMs, times } from '../support/long.js'
import { until } from '../support/until.js'
import { documentReport, startDatabase, startService } from './server-fixture.js'
import type { Service, TestDatabase } from './server-fixture.js'

let database: TestDatabase
let service: Service
let proxy: CuttingProxy
let client: TidemarkClient
/** Watching it changes the watch list; nothing is ever read of it. */
const unreachableChain: ChainConfig = {
  chainId: 1n,
  name: 'Away',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: ['http://127.0.0.1:1'],
  wsUrls: [],
  tokens: [],
  blockTimeMs: null,
  pollIntervalMs: 1000,
  syncIntervalMs: 60_000,
}
const solver = '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045'

beforeAll(async () => {
  database = await startDatabase()
}, 60_000)

afterEach(async () => {
  await client.close()
  await proxy.close()
  await service.close()
})

afterAll(() => database.stop())

async function serve(options: Partial<ClientOptions> = {}, chains: readonly ChainConfig[] = []): Promise<void> {
  service = await startService(database, { chains })
  proxy = await startCuttingProxy(service.url)
  client = createClient({ url: proxy.url, retryFirstMs: 5, retryMostMs: 50, ...options })
}

/** Everything a viewer is given, from its greeting on. */
async function watch(
  options: LiveOptions = {},
): Promise<{ feed: LiveFeed; events: WireEvent[]; notices: ResyncNotice[] }> {
  const feed = client.live(options)
  const events: WireEvent[] = []
  const notices: ResyncNotice[] = []
  feed.on('resync', (notice) => notices.push(notice))
  feed.on('event', (event) => events.push(event))
  await until('it is greeted', () => feed.place !== null)
  return { feed, events, notices }
}

const save = (count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => service.manager.saveSnapshot(documentReport)))

async function headOfLog(): Promise<number> {
  const [row] = await database.query('select seq::int as seq from tidemark.event_log')
  return Number(row?.['seq'])
}

const seqsOf = (events: readonly WireEvent[]): number[] => events.map(({ payload }) => Number(payload.seq))
const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i)

describe('a viewer', () => {
  it('is given every event by its name, also that the watch list changed', async () => {
    await serve({}, [unreachableChain])
    const { feed, events } = await watch()
    const start = Number(feed.place?.seq)
    const reports: unknown[] = []
    feed.on('balance:snapshot', ({ onchain }) => reports.push(onchain))
    await save(1)
    await client.addSolver({ address: solver, label: 'hot' })
    await client.removeSolver(solver)
    await save(1)
    await until('all is there', () => events.length === 4)
    expect(events.map(({ name }) => name)).toEqual([
      'balance:snapshot',
      'watch-list:changed',
      'watch-list:changed',
      'balance:snapshot',
    ])
    expect(seqsOf(events)).toEqual(range(start + 1, start + 4))
    expect(reports).toEqual([documentReport.onchain, documentReport.onchain])
  })

  it(
    'misses and repeats nothing while connections are cut and the service is started again',
    async () => {
      await serve()
      const { feed, events } = await watch()
      const start = Number(feed.place?.seq)
      const cuts = times(12, 50)
      let greetings = 0
      let problems = 0
      feed.on('state', ({ state }) => (greetings += state === 'live' ? 1 : 0))
      feed.on('problem', () => (problems += 1))
      for (let cut = 1; cut <= cuts; cut += 1) {
        const before = greetings
        const saving = save(50)
        if (cut === Math.ceil(cuts / 2)) {
          await saving
          await service.close()
          service = await startService(database)
          proxy.leadTo(service.url)
        } else proxy.cut()
        await saving
        await until('it is back', () => greetings > before)
      }
      await save(1)
      const head = await headOfLog()
      await until('it has all', () => Number(events.at(-1)?.payload.seq) >= head)
      expect(seqsOf(events)).toEqual(range(start + 1, head))
      expect(head - start).toBeGreaterThanOrEqual(50 * cuts + 1)
      expect(problems).toBe(0)
    },
    longTimeoutMs,
  )

  it('misses and repeats nothing when another viewer goes on where it stopped', async () => {
    await serve()
    let stored: Place | null = null
    const place = { load: () => stored, save: (newest: Place) => void (stored = newest) }
    const first = await watch({ place })
    const start = Number(first.feed.place?.seq)
    await save(20)
    await until('some is there', () => first.events.length >= 5)
    await first.feed.close()
    await save(30)
    const second = await watch({ place })
    const head = await headOfLog()
    await until('it has all', () => Number(second.events.at(-1)?.payload.seq) >= head)
    expect([...seqsOf(first.events), ...seqsOf(second.events)]).toEqual(range(start + 1, head))
  })

  it('is told to read the lists anew when its place is not of this log', async () => {
    await serve()
    await save(1)
    const place = { load: () => ({ seq: '1', log: 'of-another-database' }), save: () => undefined }
    const { events, notices } = await watch({ place })
    await until('it is told', () => notices.length > 0)
    expect(notices).toEqual([
      { reason: 'log_changed', before: { seq: '1', log: 'of-another-database' }, place: expect.any(Object) },
    ])
    await save(1)
    const head = await headOfLog()
    await until('it has all', () => Number(events.at(-1)?.payload.seq) >= head)
    expect(seqsOf(events)).toEqual(range(Number(notices[0]?.place.seq) + 1, head))
  })

  it('works over polling, where WebSockets do not get through', async () => {
    await serve({ transports: ['polling'] })
    const { feed, events } = await watch()
    const start = Number(feed.place?.seq)
    await save(3)
    await until('all is there', () => events.length === 3)
    expect(seqsOf(events)).toEqual(range(start + 1, start + 3))
  })
})

describe('closing a client', () => {
  it('disconnects viewers and reporters, whatever they are doing', async () => {
    await serve()
    const { feed } = await watch()
    const reporter = client.reporter()
    await until('both are live', () => reporter.state === 'live')
    expect(proxy.connections).toBe(2)
    const early = client.live()
    await client.close()
    expect([feed.state, reporter.state, early.state]).toEqual(['closed', 'closed', 'closed'])
    await until('nobody is connected', () => proxy.connections === 0)
  })
})
