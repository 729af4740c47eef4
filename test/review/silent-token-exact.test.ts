import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from '../integration/chain-fixture.js'
import { CHAIN_ID, serve, wallet } from './support.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const token = `0x${'70'.repeat(20)}` as const

async function playground(kind: 'silent' | 'plain') {
  const served = await serve({
    wallets: [
      { address: wallet(1), balance: 10n ** 18n },
      { address: wallet(2), balance: 10n ** 18n },
    ],
    tokens: [{ kind, address: token, holders: { [wallet(1)]: 1000n } }],
  })
  closing.push(() => served.close())
  const database = await createTestDatabase()
  closing.push(() => database.drop())
  return { served, options: { rpcUrls: [served.rpcUrl], tokens: [token], solvers: [wallet(1)], database } }
}

const there = { kind: 'token-transfer', token, from: wallet(1), to: wallet(2), value: 10n } as const
const back = { kind: 'token-transfer', token, from: wallet(2), to: wallet(1), value: 10n } as const

describe('a token that moves balances without a log', () => {
  it('keeps its right records when history is verified', { timeout: 60_000 }, async () => {
    const { served, options } = await playground('silent')
    served.chain.mineEmpty(3)
    const follower = await follow(options)
    closing.push(() => follower.close())
    await follower.reached(3n)
    served.chain.mine([there])
    await follower.reached(4n)
    served.chain.mineEmpty(2)
    await follower.reached(6n)
    served.chain.mine([back])
    await follower.reached(7n)
    for (let count = 0; count < 3; count += 1) {
      served.chain.mineEmpty(150)
      await follower.reached(7n + 150n * BigInt(count + 1))
    }
    const before = (await follower.records({ token, solver: wallet(1) })).map((r) => [r.blockNumber, r.balance])
    expect(before).toEqual([
      [3n, 1000n],
      [4n, 990n],
      [7n, 1000n],
    ])
    const [report] = await follower.manager.verify({ chainId: CHAIN_ID })
    const after = (await follower.records({ token, solver: wallet(1) })).map((r) => [r.blockNumber, r.balance])
    expect(after).toEqual(before)
    expect(report?.extra).toBe(0)
  })

  it('is not called exact over missed blocks in which it moved there and back', { timeout: 60_000 }, async () => {
    const { served, options } = await playground('silent')
    served.chain.mineEmpty(3)
    const before = await follow(options)
    await before.reached(3n)
    await before.close()
    served.chain.mineEmpty(200)
    served.chain.mine([there])
    served.chain.mineEmpty(50)
    served.chain.mine([back])
    served.chain.mineEmpty(300)
    const after = await follow(options)
    closing.push(() => after.close())
    await after.reached(served.chain.head.number)
    const records = (await after.records({ token, solver: wallet(1) })).map((r) => [r.blockNumber, r.balance])
    const coverage = await after.manager.reader.coverage({ chainId: CHAIN_ID, token, solver: wallet(1) })
    const exactAt204 = coverage?.some((i) => i.kind === 'exact' && i.from <= 204n && (i.to ?? 10n ** 9n) >= 204n)
    expect(exactAt204 === true && records.length === 1).toBe(false)
  })
})
