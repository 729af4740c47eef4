import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import { CHAIN_ID, serve, wallet } from '../support/serve-model-chain.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('backfill right after the first start', () => {
  it('fills in up to a block that is not final yet and whose header is not kept', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [{ address: wallet(1), balance: 10n ** 18n }], finality: null })
    closing.push(() => served.close())
    served.chain.mineEmpty(500)
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const follower = await follow({ rpcUrls: [served.rpcUrl], tokens: [], solvers: [wallet(1)], database })
    closing.push(() => follower.close())
    await follower.reached(500n)
    const [report] = await follower.manager.backfill({ chainId: CHAIN_ID, fromBlock: 10n, toBlock: 400n })
    expect(report?.blocks).toBe(391n)
  })
})
