import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from '../integration/chain-fixture.js'
import { CHAIN_ID, serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const honest = `0x${'70'.repeat(20)}` as const
const noisy = `0x${'71'.repeat(20)}` as const

describe('a token with more logs in one block than the node gives at once', () => {
  it('does not spoil what is proven of the other tokens', { timeout: 60_000 }, async () => {
    const served = await serve({
      wallets: [1, 2].map((index) => ({ address: wallet(index), balance: 10n ** 18n })),
      tokens: [
        { kind: 'plain', address: honest, holders: { [wallet(1)]: 1000n } },
        { kind: 'phantom', address: noisy, holders: { [wallet(1)]: 1000n } },
      ],
      features: { maxLogResults: 50 },
    })
    closing.push(() => served.close())
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const options = { rpcUrls: [served.rpcUrl], tokens: [honest, noisy], solvers: [wallet(1)], database }
    served.chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    await before.close()
    served.chain.mineEmpty(100)
    served.chain.mine([{ kind: 'token-transfer', token: honest, from: wallet(1), to: wallet(2), value: 10n }])
    served.chain.mine(
      Array.from(
        { length: 60 },
        () =>
          ({
            kind: 'phantom-transfer',
            token: noisy,
            from: wallet(2),
            to: wallet(1),
            value: 1n,
          }) as const,
      ),
    )
    served.chain.mineEmpty(400)
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(served.chain.head.number)
    const coverage = await after.manager.reader.coverage({ chainId: CHAIN_ID, token: honest, solver: wallet(1) })
    expect(coverage?.map(({ kind }) => kind)).toEqual(['exact'])
  })
})
