import { systemClock } from '../src/model/clock.js'
import { networkTransport } from '../src/chain/rpc/node-transport.js'
import { fetchLatestHeader } from '../src/chain/head/fetch-headers.js'
import { scanByOverride } from '../src/chain/balances/scan-by-override.js'
import { RpcClient } from '../src/chain/rpc/rpc-client.js'
import { silentLogger } from '../src/model/logger.js'
import type { Holding } from '../src/testing/index.js'

/** Sends the one `eth_call` that reads all positions, and waits for the whole answer: what cannot be done without. */
export type RawCall = (blockHash: string) => Promise<number>

/** @returns a function that gives the milliseconds of one such call at a block. */
export async function prepareRawCall(url: string, positions: readonly Holding[]): Promise<RawCall> {
  const client = new RpcClient({
    chainId: 31_337n,
    urls: [url],
    clock: systemClock,
    transport: networkTransport,
    logger: silentLogger,
    signal: new AbortController().signal,
  })
  const header = await fetchLatestHeader(client)
  // The order in which the store hands positions to the reader: by token.
  const queries = positions.toSorted((a, b) => (a.token < b.token ? -1 : a.token > b.token ? 1 : 0))
  let params: readonly unknown[] = []
  const answers = await client.run((session) =>
    scanByOverride(
      {
        ...session,
        request(method, sent) {
          params = sent
          return session.request(method, sent)
        },
      },
      header,
      queries,
    ),
  )
  if (answers.length !== queries.length)
    throw new Error(`expected ${queries.length} balances in one call, got ${answers.length}`)
  const [transaction, , override] = params
  return async (blockHash) => {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_call',
      params: [transaction, { blockHash, requireCanonical: true }, override],
    })
    const startedAt = performance.now()
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await response.text()
    const tookMs = performance.now() - startedAt
    if (!text.includes('"result"')) throw new Error(`expected a result, got ${text.slice(0, 200)}`)
    return tookMs
  }
}
