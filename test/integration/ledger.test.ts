import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { ChainLedger } from '../../src/ledger/chain-ledger.js'
import type { HistorySource } from '../../src/ledger/history/history-source.js'
import type { Address } from '../../src/model/address.js'
import type { BlockHeader } from '../../src/model/block.js'
import type { BalanceReading, ChainEvent } from '../../src/model/chain-event.js'
import { silentLogger } from '../../src/model/logger.js'
import { positionKey } from '../../src/model/position.js'
import type { Hash, Token } from '../../src/model/position.js'
import { PostgresBalanceReader } from '../../src/storage/postgres/balance-reader.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const chainId = 1n
const solver: Address = `0x${'a1'.repeat(20)}`
const other: Address = `0x${'b2'.repeat(20)}`
const token: Address = `0x${'c3'.repeat(20)}`

/** Hashes of a branch: block 7 of branch `a` is 0xaa…07. */
const hashOf = (number: bigint, branch = 'a'): Hash => `0x${branch.repeat(52)}${number.toString(16).padStart(12, '0')}`
const header = (number: bigint, branch = 'a', parentBranch = branch): BlockHeader => ({
  number,
  hash: hashOf(number, branch),
  parentHash: hashOf(number - 1n, parentBranch),
  timestampSeconds: 1_700_000_000 + Number(number) * 12,
})
const read = (at: Token, holder: Address, balance: bigint): BalanceReading => ({
  kind: 'balance',
  position: { chainId, token: at, solver: holder },
  balance,
})
const failed = (at: Token, holder: Address): BalanceReading => ({
  kind: 'failed',
  position: { chainId, token: at, solver: holder },
  reason: 'it reverted',
})
const block = (blockHeader: BlockHeader, readings: readonly BalanceReading[]): ChainEvent => ({
  kind: 'block',
  observation: {
    header: blockHeader,
    readings,
    attributions: new Map(),
    metadata: new Map(),
    finality: { safe: null, finalized: null },
  },
})

/** These tests have no chain beside the events: what is stored cannot be compared with it. */
const unreachable = (): Promise<never> => Promise.reject(new Error('no chain to ask'))
const noSource: HistorySource = { header: unreachable, balancesAt: unreachable, search: unreachable }

describe('the ledger in PostgreSQL', () => {
  let testDatabase: TestDatabase
  let database: Database
  let store: PostgresLedgerStore
  let watchList: PostgresWatchListStore
  let reader: PostgresBalanceReader
  let log: PostgresEventLog

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    store = new PostgresLedgerStore(database)
    watchList = new PostgresWatchListStore(database)
    reader = new PostgresBalanceReader(database)
    log = new PostgresEventLog(database, silentLogger)
    await watchList.applyConfiguration({
      chains: [{ chainId, name: 'Test', tokens: [] }],
      solvers: [{ address: solver, label: 'hot' }],
    })
  })

  afterEach(async () => {
    await database.close()
    await testDatabase.drop()
  })

  const loadLedger = (): Promise<ChainLedger> =>
    ChainLedger.load({ chainId, name: 'Test', store, source: noSource, logger: silentLogger })

  /** A ledger whose cursor stands at block 9. */
  const startedLedger = async (): Promise<ChainLedger> => {
    const ledger = await loadLedger()
    await ledger.apply({ kind: 'started', genesisHash: hashOf(0n), headers: [header(8n), header(9n)] })
    return ledger
  }

  const apply = async (ledger: ChainLedger, ...events: readonly ChainEvent[]): Promise<void> => {
    for (const event of events) {
      await ledger.positions()
      await ledger.apply(event)
    }
  }

  const history = async (
    at: Token = 'native',
    holder = solver,
  ): Promise<readonly [bigint, bigint, bigint | null][]> => {
    const page = await reader.history({ position: { chainId, token: at, solver: holder }, limit: 100 })
    return (page?.items ?? []).map((record) => [record.blockNumber, record.balance, record.previousBalance])
  }

  const coverage = async (): Promise<readonly [bigint, bigint | null][]> => {
    const rows = await database.query<{ from_number: string; to_number: string | null }>({
      name: 'test-coverage',
      text: `select from_number, to_number from tidemark.coverage join tidemark.position on position.id = position_id
             where token = '' and solver = $1 order by from_number`,
      values: [Buffer.from(solver.slice(2), 'hex')],
    })
    return rows.map((row) => [BigInt(row.from_number), row.to_number === null ? null : BigInt(row.to_number)])
  }

  const eventTypes = async (): Promise<string[]> =>
    (await log.read(0n, 100)).map((event) => event.type).filter((type) => type !== 'watch-list.changed')

  it('records a first reading, also of zero, and afterwards only what changed', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 0n)]),
      block(header(11n), [read('native', solver, 0n)]),
      block(header(12n), [read('native', solver, 5n)]),
      block(header(13n), [read('native', solver, 5n)]),
    )
    expect(await history()).toEqual([
      [12n, 5n, 0n],
      [10n, 0n, null],
    ])
    expect(await eventTypes()).toEqual(['position.started', 'balance.updated'])
    const balance = await reader.currentBalance({ chainId, token: 'native', solver })
    expect(balance).toMatchObject({
      balance: 5n,
      blockNumber: 12n,
      verified: { number: 13n, hash: hashOf(13n) },
      staleReason: null,
    })
  })

  it('keeps amounts of 78 digits exactly', async () => {
    const ledger = await startedLedger()
    const largest = 2n ** 256n - 1n
    await apply(ledger, block(header(10n), [read('native', solver, largest)]))
    expect(await history()).toEqual([[10n, largest, null]])
    const [started] = await log
      .read(0n, 100)
      .then((events) => events.filter((event) => event.type === 'position.started'))
    expect(started?.data).toMatchObject({ balance: largest })
  })

  it('tells block 9,999,999 from block 10,000,000', async () => {
    const ledger = await loadLedger()
    await ledger.apply({ kind: 'started', genesisHash: null, headers: [header(9_999_998n)] })
    await apply(
      ledger,
      block(header(9_999_999n), [read('native', solver, 1n)]),
      block(header(10_000_000n), [read('native', solver, 2n)]),
    )
    expect((await history()).map(([number]) => number)).toEqual([10_000_000n, 9_999_999n])
    expect(await reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({ balance: 2n })
  })

  it('refuses a block that does not build on the stored cursor, and stores nothing of it', async () => {
    const one = await startedLedger()
    const two = await loadLedger()
    await apply(one, block(header(10n), [read('native', solver, 1n)]))
    await expect(apply(two, block(header(10n), [read('native', solver, 1n)]))).rejects.toMatchObject({
      code: 'cursor_moved',
    })
    expect(await history()).toEqual([[10n, 1n, null]])
    expect(await eventTypes()).toEqual(['position.started'])
  })

  it('goes on from the stored cursor after a restart, without a second record', async () => {
    await apply(await startedLedger(), block(header(10n), [read('native', solver, 1n)]))
    const restarted = await loadLedger()
    expect(restarted.cursor).toEqual(header(10n))
    await apply(restarted, block(header(11n), [read('native', solver, 1n)]))
    expect(await history()).toEqual([[10n, 1n, null]])
  })

  it('takes back what a reorganisation orphaned and says so', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 1n)]),
      block(header(11n), [read('native', solver, 2n)]),
      block(header(12n), [read('native', solver, 3n)]),
      { kind: 'reorg', ancestor: header(10n), orphaned: [header(12n), header(11n)] },
    )
    expect(await history()).toEqual([[10n, 1n, null]])
    expect(ledger.cursor).toEqual(header(10n))
    const reverted = (await log.read(0n, 100)).find((event) => event.type === 'balance.reverted')
    expect(reverted?.data).toEqual({
      chainId,
      ancestor: { number: 10n, hash: hashOf(10n) },
      items: [
        {
          position: { chainId, token: 'native', solver },
          orphaned: [
            { blockNumber: 12n, blockHash: hashOf(12n), balance: 3n },
            { blockNumber: 11n, blockHash: hashOf(11n), balance: 2n },
          ],
          balance: 1n,
          blockNumber: 10n,
        },
      ],
    })
    await apply(ledger, block(header(11n, 'b', 'a'), [read('native', solver, 7n)]))
    expect(await history()).toEqual([
      [11n, 7n, 1n],
      [10n, 1n, null],
    ])
    expect(await coverage()).toEqual([[10n, null]])
    const kept = await database.query<{ count: string }>({
      name: 'kept',
      text: 'select count(*) from tidemark.orphaned_record',
    })
    expect(kept[0]?.count).toBe('2')
  })

  it('replaces a first record that was orphaned at the next canonical block', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 4n)]),
      { kind: 'reorg', ancestor: header(9n), orphaned: [header(10n)] },
      block(header(10n, 'b', 'a'), [read('native', solver, 4n)]),
    )
    expect(await history()).toEqual([[10n, 4n, null]])
    expect(await coverage()).toEqual([[10n, null]])
    expect(await eventTypes()).toEqual(['position.started', 'balance.reverted', 'position.started'])
    const page = await reader.history({ position: { chainId, token: 'native', solver }, limit: 1 })
    expect(page?.items[0]?.blockHash).toBe(hashOf(10n, 'b'))
  })

  it('shows a position that cannot be read as stale with its last known value, never as zero', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 4n)]),
      block(header(11n), [failed('native', solver)]),
      block(header(12n), [failed('native', solver)]),
    )
    expect(await reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      balance: 4n,
      staleReason: 'it reverted',
      verified: { number: 10n, hash: hashOf(10n) },
    })
    expect(await coverage()).toEqual([[10n, 10n]])

    await apply(ledger, block(header(13n), [read('native', solver, 4n)]))
    expect(await reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      balance: 4n,
      staleReason: null,
      verified: { number: 13n },
    })
    expect(await history()).toEqual([[10n, 4n, null]])
    expect(await coverage()).toEqual([
      [10n, 10n],
      [13n, null],
    ])
  })

  it('reopens the coverage that a reorganisation proves unbroken', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 4n)]),
      block(header(11n), [read('native', solver, 4n)]),
      block(header(12n), [failed('native', solver)]),
      block(header(13n), [read('native', solver, 4n)]),
      { kind: 'reorg', ancestor: header(10n), orphaned: [header(13n), header(12n), header(11n)] },
    )
    expect(await coverage()).toEqual([[10n, null]])
    await apply(ledger, block(header(11n, 'b', 'a'), [read('native', solver, 4n)]))
    expect(await coverage()).toEqual([[10n, null]])
    expect(await history()).toEqual([[10n, 4n, null]])
  })

  it('goes on from the last known balance when a reorganisation undoes the block of a recovery', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 5n)]),
      block(header(11n), [failed('native', solver)]),
      block(header(12n), [failed('native', solver)]),
      block(header(13n), [read('native', solver, 5n)]),
      { kind: 'reorg', ancestor: header(12n), orphaned: [header(13n)] },
      block(header(13n, 'b', 'a'), [read('native', solver, 5n)]),
    )
    expect(await history()).toEqual([[10n, 5n, null]])
    expect(await eventTypes()).toEqual(['position.started'])
  })

  it('announces a change over a gap again when its block is replaced', async () => {
    const ledger = await startedLedger()
    await apply(
      ledger,
      block(header(10n), [read('native', solver, 5n)]),
      { kind: 'gap', resumeAt: header(100n), headers: [header(98n), header(99n)], reason: 'away' },
      block(header(100n), [read('native', solver, 7n)]),
      { kind: 'reorg', ancestor: header(99n), orphaned: [header(100n)] },
      block(header(100n, 'b', 'a'), [read('native', solver, 7n)]),
    )
    expect(await history()).toEqual([
      [100n, 7n, 5n],
      [10n, 5n, null],
    ])
    expect(await eventTypes()).toEqual(['position.started', 'balance.updated', 'balance.reverted', 'balance.updated'])
  })

  it('starts a position anew that was taken up again, although its first reading failed', async () => {
    const ledger = await startedLedger()
    await watchList.addSolver({ address: other })
    ledger.outdate()
    await apply(ledger, block(header(10n), [read('native', solver, 1n), read('native', other, 3n)]))
    await watchList.removeSolver(other)
    ledger.outdate()
    await apply(ledger, block(header(11n), [read('native', solver, 1n)]))
    await watchList.addSolver({ address: other })
    ledger.outdate()
    await apply(
      ledger,
      block(header(12n), [read('native', solver, 1n), failed('native', other)]),
      block(header(13n), [read('native', solver, 1n), read('native', other, 3n)]),
    )
    expect(await history('native', other)).toEqual([
      [13n, 3n, null],
      [10n, 3n, null],
    ])
  })

  it('keeps what is known of a token when a node does not tell it for once', async () => {
    const ledger = await startedLedger()
    const withMetadata = (
      at: BlockHeader,
      balance: bigint,
      decimals: number | null,
      symbol: string | null,
    ): ChainEvent => ({
      kind: 'block',
      observation: {
        header: at,
        readings: [read('native', solver, balance)],
        attributions: new Map(),
        metadata: new Map([['native', { decimals, symbol, name: null }]]),
        finality: { safe: null, finalized: null },
      },
    })
    await apply(ledger, withMetadata(header(10n), 1n, 6, 'USDC'), withMetadata(header(11n), 2n, null, null))
    expect(await reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      decimals: 6,
      symbol: 'USDC',
    })
    const [position] = [...(await (await loadLedger()).positions()).values()]
    expect(position?.metadata).toEqual({ decimals: 6, symbol: 'USDC', name: null })
  })

  it('lets finality only move on', async () => {
    const ledger = await startedLedger()
    await ledger.apply({ kind: 'finality', finality: { safe: 9n, finalized: 8n } })
    await store.commitFinality(chainId, { safe: null, finalized: 7n })
    expect((await reader.chains())[0]?.finality).toEqual({ safe: 9n, finalized: 8n })
  })

  it('can be loaded after a rollback to a block older than the headers that are kept', async () => {
    const ledger = await startedLedger()
    for (let number = 10n; number <= 340n; number += 1n) await apply(ledger, block(header(number), []))
    await apply(ledger, { kind: 'reorg', ancestor: header(20n), orphaned: [] })
    const reloaded = await loadLedger()
    expect(reloaded.cursor).toEqual(header(20n))
    await apply(reloaded, block(header(21n, 'b', 'a'), [read('native', solver, 1n)]))
    expect(await history()).toEqual([[21n, 1n, null]])
  })

  it('ends coverage at a gap and records a change over it without naming a transaction', async () => {
    const ledger = await startedLedger()
    await apply(ledger, block(header(10n), [read('native', solver, 4n)]))
    const resumeAt = header(5000n)
    await apply(ledger, { kind: 'gap', resumeAt, headers: [header(4998n), header(4999n)], reason: 'away too long' })
    expect(await reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      staleReason: 'away too long',
      verified: { number: 10n },
    })
    await apply(ledger, block(resumeAt, [read('native', solver, 9n)]))
    expect(await history()).toEqual([
      [5000n, 9n, 4n],
      [10n, 4n, null],
    ])
    expect(await coverage()).toEqual([
      [10n, 10n],
      [5000n, null],
    ])
  })

  it('starts an added solver and token at the next block, and keeps the history of what was removed', async () => {
    const ledger = await startedLedger()
    await apply(ledger, block(header(10n), [read('native', solver, 1n)]))
    await watchList.addSolver({ address: other, label: 'new' })
    await watchList.addTokens(chainId, [token])
    ledger.outdate()
    expect([...(await ledger.positions()).keys()].toSorted()).toEqual(
      [
        { chainId, token: 'native' as const, solver },
        { chainId, token: 'native' as const, solver: other },
        { chainId, token, solver },
        { chainId, token, solver: other },
      ]
        .map(positionKey)
        .toSorted(),
    )
    await apply(
      ledger,
      block(header(11n), [
        read('native', solver, 1n),
        read('native', other, 2n),
        read(token, solver, 0n),
        read(token, other, 3n),
      ]),
    )
    expect(await history('native', other)).toEqual([[11n, 2n, null]])
    expect(await history(token, solver)).toEqual([[11n, 0n, null]])

    expect(await watchList.removeSolver(other)).toBe('removed')
    ledger.outdate()
    expect((await ledger.positions()).size).toBe(2)
    expect(await history('native', other)).toEqual([[11n, 2n, null]])
    expect(await reader.currentBalance({ chainId, token: 'native', solver: other })).toMatchObject({
      staleReason: 'no longer watched',
      verified: { number: 11n },
    })

    await apply(ledger, block(header(12n), [read('native', solver, 1n), read(token, solver, 0n)]))
    await watchList.addSolver({ address: other })
    ledger.outdate()
    expect(await reader.currentBalance({ chainId, token: 'native', solver: other })).toMatchObject({
      staleReason: 'waiting for the next block',
      verified: { number: 11n },
    })
    await apply(ledger, block(header(13n), [read('native', solver, 1n), read('native', other, 2n)]))
    expect(await history('native', other)).toEqual([
      [13n, 2n, null],
      [11n, 2n, null],
    ])
  })

  it('pages through history without loss or repetition', async () => {
    const ledger = await startedLedger()
    for (let number = 10n; number < 35n; number += 1n) {
      await apply(ledger, block(header(number), [read('native', solver, number)]))
    }
    const seen: bigint[] = []
    let beforeBlock: bigint | undefined
    do {
      const page = await reader.history({ position: { chainId, token: 'native', solver }, limit: 7, beforeBlock })
      seen.push(...(page?.items ?? []).map((record) => record.blockNumber))
      beforeBlock = page?.nextCursor ?? undefined
    } while (beforeBlock !== undefined)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => 34n - BigInt(index)))
  })

  it('keeps only the newest headers', async () => {
    const ledger = await startedLedger()
    for (let number = 10n; number <= 330n; number += 1n) await apply(ledger, block(header(number), []))
    const rows = await database.query<{ first: string; count: string }>({
      name: 'headers',
      text: 'select min(number) as first, count(*) as count from tidemark.block',
    })
    expect(Number(rows[0]?.count)).toBeLessThanOrEqual(256 + 64)
    expect(Number(rows[0]?.count)).toBeGreaterThanOrEqual(256)
    expect((await loadLedger()).headers).toHaveLength(256)
  })
})
