import { afterEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import type { Token } from '../../src/model/position.js'
import { startModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import type { ServedModelChain } from '../../src/testing/model-chain/start-model-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import { follow } from './chain-fixture.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const CHAIN_ID = 31_337n
const silent = `0x${'70'.repeat(20)}` as const
const wallet = (index: number): Address => `0x${(0xabc000 + index).toString(16).padStart(40, '0')}`
const solvers = [1, 2, 3].map(wallet)

/** Follows three blocks, and again after some that were missed. */
async function followAfter(missed: (chain: ServedModelChain['chain']) => void) {
  const served = await startModelChain({
    chainId: CHAIN_ID,
    seed: 1,
    wallets: solvers.map((address) => ({ address, balance: 10n ** 18n })),
    tokens: [{ kind: 'silent', address: silent, holders: { [wallet(1)]: 1000n, [wallet(3)]: 1000n } }],
  })
  closing.push(() => served.close())
  const database = await createTestDatabase()
  closing.push(() => database.drop())
  const options = { rpcUrls: [served.rpcUrl], tokens: [silent], solvers, database }
  served.chain.mineEmpty(3)
  const before = await follow(options)
  await before.reached(3n)
  await before.close()
  missed(served.chain)
  const after = await follow(options)
  closing.push(() => after.close())
  await after.reached(served.chain.head.number)
  return async (token: Token, solver: Address) => {
    const coverage = await after.manager.reader.coverage({ chainId: CHAIN_ID, token, solver })
    return coverage?.find(({ from, to }) => from <= 204n && (to === null || to >= 204n))?.kind
  }
}

describe('missed blocks', () => {
  it('are sampled for every position of a token that one of them shows to move without a log', async () => {
    const move = (from: number, to: number) =>
      ({ kind: 'token-transfer', token: silent, from: wallet(from), to: wallet(to), value: 10n }) as const
    const kindOf = await followAfter((chain) => {
      chain.mineEmpty(200)
      chain.mine([move(1, 2)])
      chain.mineEmpty(50)
      chain.mine([move(2, 1)])
      chain.mineEmpty(100)
      chain.mine([move(3, 2)])
      chain.mineEmpty(200)
    })
    expect(await kindOf(silent, wallet(1))).toBe('sampled')
    expect(await kindOf(silent, wallet(3))).toBe('sampled')
  })

  it('are sampled for an account that lost something without sending anything', async () => {
    const kindOf = await followAfter((chain) => {
      chain.mineEmpty(200)
      chain.mine([{ kind: 'irregular', to: wallet(1), value: -10n }])
      chain.mine([{ kind: 'irregular', to: wallet(2), value: 10n }])
      chain.mineEmpty(350)
    })
    expect(await kindOf('native', wallet(1))).toBe('sampled')
    expect(await kindOf('native', wallet(2))).toBe('exact')
  })
})
