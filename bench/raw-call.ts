import { systemClock } from '../src/model/clock.js'
import { networkTransport } from '../src/chain/rpc/node-transport.js'
import type { BlockHeader } from '../src/model/block.js'
import { fetchLatestHeader } from '../src/chain/head/fetch-headers.js'
import { scanByOverride } from '../src/chain/balances/scan-by-override.js'
import { RpcClient } from '../src/chain/rpc/rpc-client.js'
import { silentLogger } from '../src/model/logger.js'
import type { Holding } from '../src/testing/index.js'

/** Sends the `eth_call` that reads all positions, or the few it takes, and waits for the whole answer. */
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
  const calls = await encodeCalls(client, header, queries)
  return async (blockHash) => {
    const bodies = calls.map(([transaction, override]) =>
      JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'eth_call',
        params: [transaction, { blockHash, requireCanonical: true }, override],
      }),
    )
    const startedAt = performance.now()
    for (const body of bodies) {
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      const text = await response.text()
      if (!text.includes('"result"')) throw new Error(`expected a result, got ${text.slice(0, 200)}`)
    }
    return performance.now() - startedAt
  }
}

type Call = readonly [transaction: unknown, override: unknown]

/** The fewest calls that read everything: the node's gas for one call decides. One is enough for thousands. */
async function encodeCalls(client: RpcClient, header: BlockHeader, queries: readonly Holding[]): Promise<Call[]> {
  const calls: Call[] = []
  for (let done = 0; done < queries.length;) {
    let params: readonly unknown[] = []
    const rest = queries.slice(done, done + 10_000)
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
        rest,
      ),
    )
    if (answers.length === 0) throw new Error('expected at least one balance in a call')
    calls.push([params[0], params[2]])
    done += answers.length
  }
  return calls
}
