import { afterEach, describe, expect, it } from 'vitest'

import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'
import { CHAIN_ID, serve, wallet } from '../support/serve-model-chain.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const token = `0x${'70'.repeat(20)}` as const

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

describe('backfill of a token that was deployed within the blocks', () => {
  it('fills in the blocks since the deployment', { timeout: 60_000 }, async () => {
    const served = await serve({ wallets: [1, 2].map((i) => ({ address: wallet(i), balance: 10n ** 18n })) })
    closing.push(() => served.close())
    const { chain } = served
    chain.mineEmpty(20)
    chain.mine([{ kind: 'deploy-token', token: { kind: 'plain', address: token, holders: { [wallet(1)]: 1000n } } }])
    chain.mineEmpty(20)
    chain.mine([{ kind: 'token-transfer', token, from: wallet(1), to: wallet(2), value: 10n }])
    chain.mineEmpty(40)
    const database = await createTestDatabase()
    closing.push(() => database.drop())
    const follower = await follow({ rpcUrls: [served.rpcUrl], tokens: [token], solvers: [wallet(1)], database })
    closing.push(() => follower.close())
    await follower.reached(chain.head.number)
    await follower.manager.backfill({ chainId: CHAIN_ID })
    const records = (await follower.records({ token, solver: wallet(1) })).map((r) => [r.blockNumber, r.balance])
    expect(records.slice(0, 2)).toEqual([
      [21n, 1000n],
      [42n, 990n],
    ])
  })
})
