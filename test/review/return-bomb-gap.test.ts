import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { until } from '../support/until.js'
import { follow } from '../integration/chain-fixture.js'
import { serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

describe('a token that answers with megabytes, on a node without state overrides', () => {
  it('does not keep the chain from making up for an absence', { timeout: 120_000 }, async () => {
    const token = `0x${'7b'.repeat(20)}` as const
    const wallets = Array.from({ length: 40 }, (_, index) => wallet(index))
    const served = await serve({
      wallets: wallets.map((address) => ({ address, balance: 10n ** 18n })),
      tokens: [{ kind: 'return-bomb', address: token, holders: {} }],
      features: { stateOverride: false },
    })
    closing.push(() => served.close())
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [served.rpcUrl], tokens: [token], solvers: wallets, database }
    served.chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    served.chain.mineEmpty(1)
    await before.reached(4n)
    await before.close()
    served.chain.mineEmpty(20)
    const after = await follow(options)
    closing.push(() => after.close())
    await until('the absence is made up for', async () => {
      const { processed, state, reason } = await after.chain()
      if ((processed ?? 0n) >= 24n) return true
      if (state === 'stalled') throw new Error(`stalled: ${reason}`)
      return false
    })
    expect((await after.chain()).state).toBe('live')
  })
})
