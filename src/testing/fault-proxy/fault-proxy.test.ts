import { once } from 'node:events'

import { afterEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'

import { createRandom } from '../random.js'
import type { HttpOutcome, NodeAnswer, NodeCall, RpcNode } from '../rpc-node.js'
import { faultKinds, hexOddities } from './fault.js'
import type { Fault, FaultKind, HexOddity } from './fault.js'
import { startFaultProxy } from './fault-proxy.js'
import type { FaultProxy } from './fault-proxy.js'
import { createFaultyNode } from './faulty-node.js'
import type { FaultyNode } from './faulty-node.js'

const HEAD = 10
const hex = (value: number): string => `0x${value.toString(16)}`
const hashOf = (block: number): string => `0x${block.toString(16).padStart(64, '0')}`

/** Eleven blocks; a call answers the number of the block it is asked at, and the gas it may burn. */
class SmallNode implements RpcNode {
  readonly listeners = new Set<(result: unknown) => void>()

  answer({ method, params }: NodeCall): NodeAnswer {
    const [first, second] = params
    switch (method) {
      case 'eth_chainId':
        return { result: '0x1' }
      case 'eth_blockNumber':
        return { result: hex(HEAD) }
      case 'eth_getBlockByNumber':
      case 'eth_getBlockByHash':
        return { result: this.#block(first) }
      case 'eth_getTransactionReceipt':
        return { result: { blockNumber: hex(HEAD), logs: [] } }
      case 'eth_getBlockReceipts':
        return { result: [{ logs: [log(1)] }, { logs: [log(2)] }] }
      case 'eth_getLogs':
        return Number((first as { toBlock: string }).toBlock) > HEAD
          ? { error: { code: -32_602, message: 'beyond the head' } }
          : { result: [log(1), log(2), log(3)] }
      case 'eth_getBalance':
        return { result: this.#number(second) }
      case 'eth_call':
        return { result: `${this.#number(second)}/${(first as { gas?: string }).gas ?? 'any'}` }
      default:
        return { error: { code: -32_601, message: `the method ${method} does not exist` } }
    }
  }

  subscribe(_topic: string, listener: (result: unknown) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  mine(number: number): void {
    for (const listener of this.listeners) listener({ number: hex(number) })
  }

  #number(block: unknown): string | undefined {
    return this.#block(typeof block === 'object' ? (block as { blockHash: string }).blockHash : block)?.number
  }

  #block(block: unknown): { number: string; hash: string } | null {
    const number = block === 'latest' ? HEAD : Number(block)
    return number <= HEAD ? { number: hex(number), hash: hashOf(number) } : null
  }
}

function log(index: number): { logIndex: string; topics: string[]; removed: boolean } {
  return { logIndex: hex(index), topics: [], removed: false }
}

function faulty(...faults: readonly Fault[]): FaultyNode {
  return createFaultyNode({ node: new SmallNode(), faults, random: createRandom(7) })
}

async function ask(node: FaultyNode, method: string, ...params: readonly unknown[]): Promise<unknown> {
  const outcome = await node.http(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
  const { result, error } = JSON.parse(bodyOf(outcome)) as { result?: unknown; error?: { message: string } }
  return error === undefined ? result : error.message
}

function bodyOf(outcome: HttpOutcome): string {
  if (outcome.kind !== 'reply') throw new Error(`expected a reply, got ${outcome.kind}`)
  return outcome.body
}

const tried = new Set<FaultKind>()

/** The fault counts once, where it strikes, and not where it finds nothing to change. */
async function strikes(fault: Fault, [method, ...params]: readonly [string, ...unknown[]]): Promise<unknown> {
  tried.add(fault.kind)
  const node = faulty(fault)
  expect(await ask(node, 'eth_nothing')).toBeTypeOf('string')
  const before = node.counts.get(fault.kind) ?? 0
  const result = await ask(node, method, ...params)
  expect((node.counts.get(fault.kind) ?? 0) - before).toBe(1)
  return result
}

describe('a fault of an answer', () => {
  it('lagging: newer blocks are not there, and the head is an older one', async () => {
    const fault: Fault = { kind: 'lagging', blocks: 3 }
    expect(await strikes(fault, ['eth_blockNumber'])).toBe('0x7')
    expect(await strikes(fault, ['eth_getBlockByNumber', 'latest', false])).toMatchObject({ number: '0x7' })
    expect(await strikes(fault, ['eth_getBlockByNumber', '0x8', false])).toBeNull()
    expect(await strikes(fault, ['eth_getBlockByHash', hashOf(9), false])).toBeNull()
    expect(await strikes(fault, ['eth_getBalance', '0xaa', { blockHash: hashOf(9) }])).toContain('not found')
    expect(await strikes(fault, ['eth_getBalance', '0xaa', 'latest'])).toBe('0x7')
    expect(await strikes(fault, ['eth_getTransactionReceipt', '0xbb'])).toBeNull()
    expect(await strikes(fault, ['eth_getLogs', { fromBlock: '0x8', toBlock: '0x8' }])).toEqual([])
    const node = faulty(fault)
    expect(await ask(node, 'eth_getBlockByNumber', '0x7', false)).toMatchObject({ number: '0x7' })
    expect(node.counts.size).toBe(0)
  })

  it('null blocks and null receipts', async () => {
    expect(await strikes({ kind: 'null-block' }, ['eth_getBlockByNumber', '0x1', false])).toBeNull()
    expect(await strikes({ kind: 'null-receipt' }, ['eth_getBlockReceipts', '0x1'])).toBeNull()
  })

  it('logs that are missing, too many, or past the head', async () => {
    const range = { fromBlock: '0x1', toBlock: '0x2' }
    expect(await strikes({ kind: 'empty-logs' }, ['eth_getLogs', range])).toEqual([])
    expect(await strikes({ kind: 'partial-logs' }, ['eth_getLogs', range])).toHaveLength(2)
    expect(await strikes({ kind: 'removed-logs' }, ['eth_getLogs', range])).toHaveLength(6)
    const receipts = (await strikes({ kind: 'partial-logs' }, ['eth_getBlockReceipts', '0x1'])) as { logs: unknown[] }[]
    expect(receipts.flatMap(({ logs }) => logs)).toHaveLength(1)
    const beyond = { fromBlock: '0xb', toBlock: '0xc' }
    expect(await ask(faulty(), 'eth_getLogs', beyond)).toBe('beyond the head')
    expect(await strikes({ kind: 'empty-past-head' }, ['eth_getLogs', beyond])).toEqual([])
    const newest = { fromBlock: '0x9', toBlock: '0xa' }
    expect(await strikes({ kind: 'empty-past-head', blocks: 5 }, ['eth_getLogs', newest])).toEqual([])
  })

  it('state of another block, so that its number differs too', async () => {
    const at = { blockHash: hashOf(5), requireCanonical: true }
    expect(await strikes({ kind: 'other-block', shift: -1 }, ['eth_getBalance', '0xaa', at])).toBe('0x4')
    expect(await strikes({ kind: 'other-block', shift: 1 }, ['eth_getBalance', '0xaa', '0x5'])).toBe('0x6')
    const node = faulty({ kind: 'other-block', shift: 1 })
    expect(await ask(node, 'eth_getBalance', '0xaa', 'latest')).toBe('0xa')
    expect(node.counts.size).toBe(0)
  })

  it('limits and missing features', async () => {
    expect(await strikes({ kind: 'capped-gas', gas: 50n }, ['eth_call', { gas: '0xff' }, '0x1'])).toBe('0x1/0x32')
    expect(await strikes({ kind: 'no-state-override' }, ['eth_call', {}, '0x1', {}])).toContain('too many arguments')
    const range = { fromBlock: '0x1', toBlock: '0x2' }
    expect(await strikes({ kind: 'capped-response', bytes: 90 }, ['eth_getLogs', range])).toContain('too big')
    expect(await strikes({ kind: 'state-pruned', blocks: 4 }, ['eth_call', {}, '0x1'])).toContain('missing trie node')
    expect(await ask(faulty({ kind: 'state-pruned', blocks: 4 }), 'eth_call', {}, '0x8')).toBe('0x8/any')
    expect(await strikes({ kind: 'block-unavailable' }, ['eth_call', {}, '0x1'])).toBe('header not found')
    expect(await strikes({ kind: 'wrong-chain-id', chainId: 5n }, ['eth_chainId'])).toBe('0x5')
    expect(await strikes({ kind: 'rate-limit-error', methods: ['eth_chainId'] }, ['eth_chainId'])).toContain('rate')
  })

  it.each(Object.entries(hexOddities))('a number in an odd form: %s', async (form, value) => {
    const fault: Fault = { kind: 'hex-oddity', form: form as HexOddity }
    expect(await strikes(fault, ['eth_call', {}, '0x1'])).toBe(value)
  })

  it('several faults strike one call together', async () => {
    const node = faulty({ kind: 'other-block', shift: -1 }, { kind: 'capped-gas', gas: 50n })
    expect(await ask(node, 'eth_call', {}, '0x5')).toBe('0x4/0x32')
    expect([...node.counts]).toEqual([
      ['capped-gas', 1],
      ['other-block', 1],
    ])
  })
})

describe('a fault of a reply', () => {
  const batch = (...methods: readonly string[]): string =>
    JSON.stringify(methods.map((method, id) => ({ jsonrpc: '2.0', id, method, params: [] })))
  const reply = async (fault: Fault): Promise<HttpOutcome> => {
    tried.add(fault.kind)
    const node = faulty(fault)
    const outcome = await node.http(batch('eth_chainId', 'eth_blockNumber'))
    expect([...node.counts]).toEqual([[fault.kind, 1]])
    return outcome
  }
  const list = async (fault: Fault): Promise<readonly Record<string, unknown>[]> =>
    JSON.parse(bodyOf(await reply(fault))) as readonly Record<string, unknown>[]

  it('refuses, in plain words or with a page', async () => {
    expect(await reply({ kind: 'http-429' })).toMatchObject({ status: 429, headers: {} })
    const date = new Date('2026-01-01T00:00:00Z')
    expect(await reply({ kind: 'http-429', retryAfter: { date } })).toMatchObject({
      headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:00 GMT' },
    })
    expect(await reply({ kind: 'http-429', retryAfter: { seconds: 7 } })).toMatchObject({
      headers: { 'retry-after': '7' },
    })
    expect(await reply({ kind: 'http-5xx', status: 502 })).toMatchObject({ status: 502 })
    expect(bodyOf(await reply({ kind: 'html-200' }))).toContain('<html>')
  })

  it('ends without one', async () => {
    expect(await reply({ kind: 'hang' })).toEqual({ kind: 'hang' })
    expect(await reply({ kind: 'reset' })).toMatchObject({ kind: 'reset' })
  })

  it('is no JSON', async () => {
    for (const kind of ['truncated', 'malformed'] as const) {
      const body = bodyOf(await reply({ kind }))
      expect(() => JSON.parse(body) as unknown).toThrow(SyntaxError)
    }
  })

  it('is no answer to what was asked', async () => {
    expect((await list({ kind: 'wrong-id' })).map(({ id }) => id)).toEqual(['00', '10'])
    expect(Object.keys((await list({ kind: 'missing-result' }))[0] ?? {})).toEqual(['jsonrpc', 'id'])
    expect((await list({ kind: 'result-and-error' }))[0]).toMatchObject({ result: '0x1', error: { code: -32_000 } })
    expect(await list({ kind: 'batch-partial' })).toHaveLength(1)
    expect((await list({ kind: 'batch-reordered' })).map(({ id }) => id)).toEqual([1, 0])
    expect(await list({ kind: 'batch-as-object' })).toMatchObject({ id: 0, result: '0x1' })
  })
})

describe('a fault of a socket', () => {
  const connect = async (
    fault: Fault,
    heads: number,
  ): Promise<{ frames: string[]; heads: number[]; ended: boolean; node: FaultyNode }> => {
    tried.add(fault.kind)
    const small = new SmallNode()
    const node = createFaultyNode({ node: small, faults: [fault], random: createRandom(3) })
    const seen = { frames: [] as string[], heads: [] as number[], ended: false, node }
    const connection = node.connect({
      send: (text) => {
        seen.frames.push(text)
        const number = /"number":"(0x[0-9a-f]+)"/.exec(text)?.[1]
        if (number !== undefined) seen.heads.push(Number(number))
      },
      end: () => {
        seen.ended = true
      },
    })
    connection.receive('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
    await new Promise(setImmediate)
    for (let number = 1; number <= heads; number += 1) small.mine(number)
    return seen
  }

  it('loses, repeats or moves heads', async () => {
    expect((await connect({ kind: 'heads-dropped', times: 1 }, 3)).heads).toEqual([2, 3])
    expect((await connect({ kind: 'heads-skipped', heads: 2, times: 1 }, 3)).heads).toEqual([3])
    expect((await connect({ kind: 'heads-duplicated', times: 1 }, 2)).heads).toEqual([1, 1, 2])
    expect((await connect({ kind: 'heads-reordered', times: 1 }, 3)).heads).toEqual([2, 1, 3])
    expect((await connect({ kind: 'heads-flood', copies: 100, times: 1 }, 1)).heads).toHaveLength(100)
    const late = await connect({ kind: 'heads-delayed', delayMs: 1, times: 1 }, 2)
    expect(late.heads).toEqual([2])
    await expect.poll(() => late.heads).toEqual([2, 1])
  })

  it('refuses, cuts, or falls silent', async () => {
    expect(await connect({ kind: 'socket-refused' }, 1)).toMatchObject({ ended: true, frames: [] })
    const cut = await connect({ kind: 'socket-cut', afterRequests: 1 }, 3)
    expect(cut).toMatchObject({ ended: true, heads: [1] })
    const silent = await connect({ kind: 'socket-silent', afterRequests: 2 }, 5)
    expect(silent).toMatchObject({ ended: false, heads: [1] })
    expect(silent.node.counts.get('socket-silent')).toBe(1)
  })

  it('sends what is no frame, or refuses to subscribe', async () => {
    expect((await connect({ kind: 'garbage-frames' }, 1)).frames).toHaveLength(3)
    const refused = await connect({ kind: 'subscribe-refused' }, 1)
    expect(refused.frames).toEqual([expect.stringContaining('notifications not supported')])
  })
})

describe('the choice of faults', () => {
  it('covers every kind there is', () => {
    expect([...tried].toSorted()).toEqual([...faultKinds].toSorted())
  })

  it('keeps to the times, the beginning and the methods that were given', async () => {
    const node = faulty({ kind: 'rate-limit-error', methods: ['eth_chainId'], times: 2, afterRequests: 1 })
    const answers: unknown[] = []
    for (let count = 0; count < 5; count += 1) {
      await ask(node, 'eth_blockNumber')
      answers.push(await ask(node, 'eth_chainId'))
    }
    expect(answers.map((answer) => answer === '0x1')).toEqual([true, false, false, true, true])
  })

  it('is the same again for the same seed', async () => {
    const run = async (seed: number): Promise<readonly unknown[]> => {
      const faults: Fault[] = [{ kind: 'rate-limit-error', probability: 0.5 }]
      const node = createFaultyNode({ node: new SmallNode(), faults, random: createRandom(seed) })
      const answers: unknown[] = []
      for (let count = 0; count < 50; count += 1) answers.push(await ask(node, 'eth_chainId'))
      return answers
    }
    expect(await run(1)).toEqual(await run(1))
    expect(await run(1)).not.toEqual(await run(2))
  })

  it('can be lifted one by one, or all at once', async () => {
    const node = faulty({ kind: 'null-block' })
    const injected = node.inject({ kind: 'wrong-chain-id', chainId: 9n })
    expect(await ask(node, 'eth_chainId')).toBe('0x9')
    expect(injected.count).toBe(1)
    injected.lift()
    expect(await ask(node, 'eth_chainId')).toBe('0x1')
    expect(await ask(node, 'eth_getBlockByNumber', '0x1', false)).toBeNull()
    node.clear()
    expect(await ask(node, 'eth_getBlockByNumber', '0x1', false)).toMatchObject({ number: '0x1' })
  })
})

describe('the proxy at a port', () => {
  let proxy: FaultProxy | undefined

  afterEach(async () => {
    await proxy?.close()
  })

  const post = async (url: string, signal?: AbortSignal): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
      ...(signal === undefined ? {} : { signal }),
    })

  it('answers, refuses, hangs and resets over HTTP', async () => {
    proxy = await startFaultProxy({ target: new SmallNode() })
    const { rpcUrl } = proxy
    expect(await (await post(rpcUrl)).json()).toMatchObject({ result: '0x1' })
    proxy.inject({ kind: 'http-429', retryAfter: { seconds: 3 }, times: 1 })
    const refused = await post(rpcUrl)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '3'])
    proxy.inject({ kind: 'reset', times: 2 })
    for (let count = 0; count < 2; count += 1) {
      await expect(post(rpcUrl).then((response) => response.text())).rejects.toThrow(TypeError)
    }
    proxy.inject({ kind: 'hang', times: 1 })
    await expect(post(rpcUrl, AbortSignal.timeout(100))).rejects.toThrow(/timeout/)
    expect(proxy.calls.get('eth_chainId')).toBe(5)
  })

  it('pushes heads over a WebSocket, cuts it, and refuses the handshake', async () => {
    const node = new SmallNode()
    proxy = await startFaultProxy({ target: node })
    const client = new WebSocket(proxy.wsUrl)
    await once(client, 'open')
    client.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
    await once(client, 'message')
    node.mine(11)
    const [frame] = (await once(client, 'message')) as [Buffer]
    expect(JSON.parse(frame.toString('utf8'))).toMatchObject({ params: { result: { number: '0xb' } } })
    proxy.inject({ kind: 'socket-cut' })
    node.mine(12)
    await once(client, 'close')
    expect(node.listeners.size).toBe(0)
    proxy.inject({ kind: 'socket-refused' })
    const again = new WebSocket(proxy.wsUrl)
    const [error] = (await once(again, 'error')) as [Error]
    expect(error.message).toContain('503')
    expect(proxy.sockets).toEqual({ open: 0, total: 1 })
  })
})
