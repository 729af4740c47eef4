import { afterEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'

import type { Address } from '../../model/address.js'
import { startModelChain } from './start-model-chain.js'
import type { ServedModelChain } from './start-model-chain.js'

const wallet: Address = `0x${'a1'.repeat(20)}`
const token: Address = `0x${'70'.repeat(20)}`
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function start(batch = true): Promise<ServedModelChain> {
  const served = await startModelChain({
    chainId: 5n,
    seed: 1,
    wallets: [{ address: wallet, balance: 10n ** 18n }],
    tokens: [{ kind: 'plain', address: token, holders: { [wallet]: 10n } }],
    features: { batch },
  })
  closing.push(() => served.close())
  return served
}

async function post(url: string, body: string): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', body })
  expect(response.status).toBe(200)
  return response.json()
}

describe('a model chain over HTTP', () => {
  it('answers single calls and batches, and refuses what is none', async () => {
    const { rpcUrl } = await start()
    expect(await post(rpcUrl, '{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}')).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: '0x5',
    })
    expect(
      await post(rpcUrl, '[{"id":1,"method":"eth_blockNumber","params":[]},{"id":2,"method":"eth_nothing"},3]'),
    ).toMatchObject([
      { id: 1, result: '0x0' },
      { id: 2, error: { code: -32601 } },
      { id: null, error: { code: -32600 } },
    ])
    expect(await post(rpcUrl, '{')).toMatchObject({ error: { code: -32700 } })
    expect(await post(rpcUrl, '[]')).toMatchObject({ error: { code: -32600 } })
  })

  it('refuses batches where the node takes none', async () => {
    const { rpcUrl } = await start(false)
    expect(await post(rpcUrl, '[{"id":1,"method":"eth_blockNumber"}]')).toMatchObject({ error: { code: -32600 } })
  })
})

describe('a model chain over WebSocket', () => {
  it('pushes heads and the logs that were asked for, until they are no longer wanted', async () => {
    const { chain, wsUrl } = await start()
    const socket = new WebSocket(wsUrl)
    const frames = framesOf(socket)
    const ask = async (id: number, method: string, ...params: readonly unknown[]): Promise<unknown> => {
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
      return frames.next()
    }
    await new Promise((resolve) => socket.once('open', resolve))
    expect(await ask(1, 'eth_subscribe', 'newHeads')).toMatchObject({ id: 1, result: '0x1' })
    expect(await ask(2, 'eth_subscribe', 'logs', { address: wallet })).toMatchObject({ id: 2, result: '0x2' })
    expect(await ask(3, 'eth_subscribe', 'logs', { address: token })).toMatchObject({ id: 3, result: '0x3' })
    expect(await ask(4, 'eth_subscribe', 'syncing')).toMatchObject({ id: 4, error: { code: -32601 } })
    chain.mine([{ kind: 'token-transfer', token, from: wallet, to: token, value: 3n }])
    const pushed = (subscription: string): object => ({ method: 'eth_subscription', params: { subscription } })
    expect(await frames.next()).toMatchObject({ ...pushed('0x1'), params: { result: { hash: chain.head.hash } } })
    expect(await frames.next()).toMatchObject({ ...pushed('0x3'), params: { result: { address: token } } })
    expect(await ask(5, 'eth_unsubscribe', '0x1')).toMatchObject({ id: 5, result: true })
    chain.mine()
    expect(await ask(6, 'eth_blockNumber')).toMatchObject({ id: 6, result: '0x2' })
    socket.terminate()
  })
})

/** Frames in the order of their arrival. */
function framesOf(socket: WebSocket): { next(): Promise<unknown> } {
  const arrived: unknown[] = []
  const waiting: ((frame: unknown) => void)[] = []
  socket.on('message', (data: Buffer) => {
    const frame: unknown = JSON.parse(data.toString('utf8'))
    const next = waiting.shift()
    if (next === undefined) arrived.push(frame)
    else next(frame)
  })
  return {
    next: () =>
      new Promise((resolve) => {
        const frame = arrived.shift()
        if (frame === undefined) waiting.push(resolve)
        else resolve(frame)
      }),
  }
}
