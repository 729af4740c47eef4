import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from '../integration/chain-fixture.js'
import { startProxy } from '../integration/chain-proxy.js'
import { CHAIN_ID, serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const HISTORY_SCANNER = '0x7469646d61726b207363616e6e65720000000002'

describe('a chain whose BLOCKHASH knows nothing of its own blocks, as on Arbitrum', () => {
  it('is searched over an absence of more than 256 blocks', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 10n ** 18n }] })
    closing.push(() => served.close())
    const proxy = await startProxy(served)
    closing.push(() => proxy.close())
    let zeroed = 0
    proxy.intercept(async (call, forward) => {
      const answer = await forward(call)
      const [tx] = call.params as [{ to?: string; data?: string }?]
      const isAncestors =
        call.method === 'eth_call' && tx?.to === HISTORY_SCANNER && tx.data?.slice(10, 50) === '3'.padStart(40, '0')
      if (!isAncestors || !('result' in answer) || typeof answer.result !== 'string') return answer
      zeroed += 1
      const head = answer.result.slice(0, 2 + 128)
      const items = (answer.result.length - 2 - 128) / 66
      return { result: head + `01${'0'.repeat(64)}`.repeat(items) }
    })
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [proxy.url], tokens: [], solvers: [wallet(1)], database }
    served.chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    await before.close()
    served.chain.mineEmpty(200)
    served.chain.mine([{ kind: 'transfer', from: wallet(1), to: wallet(2), value: 5n }])
    served.chain.mineEmpty(250)
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(served.chain.head.number)
    expect(zeroed).toBeGreaterThan(0)
    const records = (await after.records({ token: 'native', solver: wallet(1) })).map((r) => r.blockNumber)
    const coverage = await after.manager.reader.coverage({ chainId: CHAIN_ID, token: 'native', solver: wallet(1) })
    expect(records).toEqual([3n, 204n])
    expect(coverage?.map((i) => i.kind)).toEqual(['exact'])
  })
})
