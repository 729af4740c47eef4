import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import { ChainLedger } from '../../src/ledger/chain-ledger.js'
import { openPostgresStorage } from '../../src/storage/postgres/postgres-storage.js'
import { silentLogger } from '../../src/model/logger.js'
import { CHAIN_ID, serve, wallet } from './model-fixture.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a span that begins after a gap', () => {
  it('begins with what the chain held there, not with what was known before the gap', { timeout: 60_000 }, async () => {
    const w = wallet(1)
    const served = await serve({
      wallets: [
        { address: w, balance: 10n ** 18n },
        { address: wallet(2), balance: 10n ** 19n },
      ],
    })
    closing.push(() => served.close())
    const { chain } = served
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [served.rpcUrl], tokens: [], solvers: [w], database }
    chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    await before.close()
    const cursor = chain.head
    // In the gap the wallet pays.
    chain.mine([{ kind: 'transfer', from: w, to: wallet(2), value: 10n ** 17n }])
    const low = chain.balanceAt(chain.head.hash, 'native', w) as bigint
    chain.mineEmpty(80)
    // The process commits the gap and is killed before the next block.
    const storage = await openPostgresStorage({ databaseUrl: database.url, dataDir: '/nowhere' }, silentLogger)
    const ledger = await ChainLedger.load({
      chainId: CHAIN_ID,
      name: 'Test chain',
      store: storage.ledger,
      source: undefined as never,
      logger: silentLogger,
    })
    const headers = chain
      .canonical()
      .slice(-10)
      .map((b) => ({ number: b.number, hash: b.hash, parentHash: b.parentHash, timestampSeconds: b.timestampSeconds }))
    expect(ledger.cursor?.hash).toBe(cursor.hash)
    await ledger.apply({
      kind: 'gap',
      resumeAt: headers.at(-1)!,
      headers,
      reason: 'no endpoint has the state any more',
    })
    await storage.close()
    const resumed = chain.head.number
    // Meanwhile the wallet gets back what it had at the old cursor, to the wei.
    chain.mineEmpty(200)
    chain.mine([{ kind: 'transfer', from: wallet(2), to: w, value: 10n ** 18n - low }])
    chain.mineEmpty(300)
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(chain.head.number)
    const records = (await after.records({ token: 'native', solver: w })).map((r) => [r.blockNumber, r.balance])
    const coverage = await after.manager.reader.coverage({ chainId: CHAIN_ID, token: 'native', solver: w })
    const probe = resumed + 50n
    const exact = coverage?.some((i) => i.kind === 'exact' && i.from <= probe && (i.to ?? 10n ** 9n) >= probe)
    const stored = records.findLast(([number]) => number! <= probe)?.[1]
    if (exact === true) expect(stored).toBe(low)
  })
})
