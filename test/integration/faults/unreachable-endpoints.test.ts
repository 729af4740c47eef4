import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, it } from 'vitest'

import { networkTransport } from '../../../src/chain/rpc/node-transport.js'
import { RpcClient } from '../../../src/chain/rpc/rpc-client.js'
import { systemClock } from '../../../src/model/clock.js'
import { recordLog } from '../../support/log-recorder.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** The port of a server that answers everything with the chain's number, and one that nothing listens at. */
async function ports(): Promise<{ readonly open: number; readonly closed: number }> {
  const listen = async (): Promise<{ port: number; close: () => void }> => {
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const { id } = JSON.parse(body) as { id: number }
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: '0x1' }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const close = (): void => {
      server.closeAllConnections()
      server.close()
    }
    return { port: (server.address() as AddressInfo).port, close }
  }
  const [open, closed] = [await listen(), await listen()]
  closing.push(open.close)
  closed.close()
  return { open: open.port, closed: closed.port }
}

describe('an endpoint that cannot be reached', () => {
  it.each([
    ['nothing listens', ({ closed }: { closed: number }) => `http://127.0.0.1:${closed}`],
    ['its name is not known', () => 'http://node.invalid'],
    ['it speaks no TLS', ({ open }: { open: number }) => `https://127.0.0.1:${open}`],
  ])('is passed over, and that is said once: %s', async (_why, urlOf) => {
    const found = await ports()
    const { logger, lines } = recordLog()
    const abort = new AbortController()
    closing.push(() => abort.abort())
    const client = new RpcClient({
      chainId: 1n,
      urls: [urlOf(found), `http://127.0.0.1:${found.open}`],
      clock: systemClock,
      transport: networkTransport,
      logger,
      signal: abort.signal,
    })
    for (let count = 0; count < 20; count += 1) expect(await client.request('eth_chainId', [])).toBe('0x1')
    expect(client.endpoints().map(({ healthy }) => healthy)).toEqual([false, true])
    expect(lines.filter(({ message }) => message === 'rpc endpoint failed')).toHaveLength(1)
  })
})
