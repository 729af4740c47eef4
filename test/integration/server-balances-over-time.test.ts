import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'

import {
  wireBalanceSeriesSchema,
  wireBalanceStatsSchema,
  wireBalanceTotalSchema,
  wirePastBalanceSchema,
} from '../../src/api/balance-statistics-wire.js'
import type { TidemarkClient } from '../../src/client/index.js'
import { createClient, decodePastBalance, decodeStats } from '../../src/client/index.js'
import { toChecksumAddress } from '../../src/model/address.js'
import { blockTime } from '../../src/model/block.js'
import { chainId, header, solver, token } from './ledger-store-fixture.js'
import { collect, openRecords, rowsOf, watching } from './records-fixture.js'
import type { KnownRecord, RecordsFixture } from './records-fixture.js'
import { getJson, startService } from './server-fixture.js'
import type { Service } from './server-fixture.js'

/** The cursor: a bit more than eight days after block 10. */
const CURSOR = 60_000n
const UNIT = 10n ** 30n + 7n
/** A change every two hours or so, more out than in. */
const changes: readonly KnownRecord[] = Array.from({ length: 90 }, (_, index) => ({
  block: header(10n + BigInt(index + 1) * 613n),
  balance: (1000n - BigInt(index) * 2n + (index % 3 === 0 ? 25n : 0n)) * UNIT,
}))
/** Every record of the native position, oldest first. */
const known: readonly KnownRecord[] = [{ block: header(10n), balance: 1000n * UNIT }, ...changes]
/** Seen until block 20,000, then only now and then until block 40,000. */
const sampledKnown: readonly KnownRecord[] = [
  { block: header(10n), balance: 5n },
  { block: header(15_000n), balance: 0n },
  { block: header(40_000n), balance: 8n },
]

let fixture: RecordsFixture
let service: Service
let client: TidemarkClient
const native = `/api/balances/1/native/${solver}`

beforeAll(async () => {
  fixture = await openRecords()
  await fixture.start({ native: 1000n * UNIT, erc20: 5n })
  const rows = rowsOf(fixture.native, changes, 1000n * UNIT)
  const sampledRows = rowsOf(fixture.erc20, sampledKnown.slice(1), 5n)
  const between = (from: bigint, to: bigint): Parameters<RecordsFixture['pass']>[1] =>
    [...rows, ...sampledRows]
      .filter(({ block }) => block.number > from && block.number <= to)
      .toSorted((one, other) => Number(one.block.number - other.block.number))
  await fixture.pass(20_000n, between(10n, 20_000n), { native: 'exact', erc20: 'exact' })
  await fixture.pass(40_000n, between(20_000n, 40_000n), { native: 'exact', erc20: 'sampled' })
  await fixture.pass(CURSOR, between(40_000n, CURSOR), { native: 'exact', erc20: 'exact' })
  service = await startService(fixture.testDatabase, watching)
  client = createClient({ url: service.url })
}, 60_000)

afterAll(async () => {
  await service.close()
  await fixture.close()
})

const seconds = ({ block }: KnownRecord): number => block.timestampSeconds
const cursorSeconds = header(CURSOR).timestampSeconds
const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)
const least = (values: readonly bigint[]): bigint => values.reduce((one, other) => (one < other ? one : other))
const most = (values: readonly bigint[]): bigint => values.reduce((one, other) => (one > other ? one : other))
const ask = async <Answer>(path: string, schema: z.ZodType<Answer>): Promise<Answer> => {
  const { status, body } = await getJson(`${service.url}${path}`)
  expect(body, path).not.toHaveProperty('error')
  expect(status).toBe(200)
  return schema.parse(body)
}
const refused = async (path: string): Promise<unknown> => {
  const { status, body } = await getJson(`${service.url}${path}`)
  return { status, code: body['code'], details: body['details'] }
}

describe('statistics of a position', () => {
  it('are exact over all of its records, however large the amounts', async () => {
    const stats = decodeStats(await ask(`${native}/stats`, wireBalanceStatsSchema))
    const balances = known.map(({ balance }) => balance)
    const moves = changes.map(({ balance }, index) => balance - (known[index]?.balance ?? 0n))
    const ends = [...known.slice(1).map(seconds), cursorSeconds]
    const weighted = sum(known.map((record, index) => record.balance * BigInt((ends[index] ?? 0) - seconds(record))))
    const length = BigInt(cursorSeconds - header(10n).timestampSeconds)
    const inflow = sum(moves.filter((move) => move > 0n))
    const outflow = -sum(moves.filter((move) => move < 0n))
    const last = balances.at(-1) ?? 0n
    const dayAgo = known.findLast((record) => seconds(record) <= cursorSeconds - 86_400)?.balance ?? 0n
    expect(stats).toMatchObject({
      chainId,
      tokenAddress: 'native',
      solverAddress: toChecksumAddress(solver),
      from: blockTime(header(10n)),
      to: blockTime(header(CURSOR)),
      totalRecords: known.length,
      oldestBalance: 1000n * UNIT,
      latestBalance: last,
      minBalance: least(balances),
      maxBalance: most(balances),
      averageBalance: weighted / length,
      change: last - 1000n * UNIT,
      balanceChange24h: last - dayAgo,
      inflow,
      outflow,
      burnRatePerHour: ((outflow - inflow) * 3600n) / length,
    })
    const percent = ((last - dayAgo) * 1_000_000n) / dayAgo
    expect(stats.balanceChangePercent24h).toBe((Number(percent) / 10_000).toFixed(4))
    // As long again as it took to get from there to here, in proportion.
    const left = (last * length) / (outflow - inflow)
    expect(Math.abs((stats.emptyAt?.getTime() ?? 0) - (cursorSeconds + Number(left)) * 1000)).toBeLessThan(1000)
    expect(stats.coverage.map(({ kind }) => kind)).toEqual(['exact'])
  })

  it('are of the records between two times, both included', async () => {
    const [first, last] = [changes[10], changes[30]]
    if (first === undefined || last === undefined) throw new Error('invariant: there are so many')
    const range = { from: blockTime(first.block), to: blockTime(last.block) }
    const stats = decodeStats(await client.getBalanceStats({ chainId, token: 'native', solver }, range))
    const balances = changes.slice(10, 31).map(({ balance }) => balance)
    expect(stats).toMatchObject({
      ...range,
      totalRecords: 21,
      oldestBalance: first.balance,
      latestBalance: last.balance,
      minBalance: least(balances),
      maxBalance: most(balances),
      change: last.balance - first.balance,
    })
  })

  it('say nothing of what nobody saw', async () => {
    const stats = decodeStats(await client.getBalanceStats({ chainId, token, solver }))
    expect(stats).toMatchObject({ totalRecords: 3, latestBalance: 8n, inflow: expect.any(BigInt), outflow: 5n })
    expect(stats.coverage.map(({ kind }) => kind)).toEqual(['exact', 'sampled', 'exact'])
    const exactSeconds = BigInt(20_000 - 10 + 60_000 - 40_000) * 12n
    // Where the sampled blocks begin and end, one block's time may count or not.
    const held = 5n * BigInt(15_000 - 10) * 12n + 8n * BigInt(60_000 - 40_000) * 12n
    expect(stats.averageBalance).toBe(held / exactSeconds)
  })
})

describe('a series of a position', () => {
  it('keeps the first, last, lowest and highest balance of each bucket, with their blocks and times', async () => {
    const series = await ask(`${native}/series?points=40`, wireBalanceSeriesSchema)
    expect(series.items.length).toBeLessThanOrEqual(40)
    expect(series.items.length).toBeGreaterThan(15)
    expect(series.before).toBeNull()
    const buckets = new Map<number, KnownRecord[]>()
    for (const record of known) {
      const place = Math.floor((seconds(record) * 1000) / series.bucketMs)
      buckets.set(place, [...(buckets.get(place) ?? []), record])
    }
    const point = ({ block, balance }: KnownRecord): unknown => ({
      balance: balance.toString(),
      blockNumber: block.number.toString(),
      timestamp: blockTime(block).toISOString(),
    })
    const extreme = (records: readonly KnownRecord[], of: typeof least): KnownRecord | undefined =>
      records.find(({ balance }) => balance === of(records.map((record) => record.balance)))
    const expected = [...buckets].map(([place, records]) => ({
      start: new Date(place * series.bucketMs).toISOString(),
      count: records.length,
      first: point(records[0] as KnownRecord),
      last: point(records.at(-1) as KnownRecord),
      min: point(extreme(records, least) as KnownRecord),
      max: point(extreme(records, most) as KnownRecord),
    }))
    expect(series.items).toEqual(expected)
  })

  it('begins with what held before the range, and tells what nobody saw', async () => {
    const position = { chainId, token, solver }
    const series = await client.getBalanceSeries(position, { from: blockTime(header(15_001n)), points: 2 })
    expect(series.before).toMatchObject({ balance: '0', blockNumber: '15000' })
    expect(series.items.flatMap(({ first, last }) => [first.balance, last.balance])).toEqual(['8', '8'])
    expect(series.coverage.map(({ kind }) => kind)).toEqual(['exact', 'sampled', 'exact'])
    expect(series.to).toBe(blockTime(header(CURSOR)).toISOString())
  })

  it('may be asked for of all times there are', async () => {
    const all = await ask(
      `${native}/series?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&points=2`,
      wireBalanceSeriesSchema,
    )
    expect(all.items.reduce((count, bucket) => count + bucket.count, 0)).toBe(known.length)
  })
})

describe('a balance as of', () => {
  it('a block or a time is that of the newest record by then', async () => {
    for (const index of [0, 1, 45, known.length - 1]) {
      const record = known[index]
      const next = known[index + 1]
      if (record === undefined) throw new Error('invariant: there are so many')
      const expected = {
        balance: record.balance.toString(),
        blockNumber: record.block.number.toString(),
        timestamp: blockTime(record.block).toISOString(),
        certainty: 'exact',
      }
      const lastBlock = next === undefined ? CURSOR : next.block.number - 1n
      const lastMs = next === undefined ? cursorSeconds * 1000 : seconds(next) * 1000 - 1
      for (const query of [
        `block=${record.block.number}`,
        `block=${lastBlock}`,
        `at=${blockTime(record.block).toISOString()}`,
        `at=${new Date(lastMs).toISOString()}`,
      ]) {
        expect(await ask(`${native}?${query}`, wirePastBalanceSchema), query).toMatchObject(expected)
      }
    }
  })

  it('says how well it is known', async () => {
    const position = { chainId, token, solver }
    const at = async (block: number): Promise<unknown> => {
      const { balance, certainty } = decodePastBalance(await client.getBalanceAt(position, { block }))
      return [balance, certainty]
    }
    expect(await at(15_000)).toEqual([0n, 'exact'])
    expect(await at(30_000)).toEqual([0n, 'sampled'])
    expect(await at(40_000)).toEqual([8n, 'exact'])
  })

  it('a block beyond the newest processed one is as of that', async () => {
    const [last] = known.slice(-1)
    for (const query of ['block=999999999', 'at=9999-12-31T23:59:59Z']) {
      expect(await ask(`${native}?${query}`, wirePastBalanceSchema)).toMatchObject({ balance: `${last?.balance}` })
    }
  })

  it('anything before its first record is not known, and never a zero', async () => {
    for (const query of [
      'block=9',
      'block=0',
      `at=${blockTime(header(9n)).toISOString()}`,
      'at=1999-01-01T00:00:00Z',
    ]) {
      expect(await refused(`${native}?${query}`), query).toMatchObject({ status: 404, code: 'unknown_balance' })
    }
  })
})

describe('the portfolio at one instant', () => {
  it('has every position of which something was known by then, page by page', async () => {
    const time = blockTime(header(30_000n))
    const collected = await collect(client.balancesAt({ at: time, limit: 1 }))
    const shown = collected.map(decodePastBalance)
    const record = known.findLast(({ block }) => block.number <= 30_000n)
    expect(new Map(shown.map(({ tokenAddress, balance }) => [tokenAddress, balance]))).toEqual(
      new Map([
        ['native', record?.balance],
        [toChecksumAddress(token), 0n],
      ]),
    )
    const { body } = await getJson(`${service.url}/api/balances?at=${time.toISOString()}&tokenAddress=native`)
    expect(body).toMatchObject({ items: [{ tokenAddress: 'native', balance: `${record?.balance}` }], nextCursor: null })
  })

  it('is empty before anything was known', async () => {
    expect((await client.listBalancesAt({ at: '2000-01-01T00:00:00Z' })).items).toEqual([])
  })
})

describe('totals', () => {
  it('add up the newest balances of each token, and count what is not up to date', async () => {
    const page = await client.listTotals()
    expect(page.nextCursor).toBeNull()
    const totals = page.items.map((total) => wireBalanceTotalSchema.parse(total))
    expect(
      totals.map(({ tokenAddress, balance, positions, solverAddress }) => [
        tokenAddress,
        balance,
        positions,
        solverAddress,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['native', `${known.at(-1)?.balance}`, 1, null],
        [toChecksumAddress(token), '8', 1, null],
      ]),
    )
    const each = await collect(client.totals({ by: 'solver-token', limit: 1 }))
    expect(each.map(({ solverAddress }) => solverAddress)).toEqual(Array(2).fill(toChecksumAddress(solver)))
    expect((await client.listTotals({ chainId: 5 })).items).toEqual([])
  })
})

describe('a question that cannot be meant', () => {
  it.each([
    ['stats?from=yesterday', 'from', /ISO 8601/],
    ['stats?from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z', 'from', /not after "to"/],
    ['stats?points=5', 'points', /unknown/],
    ['series?points=1', 'points', /2 to 2000/],
    ['series?points=2001', 'points', /2 to 2000/],
    ['series?to=now', 'to', /ISO 8601/],
    ['history.ndjson?fromBlock=-1', 'fromBlock', /block number/],
    ['history.ndjson?limit=5', 'limit', /unknown/],
  ])('%s is refused by the name of what is wrong', async (query, path, message) => {
    expect(await refused(`${native}/${query}`)).toMatchObject({
      status: 400,
      code: 'invalid_request',
      details: [{ path, message: expect.stringMatching(message) }],
    })
  })

  it.each([
    [`${native}?block=5&at=2025-01-01T00:00:00Z`, 'at', /either "block" or "at"/],
    [`${native}?block=0x5`, 'block', /block number/],
    ['/api/balances?at=2025-01-01', 'at', /ISO 8601/],
    ['/api/balances/totals?by=chain', 'by', /token or solver-token/],
    ['/api/balances/totals?cursor=YmFsYW5jZXM6MQ', 'cursor', /nextCursor/],
  ])('%s is refused by the name of what is wrong', async (url, path, message) => {
    expect(await refused(url)).toMatchObject({
      status: 400,
      code: 'invalid_request',
      details: [{ path, message: expect.stringMatching(message) }],
    })
  })

  it('about a position that nobody ever watched gets 404', async () => {
    const stranger = '/api/balances/1/native/0x9000000000000000000000000000000000000009'
    for (const path of ['/stats', '/series', '/history.ndjson', '?block=5', '?at=2025-01-01T00:00:00Z']) {
      expect(await refused(`${stranger}${path}`), path).toMatchObject({ status: 404, code: 'unknown_position' })
    }
  })
})

describe('the library', () => {
  it('answers the same, in bigint and dates', async () => {
    const { manager } = service
    const first = known[0]
    expect(await manager.getBalanceStats(chainId, 'NATIVE', solver.toUpperCase())).toMatchObject({
      totalRecords: known.length,
      oldestBalance: first?.balance,
    })
    expect(await manager.getBalanceSeries(chainId, 'native', solver, { points: 10 })).toMatchObject({ before: null })
    expect(await manager.getBalanceAt(chainId, 'native', solver, { block: 11n })).toMatchObject({
      balance: first?.balance,
      timestamp: blockTime(header(10n)),
    })
    expect(await manager.getBalanceAt(chainId, 'native', solver, { time: new Date(0) })).toBeNull()
    expect((await manager.getBalancesAt({ time: blockTime(header(10n)), solver })).items).toHaveLength(2)
    expect((await manager.getBalanceTotals({ by: 'token', token: 'native' })).items).toMatchObject([
      { balance: known.at(-1)?.balance },
    ])
    const records = await collect(manager.streamBalanceHistory(chainId, 'native', solver, { toBlock: 2000n }))
    expect(records.map(({ balance }) => balance)).toEqual(
      known
        .filter(({ block }) => block.number <= 2000n)
        .map(({ balance }) => balance)
        .toReversed(),
    )
  })

  it('says which argument cannot be meant', async () => {
    const { manager } = service
    const never = new Date(Number.NaN)
    const wrong = async (work: () => unknown, message: RegExp): Promise<void> => {
      await expect(Promise.resolve().then(work)).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringMatching(message),
      })
    }
    await wrong(() => manager.getBalanceStats(chainId, 'ETH', solver), /^token: expected 'native' or an address/)
    await wrong(() => manager.getBalanceStats(chainId, 'native', solver, { from: never }), /^from: expected a time/)
    await wrong(() => manager.getBalanceSeries(chainId, 'native', solver, { points: 1 }), /^points: .* got 1$/)
    await wrong(() => manager.getBalanceAt(chainId, 'native', solver, { block: -1n }), /^block: .* got -1n$/)
    await wrong(() => manager.getBalanceAt(chainId, 'native', '0x12', { block: 1n }), /^solver: expected an address/)
    await wrong(() => manager.getBalancesAt({ time: never }), /^time: expected a time/)
    await wrong(() => manager.getBalancesAt({ time: new Date(), limit: 0 }), /^limit: .* got 0$/)
    await wrong(() => manager.getBalanceHistory(chainId, 'native', solver, 0.5), /^limit: .* got 0.5$/)
    await wrong(() => manager.streamBalanceHistory(chainId, 'native', solver, { to: never }), /^to: expected a time/)
    await wrong(
      () => manager.streamBalanceHistory(chainId, 'native', solver, { fromBlock: 5n, toBlock: 4n }),
      /^fromBlock: expected a block that is not after "toBlock" \(4\), got 5$/,
    )
    await wrong(
      () => manager.getBalanceAt(chainId, 'native', solver, { block: 1n, time: new Date() }),
      /^block: expected a block or a time, got both$/,
    )
  })

  it('says so, too, where nothing checks types', async () => {
    const { manager } = service
    const untyped = manager as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    const wrong = async (method: string, args: readonly unknown[], message: RegExp): Promise<void> => {
      await expect(Promise.resolve().then(() => untyped[method]?.apply(manager, [...args]))).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringMatching(message),
      })
    }
    await wrong('getBalanceTotals', [{ by: 'solver' }], /^by: expected 'token' or 'solver-token', got 'solver'$/)
    await wrong('getBalanceAt', [chainId, 'native', solver, {}], /^block: expected a block or a time, got neither$/)
    await wrong('getBalanceAt', [chainId, 'native', solver, { block: 5 }], /^block: expected .* a bigint, got 5$/)
  })

  it('refuses a time that no database can compare with', async () => {
    const { manager } = service
    const wrong = {
      code: 'invalid_argument',
      message: expect.stringMatching(/: expected a time of the years 0 to 9999/),
    }
    for (const time of [new Date(-8.64e15), new Date(8.64e15)]) {
      await expect(manager.getBalanceStats(chainId, 'native', solver, { from: time })).rejects.toMatchObject(wrong)
      await expect(manager.getBalanceAt(chainId, 'native', solver, { time })).rejects.toMatchObject(wrong)
    }
    const whole = { from: new Date('0000-01-01T00:00:00Z'), to: new Date('9999-12-31T23:59:59Z') }
    expect(await manager.getBalanceStats(chainId, 'native', solver, whole)).toMatchObject({
      totalRecords: known.length,
    })
    const steps = await manager.getBalanceSeries(chainId, 'native', solver, { ...whole, points: 5 })
    expect(steps).toMatchObject({ from: new Date(0), before: null })
  })
})
