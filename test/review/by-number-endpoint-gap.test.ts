import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { follow } from '../integration/chain-fixture.js'
import { serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('an endpoint that takes no hashes for blocks', () => {
  it('is followed again after an absence of some blocks', { timeout: 60_000 }, async () => {
    const served = await serve({
      wallets: [{ address: wallet(1), balance: 10n ** 18n }],
      features: { blockHashParam: false },
    })
    closing.push(() => served.close())
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [served.rpcUrl], tokens: [], solvers: [wallet(1)], database }
    served.chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    served.chain.mineEmpty(1)
    await before.reached(4n)
    await before.close()
    served.chain.mineEmpty(30)
    const after = await follow(options)
    closing.push(() => after.close())
    await until('the absence is made up for', async () => {
      const { processed, state, reason } = await after.chain()
      if ((processed ?? 0n) >= 34n) return true
      if (state === 'stalled') throw new Error(`stalled: ${reason}`)
      return false
    })
    expect((await after.chain()).state).toBe('live')
  })
})
