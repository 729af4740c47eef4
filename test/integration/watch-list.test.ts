import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Address } from '../../src/model/address.js'
import { silentLogger } from '../../src/model/logger.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const one: Address = `0x${'01'.repeat(20)}`
const two: Address = `0x${'02'.repeat(20)}`
const token: Address = `0x${'0a'.repeat(20)}`
const chains = [
  { chainId: 1n, name: 'One', tokens: [token] },
  { chainId: 10n, name: 'Ten', tokens: [] },
]

describe('the watch list', () => {
  let testDatabase: TestDatabase
  let database: Database
  let watchList: PostgresWatchListStore
  let ledger: PostgresLedgerStore
  let log: PostgresEventLog

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    watchList = new PostgresWatchListStore(database)
    ledger = new PostgresLedgerStore(database)
    log = new PostgresEventLog(database, silentLogger)
  })

  afterEach(async () => {
    await database.close()
    await testDatabase.drop()
  })

  const configure = (solvers: readonly Address[], configured = chains): Promise<void> =>
    watchList.applyConfiguration({ chains: configured, solvers: solvers.map((address) => ({ address, label: null })) })
  const watched = async (chainId: bigint): Promise<string[]> =>
    (await ledger.loadPositions(chainId)).map((position) => `${position.token}/${position.solver}`).toSorted()
  const changes = async (): Promise<number> => (await log.read(0n, 100)).length

  it('watches every solver for native and every token of every chain', async () => {
    await configure([one, two])
    expect(await watched(1n)).toEqual(
      [`native/${one}`, `native/${two}`, `${token}/${one}`, `${token}/${two}`].toSorted(),
    )
    expect(await watched(10n)).toEqual([`native/${one}`, `native/${two}`])
  })

  it('announces a change once, and nothing when nothing changed', async () => {
    await configure([one])
    expect(await changes()).toBe(1)
    await configure([one])
    expect(await changes()).toBe(1)
    await watchList.addSolver({ address: one, label: 'named' })
    expect(await changes()).toBe(1)
    await watchList.addSolver({ address: two })
    expect(await changes()).toBe(2)
  })

  it('tells configured entries from those added at run time, and keeps the latter over restarts', async () => {
    await configure([one])
    await watchList.addSolver({ address: two, label: 'later' })
    await watchList.addTokens(10n, [token])
    await configure([one])
    expect(await watchList.solvers()).toEqual([
      { address: one, label: null, origin: 'config' },
      { address: two, label: 'later', origin: 'runtime' },
    ])
    expect(await watchList.tokens(10n)).toMatchObject([{ address: token, origin: 'runtime' }])
    expect(await watched(10n)).toHaveLength(4)
  })

  it('drops an entry that left the configuration, unless it was also added at run time', async () => {
    await configure([one, two])
    await watchList.addSolver({ address: two })
    await configure([])
    expect(await watchList.solvers()).toEqual([{ address: two, label: null, origin: 'runtime' }])
    expect(await watched(10n)).toEqual([`native/${two}`])
  })

  it('refuses to remove what is configured, and does not know what was never there', async () => {
    await configure([one])
    expect(await watchList.removeSolver(one)).toBe('configured')
    expect(await watchList.removeToken(1n, token)).toBe('configured')
    expect(await watchList.removeSolver(two)).toBe('unknown')
    expect(await watchList.removeToken(10n, token)).toBe('unknown')
    expect(await watched(1n)).toHaveLength(2)
  })

  it('removes what was added, and takes it up again', async () => {
    await configure([one])
    await watchList.addSolver({ address: two })
    expect(await watchList.removeSolver(two)).toBe('removed')
    expect(await watched(10n)).toEqual([`native/${one}`])
    await watchList.addSolver({ address: two })
    expect(await watched(10n)).toEqual([`native/${one}`, `native/${two}`])
  })

  it('changes a label, and leaves it when none is given', async () => {
    await configure([])
    await watchList.addSolver({ address: one, label: 'a' })
    expect(await watchList.addSolver({ address: one })).toMatchObject({ label: 'a' })
    expect(await watchList.addSolver({ address: one, label: 'b' })).toMatchObject({ label: 'b' })
    expect(await watchList.addSolver({ address: one, label: null })).toMatchObject({ label: null })
  })

  it('gives the same result to many changes at once', async () => {
    await configure([])
    const solvers = Array.from({ length: 20 }, (_, index): Address => `0x${(index + 16).toString(16).repeat(20)}`)
    await Promise.all(
      solvers.flatMap((address) => [watchList.addSolver({ address }), watchList.addSolver({ address })]),
    )
    expect(await watchList.solvers()).toHaveLength(20)
    expect(await watched(1n)).toHaveLength(40)
  })

  it('does not know the tokens of a chain that is not configured', async () => {
    await configure([one])
    expect(await watchList.tokens(77n)).toBeNull()
  })
})
