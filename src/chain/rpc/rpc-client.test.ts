import { describe, expect, it } from 'vitest'

import { LeapingClock } from '../../../test/support/leaping-clock.js'
import { recordLog } from '../../../test/support/log-recorder.js'
import { playNodes } from '../../../test/support/played-nodes.js'
import type { PlayedCall, PlayedNode, PlayedRequest } from '../../../test/support/played-nodes.js'
import type { LogLine } from '../../../test/support/log-recorder.js'
import { RpcClient } from './rpc-client.js'
import { BlockUnavailableError } from './rpc-errors.js'

interface Pool {
  readonly client: RpcClient
  readonly clock: LeapingClock
  readonly requests: readonly PlayedRequest[]
  readonly log: readonly LogLine[]
  readonly abort: AbortController
  /** The endpoints that got a method, in order. */
  asked(method: string): readonly string[]
}

function poolOf(nodes: Readonly<Record<string, PlayedNode>>): Pool {
  const clock = new LeapingClock()
  const { transport, requests } = playNodes(clock, nodes)
  const { logger, lines } = recordLog()
  const abort = new AbortController()
  const urls = Object.keys(nodes).map((host) => `http://${host}`)
  const client = new RpcClient({ chainId: 1n, urls, clock, transport, logger, signal: abort.signal })
  const asked = (method: string): readonly string[] =>
    requests.filter(({ methods }) => methods.includes(method)).map(({ node }) => node)
  return { client, clock, requests, log: lines, abort, asked }
}

/** A node of chain 1 that answers everything else with the given result. */
function wellNode(result: unknown, takesMs?: number): PlayedNode {
  return (calls) => ({
    results: calls.map((call) => answerOf(call, result)),
    ...(takesMs === undefined ? {} : { takesMs }),
  })
}

function answerOf({ method }: PlayedCall, result: unknown): unknown {
  if (method === 'eth_chainId') return '0x1'
  return method === 'eth_blockNumber' ? '0x64' : result
}

describe('the endpoints of a chain', () => {
  it('stay with the first while it is well, and come back to it after it was away', async () => {
    let away = false
    const first: PlayedNode = (calls, isBatch) => (away ? { status: 503 } : wellNode('first', 20)(calls, isBatch))
    const { client, clock, asked, log } = poolOf({ first, second: wellNode('second', 20) })
    for (let count = 0; count < 5; count += 1) expect(await client.request('m', [])).toBe('first')
    expect(asked('m')).toEqual(Array.from({ length: 5 }, () => 'first'))
    away = true
    expect(await client.request('m', [])).toBe('second')
    for (let count = 0; count < 40; count += 1) {
      await clock.sleep(1000)
      expect(await client.request('m', [])).toBe('second')
    }
    // Forty seconds of looks at it every few seconds are one outage.
    expect(log.filter(({ message }) => message === 'rpc endpoint failed')).toHaveLength(1)
    away = false
    for (let count = 0; count < 200; count += 1) {
      await clock.sleep(1000)
      await client.request('m', [])
    }
    expect(await client.request('m', [])).toBe('first')
    expect(log.filter(({ message }) => message === 'rpc endpoint works again')).toHaveLength(1)
  })

  it('are looked at ever more rarely while they are away', async () => {
    const { client, clock, requests } = poolOf({ first: () => ({ status: 502 }), second: wellNode('second') })
    for (let count = 0; count < 600; count += 1) {
      await client.request('m', [])
      await clock.sleep(1000)
    }
    const atMs = requests.filter(({ node }) => node === 'first').map((request) => request.atMs)
    expect(atMs.length).toBeGreaterThan(4)
    expect(atMs.length).toBeLessThan(14)
    const pauses = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0))
    expect(pauses.every((pause, index) => index === 0 || pause >= (pauses[index - 1] ?? 0))).toBe(true)
  })

  it('do the work of one that hangs', async () => {
    const { client, requests } = poolOf({ first: () => ({ hang: true }), second: wellNode('second') })
    for (let count = 0; count < 10; count += 1) expect(await client.request('m', [])).toBe('second')
    expect(requests.filter(({ node }) => node === 'first')).toHaveLength(1)
    expect(client.endpoints().map(({ healthy }) => healthy)).toEqual([false, true])
  })

  it('are left for another one that is much faster, not for one that is a little faster', async () => {
    for (const [firstMs, secondMs, expected] of [
      [120, 60, 'first'],
      [4000, 60, 'second'],
    ] as const) {
      const { client, clock } = poolOf({ first: wellNode('first', firstMs), second: wellNode('second', secondMs) })
      await client.request('m', [])
      await clock.sleep(70_000)
      await client.request('m', [])
      await clock.sleep(5000)
      expect(await client.request('m', [])).toBe(expected)
    }
  })

  it('are left when their head falls behind', async () => {
    const { client, clock } = poolOf({ first: wellNode('first', 10), second: wellNode('second', 10) })
    const look = (): Promise<unknown> =>
      client.run(async (session) => {
        session.sawHead(90n)
        return session.request('m', [])
      })
    expect(await look()).toBe('first')
    client.lookAround()
    await clock.sleep(70_000)
    expect(await look()).toBe('first')
    await clock.sleep(1000)
    await look()
    expect(client.endpoints()[0]?.lagBlocks).toBe(10)
    expect(await client.request('m', [])).toBe('second')
  })

  it('give a second opinion elsewhere, and where there is no other from the same', async () => {
    const both = poolOf({ first: wellNode('first'), second: wellNode('second') })
    expect(await both.client.request('m', [])).toBe('first')
    expect(await both.client.run((session) => session.request('m', []), { elsewhere: true })).toBe('second')
    expect(await both.client.request('m', [])).toBe('first')
    const one = poolOf({ first: wellNode('first') })
    expect(await one.client.request('m', [])).toBe('first')
    expect(await one.client.run((session) => session.request('m', []), { elsewhere: true })).toBe('first')
  })

  it('are tried for a block that the one in use lacks, which is no failure of it', async () => {
    const { client } = poolOf({ first: wellNode(null), second: wellNode('block') })
    const found = await client.run(async (session) => {
      const block = await session.request('m', [])
      if (block === null) throw new BlockUnavailableError('not here')
      return block
    })
    expect(found).toBe('block')
    expect(client.endpoints().every(({ healthy }) => healthy)).toBe(true)
  })

  it('are not used while they serve another chain, also when they change it later', async () => {
    let served = '0x1'
    const swapping: PlayedNode = (calls) => ({
      results: calls.map(({ method }) => (method === 'eth_chainId' ? served : 'swapping')),
    })
    const { client, clock, requests, log } = poolOf({ swapping, second: wellNode('second') })
    expect(await client.request('m', [])).toBe('swapping')
    served = '0x5'
    await clock.sleep(10 * 60_000)
    const before = requests.length
    for (let count = 0; count < 30; count += 1) {
      await clock.sleep(10_000)
      expect(await client.request('m', [])).toBe('second')
    }
    const asked = requests.slice(before).filter(({ node }) => node === 'swapping')
    expect(asked.map(({ methods }) => methods)).toEqual([['eth_chainId']])
    expect(client.endpoints()[0]?.lastError).toContain('expected chain id 1, the endpoint serves 5')
    expect(log.filter(({ fields }) => fields['kind'] === 'wrong_chain')).toHaveLength(1)
  })

  it('say so when all of them fail', async () => {
    const { client } = poolOf({ first: () => ({ status: 500 }), second: () => ({ status: 500 }) })
    await expect(client.request('m', [])).rejects.toMatchObject({ code: 'rpc_all_endpoints_failed', retryable: true })
  })

  it('are all asked at once, and one that hangs has no voice', async () => {
    const { client } = poolOf({ first: wellNode('a'), second: () => ({ hang: true }), third: wellNode('b') })
    const voices = await client.askEach((session) => session.request('m', []), 3000)
    expect(voices.map((voice) => (voice.ok ? voice.result : 'silent'))).toEqual(['a', 'silent', 'b'])
  })
})

describe('an endpoint that asks for fewer requests', () => {
  it('is not asked before the time it names', async () => {
    let refusals = 1
    const busy: PlayedNode = (calls, isBatch) => {
      if (calls[0]?.method === 'm' && refusals > 0) {
        refusals -= 1
        return { status: 429, headers: { 'retry-after': '7' } }
      }
      return wellNode('ok')(calls, isBatch)
    }
    const { client, requests } = poolOf({ busy })
    expect(await client.request('m', [])).toBe('ok')
    const refusedAtMs = requests.find(({ methods }) => methods[0] === 'm')?.atMs ?? Infinity
    const later = requests.filter(({ atMs }) => atMs > refusedAtMs)
    expect(later.length).toBeGreaterThan(0)
    expect(Math.min(...later.map(({ atMs }) => atMs)) - refusedAtMs).toBeGreaterThanOrEqual(7000)
  })

  it('is replaced by another one, and says so at once where there is none and the wait is long', async () => {
    const busy: PlayedNode = () => ({ status: 429, headers: { 'retry-after': '300' } })
    const both = poolOf({ busy, second: wellNode('second') })
    expect(await both.client.request('m', [])).toBe('second')
    const alone = poolOf({ busy })
    await expect(alone.client.request('m', [])).rejects.toMatchObject({ code: 'rpc_all_endpoints_failed' })
    await expect(alone.client.request('m', [])).rejects.toThrow('asks to be left alone')
    expect(alone.requests).toHaveLength(1)
  })

  it('gets half as many after each refusal, and slowly more again', async () => {
    // Takes five calls in any second.
    const takenAtMs: number[] = []
    const strict: PlayedNode = (calls, isBatch) => {
      const nowMs = pool.clock.monotonicMs()
      if (takenAtMs.filter((atMs) => atMs > nowMs - 1000).length + calls.length > 5) {
        return { error: { code: -32_005, message: 'daily request count exceeded' } }
      }
      takenAtMs.push(...calls.map(() => nowMs))
      return wellNode('ok')(calls, isBatch)
    }
    const pool = poolOf({ strict })
    let refused = 0
    for (let count = 0; count < 200; count += 1) {
      await pool.client.request('m', []).catch(() => (refused += 1))
    }
    const rate = pool.client.endpoints()[0]?.callsPerSecond ?? Infinity
    expect(rate).toBeLessThanOrEqual(10)
    const lastHundred = pool.requests.slice(-100)
    const refusedLate = (pool.client.errors.get('rpc_rate_limited') ?? 0) / pool.requests.length
    expect(lastHundred.length).toBe(100)
    expect(refusedLate).toBeLessThan(0.25)
    expect(refused).toBeLessThan(10)
  })
})

describe('an endpoint that takes no batches', () => {
  const calls = Array.from({ length: 6 }, (_, index) => ({ method: `m${index}`, params: [] }))
  const one = wellNode('ok')

  it.each<[string, PlayedNode]>([
    [
      'answers with one error',
      (list, isBatch) => (isBatch ? { error: { code: -32_600, message: 'no' } } : one(list, false)),
    ],
    [
      'answers with one result',
      (list, isBatch) => (isBatch ? { status: 200, body: '{"id":1,"result":"0x1"}' } : one(list, false)),
    ],
    [
      'refuses them with a status',
      (list, isBatch) => (isBatch ? { status: 400, body: 'bad request' } : one(list, false)),
    ],
  ])('gets the calls one by one when it %s, and is remembered', async (_name, node) => {
    const { client, requests } = poolOf({ node })
    for (let round = 0; round < 3; round += 1) {
      const outcomes = await client.batch(calls)
      expect(outcomes.map((outcome) => outcome.ok && outcome.result)).toEqual(calls.map(() => 'ok'))
    }
    expect(requests.filter(({ methods }) => methods.length > 1)).toHaveLength(1)
    expect(client.endpoints()[0]?.capabilities?.batch).toBe(false)
  })

  it('or takes small ones gets small ones', async () => {
    const node: PlayedNode = (list, isBatch) =>
      list.length > 3 ? { error: { code: -32_600, message: 'batch too large' } } : one(list, isBatch)
    const { client, requests } = poolOf({ node })
    await client.batch(calls)
    await client.batch(calls)
    expect(requests.map(({ methods }) => methods.length)).toEqual([1, 6, 3, 3, 3, 3])
    expect(client.endpoints()[0]?.capabilities?.batch).toBe(true)
  })
})

it('Requests that wait for their turn end with the client', async () => {
  const { client, abort } = poolOf({ first: () => ({ hang: true }) })
  const results = Promise.allSettled(Array.from({ length: 50 }, () => client.request('m', [])))
  abort.abort()
  expect((await results).every(({ status }) => status === 'rejected')).toBe(true)
})
