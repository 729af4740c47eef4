import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { TotalsRequest } from '../../src/ledger/balance-reader.js'
import { withChainState } from '../../src/ledger/with-chain-state.js'
import type { BalanceTotal } from '../../src/model/balance-statistics.js'
import { blockCommit, chainId, header, openStore, record, solver, token } from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'

const LARGEST = 10n ** 78n - 1n
const unread = `0x${'d4'.repeat(20)}` as const
const other = `0x${'b2'.repeat(20)}` as const

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await openStore()
  await fixture.watchList.applyConfiguration({
    chains: [{ chainId, name: 'Test', tokens: [token] }],
    solvers: [
      { address: solver, label: 'hot' },
      { address: other, label: 'warm' },
    ],
  })
  const positions = await fixture.store.loadPositions(chainId)
  const idOf = (owner: string, asset: string): bigint =>
    positions.find((position) => position.solver === owner && position.token === asset)?.id ?? -1n
  const metadata = { decimals: 6, symbol: 'USDC', name: 'USD Coin' }
  const records = [
    record(idOf(solver, 'native'), LARGEST, null),
    record(idOf(other, 'native'), LARGEST, null),
    { ...record(idOf(solver, token), 5n, null), metadata },
    { ...record(idOf(other, token), 7n, null), metadata },
  ]
  const opened = records.map(({ positionId }) => positionId)
  await fixture.store.commitBlock(blockCommit(header(9n), header(10n), { records, opened }))
  const stale = [{ positionId: idOf(other, token), reason: 'it failed' }]
  await fixture.store.commitBlock(blockCommit(header(10n), header(11n), { stale }))
})

afterAll(async () => {
  await fixture.close()
})

const brief = ({ token: of, solver: by, balance, positions, stale, symbol }: BalanceTotal): unknown => [
  of === 'native' ? of : 'token',
  by,
  balance,
  positions,
  stale,
  symbol,
]

async function totals(request: Partial<TotalsRequest>): Promise<readonly unknown[]> {
  const { items } = await fixture.reader.totals({ by: 'token', limit: 10, ...request })
  return items.map(brief)
}

describe('totals', () => {
  it('by token are exact beyond the size of any one balance, and tell how many positions are stale', async () => {
    expect(await totals({})).toEqual([
      ['native', null, 2n * LARGEST, 2, 0, null],
      ['token', null, 12n, 2, 1, 'USDC'],
    ])
  })

  it('are those of one solver, token or chain when asked for it', async () => {
    expect(await totals({ solver: other })).toEqual([
      ['native', null, LARGEST, 1, 0, null],
      ['token', null, 7n, 1, 1, 'USDC'],
    ])
    expect(await totals({ token })).toEqual([['token', null, 12n, 2, 1, 'USDC']])
    expect(await totals({ chainId: 2n })).toEqual([])
  })

  it('by solver and token come page by page, each once', async () => {
    const pages: unknown[] = []
    let after: bigint | undefined
    for (;;) {
      const { items, nextCursor } = await fixture.reader.totals({ by: 'solver-token', limit: 3, after })
      pages.push(items.map(brief))
      if (nextCursor === null) break
      after = nextCursor
    }
    expect(pages.map((page) => (page as unknown[]).length)).toEqual([3, 1])
    expect(pages.flat()).toEqual(
      expect.arrayContaining([
        ['native', solver, LARGEST, 1, 0, null],
        ['token', solver, 5n, 1, 0, 'USDC'],
        ['native', other, LARGEST, 1, 0, null],
        ['token', other, 7n, 1, 1, 'USDC'],
      ]),
    )
  })

  it('are all stale while their chain is not followed', async () => {
    const reader = withChainState(fixture.reader, () => 'the node is away')
    const { items } = await reader.totals({ by: 'token', limit: 10 })
    expect(items.map(({ positions, stale }) => [positions, stale])).toEqual([
      [2, 2],
      [2, 2],
    ])
  })

  it('tell how many positions are missing in the sum because nothing could be read of them', async () => {
    await fixture.watchList.addSolver({ address: unread, label: undefined })
    await fixture.store.loadPositions(chainId)
    const unknown = async (request: Partial<TotalsRequest>): Promise<readonly (readonly number[])[]> =>
      (await fixture.reader.totals({ by: 'token', limit: 10, ...request })).items.map((total) => [
        total.positions,
        total.unknown,
      ])
    expect(await unknown({})).toEqual([
      [2, 1],
      [2, 1],
    ])
    expect(await unknown({ solver })).toEqual([
      [1, 0],
      [1, 0],
    ])
    expect(await unknown({ solver: unread })).toEqual([])
    expect(await totals({})).toEqual([
      ['native', null, 2n * LARGEST, 2, 0, null],
      ['token', null, 12n, 2, 1, 'USDC'],
    ])
    await fixture.watchList.removeSolver(unread)
    expect(await unknown({})).toEqual([
      [2, 0],
      [2, 0],
    ])
  })

  it('keep what is no longer watched, as stale', async () => {
    await fixture.watchList.applyConfiguration({
      chains: [{ chainId, name: 'Test', tokens: [token] }],
      solvers: [{ address: solver, label: 'hot' }],
    })
    expect(await totals({})).toEqual([
      ['native', null, 2n * LARGEST, 2, 1, null],
      ['token', null, 12n, 2, 1, 'USDC'],
    ])
  })
})
