import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { ChainLedger } from '../../src/ledger/chain-ledger.js'
import { announceHistory } from '../../src/ledger/history/announce-history.js'
import { fillHistory } from '../../src/ledger/history/fill-history.js'
import type { FillOptions, FillReport } from '../../src/ledger/history/fill-history.js'
import { openScope } from '../../src/ledger/history/history-scope.js'
import { verifyHistory } from '../../src/ledger/history/verify-history.js'
import type { VerifyReport } from '../../src/ledger/history/verify-history.js'
import type { ChainEvent } from '../../src/model/chain-event.js'
import type { LoggedEvent } from '../../src/model/event.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Position } from '../../src/model/position.js'
import { PostgresBalanceReader } from '../../src/storage/postgres/balance-reader.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { longTimeoutMs, times } from '../support/long.js'
import { PaperChain } from '../support/paper-chain.js'
import type { Step } from '../support/paper-chain.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'

const chainId = 1n
const one: Position = { chainId, token: 'native', solver: `0x${'a1'.repeat(20)}` }
const two: Position = { ...one, solver: `0x${'b2'.repeat(20)}` }
const both = [one, two]
/** Prepared statements have a name each. */
let statements = 0

describe('the history of a ledger', () => {
  let testDatabase: TestDatabase
  let database: Database
  let store: PostgresLedgerStore
  let reader: PostgresBalanceReader
  let log: PostgresEventLog

  beforeEach(async () => {
    testDatabase = await createTestDatabase()
    database = new Database(testDatabase.address, silentLogger)
    store = new PostgresLedgerStore(database)
    reader = new PostgresBalanceReader(database)
    log = new PostgresEventLog(database, silentLogger)
    await new PostgresWatchListStore(database).applyConfiguration({
      chains: [{ chainId, name: 'Paper', tokens: [] }],
      solvers: both.map(({ solver }) => ({ address: solver, label: null })),
    })
  })

  afterEach(async () => {
    await database.close()
    await testDatabase.drop()
  })

  const load = (chain: PaperChain): Promise<ChainLedger> =>
    ChainLedger.load({ chainId, name: 'Paper', store, source: chain.source, logger: silentLogger })

  /** Follows the blocks from one to another, both inclusive, as the live loop does. */
  const follow = async (chain: PaperChain, from: bigint, to: bigint): Promise<ChainLedger> => {
    const ledger = await load(chain)
    if (ledger.cursor === undefined) await ledger.apply(chain.started(from - 1n))
    for (let number = from; number <= to; number += 1n) {
      await ledger.positions()
      await ledger.apply(chain.block(number, both))
    }
    return ledger
  }

  const scopeOf = (chain: PaperChain) =>
    openScope({ chainId, name: 'Paper', store, source: chain.source, logger: silentLogger })

  const fill = async (
    chain: PaperChain,
    from = 0n,
    to = 1_000_000n,
    options: Pick<FillOptions, 'sliceBlocks'> = {},
  ): Promise<FillReport> => {
    const scope = await scopeOf(chain)
    return fillHistory(scope, { positions: scope.positions, range: { from, to }, ...options }).finally(() =>
      announceHistory(scope),
    )
  }

  const verify = async (chain: PaperChain, dryRun = false, from = 0n): Promise<VerifyReport> => {
    const scope = await scopeOf(chain)
    const options = { positions: scope.positions, range: { from, to: 1_000_000n }, dryRun }
    return verifyHistory(scope, options).finally(() => announceHistory(scope))
  }

  const records = async (position: Position) => {
    const page = await reader.history({ position, limit: 500 })
    return (page?.items ?? []).toReversed().map((item) => [item.blockNumber, item.balance, item.previousBalance])
  }

  const events = async (after = 0n): Promise<readonly LoggedEvent[]> => log.read(after, 1000)
  const newestSeq = async (): Promise<bigint> => (await log.head()).seq

  const idOf = async (position: Position): Promise<bigint> => {
    const found = (await store.loadPositions(chainId)).find(({ solver }) => solver === position.solver)
    if (found === undefined) throw new Error('expected a watched position')
    return found.id
  }

  const tamper = async (text: string): Promise<void> =>
    void (await database.query({ name: `tamper-${(statements += 1)}`, text }))

  describe('backfill', () => {
    it('goes back to before the first record, and says each change with its transaction', async () => {
      const chain = new PaperChain([
        [
          one,
          [
            [2n, 5n],
            [12n, 7n],
            [25n, 9n],
          ],
        ],
        [
          two,
          [
            [8n, 1n],
            [9n, 0n],
          ],
        ],
      ])
      await follow(chain, 20n, 30n)
      const seq = await newestSeq()
      expect(await fill(chain, 5n)).toMatchObject({ positions: 2, blocks: 15n, sampled: 0 })
      for (const position of both) {
        expect(await records(position)).toEqual(chain.expected(position, 5n, 30n))
        expect(await reader.coverage(position)).toEqual([{ from: 5n, to: null, kind: 'exact' }])
      }
      const page = await reader.history({ position: one, limit: 10, toBlock: 12n })
      expect(page?.items[0]).toMatchObject({ blockNumber: 12n, cause: 'transfer', unexplained: 0n })
      const told = await events(seq)
      expect(told.map((event) => event.type)).toEqual(['history.extended', 'history.extended'])
      expect(told[0]?.data).toMatchObject({ reason: 'backfill', coverage: 'exact', fromBlock: 5n, balance: 9n })
    })

    it('closes a gap, and explains the change after it', async () => {
      const chain = new PaperChain([
        [
          one,
          [
            [2n, 5n],
            [24n, 6n],
            [31n, 8n],
          ],
        ],
      ])
      const ledger = await follow(chain, 10n, 20n)
      await ledger.apply({ kind: 'gap', resumeAt: chain.header(31n), headers: [chain.header(30n)], reason: 'away' })
      await ledger.positions()
      await follow(chain, 31n, 35n)
      expect(await records(one)).toEqual([
        [10n, 5n, null],
        [31n, 8n, 5n],
      ])
      await fill(chain, 10n)
      expect(await records(one)).toEqual(chain.expected(one, 10n, 35n))
      const page = await reader.history({ position: one, limit: 1 })
      expect(page?.items[0]).toMatchObject({
        blockNumber: 31n,
        previousBalance: 6n,
        cause: 'transfer',
        unexplained: 0n,
      })
      expect(await reader.coverage(one)).toEqual([{ from: 10n, to: null, kind: 'exact' }])
    })

    it('does not search again what is known, and goes on where it was broken off', async () => {
      const chain = new PaperChain([
        [
          one,
          [
            [100n, 1n],
            [9000n, 2n],
          ],
        ],
      ])
      await follow(chain, 10_000n, 10_001n)
      chain.beforeAnswer = (block) => {
        if (block < 8192n) throw new Error('the node went away')
      }
      const seq = await newestSeq()
      await expect(fill(chain)).rejects.toThrow('the node went away')
      expect(await reader.coverage(one)).toMatchObject([{ from: 8192n, to: null }])
      chain.beforeAnswer = () => undefined
      expect(await fill(chain)).toMatchObject({ blocks: 8192n })
      // Each run tells of each position once, and of all its slices.
      const told = (await events(seq)).map(({ data }) => data)
      const first = { reason: 'backfill', fromBlock: 8192n, toBlock: 10_000n, added: 1, removed: 0 }
      const second = { fromBlock: 0n, added: 1, removed: 0, balance: 2n }
      expect(told).toMatchObject([first, { fromBlock: 8192n }, second, { fromBlock: 0n }])
      expect(await records(one)).toEqual(chain.expected(one, 0n, 10_001n))
      chain.searches.length = 0
      expect(await fill(chain)).toMatchObject({ blocks: 0n, positions: 0, records: 0 })
      expect(chain.searches).toEqual([])
    })

    it('says what is only sampled, and betters it when it can be proven', async () => {
      const chain = new PaperChain([
        [
          one,
          [
            [2n, 5n],
            [11n, 6n],
            [14n, 7n],
          ],
        ],
      ])
      await follow(chain, 20n, 22n)
      chain.coverage = 'sampled'
      expect(await fill(chain, 5n)).toMatchObject({ sampled: 2 })
      expect(await reader.coverage(one)).toEqual([
        { from: 5n, to: 19n, kind: 'sampled' },
        { from: 20n, to: null, kind: 'exact' },
      ])
      expect(await records(one)).toEqual([
        [5n, 5n, null],
        [14n, 7n, 5n],
      ])
      chain.coverage = 'exact'
      await fill(chain, 5n)
      expect(await reader.coverage(one)).toEqual([{ from: 5n, to: null, kind: 'exact' }])
      expect(await records(one)).toEqual(chain.expected(one, 5n, 22n))
    })

    it('leaves unseen what cannot be read, says why, and fills in the others', async () => {
      const chain = new PaperChain([
        [one, [[2n, 5n]]],
        [
          two,
          [
            [3n, 1n],
            [9n, 4n],
          ],
        ],
      ])
      await follow(chain, 20n, 22n)
      chain.breakDown(one, 'it reverted')
      const report = await fill(chain, 5n)
      expect([...report.unreadable.values()]).toEqual(['it reverted'])
      expect(await reader.coverage(one)).toEqual([{ from: 20n, to: null, kind: 'exact' }])
      expect(await records(two)).toEqual(chain.expected(two, 5n, 22n))
    })
  })

  describe('verify', () => {
    const steps: readonly Step[] = [
      [2n, 5n],
      [12n, 7n],
      [15n, 8n],
      [19n, 3n],
    ]

    it('finds nothing to say about records that are right', async () => {
      const chain = new PaperChain([
        [one, steps],
        [two, []],
      ])
      await follow(chain, 10n, 25n)
      const seq = await newestSeq()
      expect(await verify(chain)).toMatchObject({
        positions: 2,
        checked: 32n,
        missing: 0,
        wrong: 0,
        extra: 0,
        repaired: 0,
      })
      expect(await events(seq)).toEqual([])
    })

    it.each<[string, string, Partial<VerifyReport>]>([
      ['a wrong balance', 'update tidemark.balance_record set balance = 99 where block_number = 15', { wrong: 1 }],
      [
        'a wrong first balance',
        'update tidemark.balance_record set balance = 99 where block_number = 10 and balance = 5',
        { wrong: 1 },
      ],
      ['a missing record', 'delete from tidemark.balance_record where block_number = 15', { missing: 1 }],
      [
        'a record of no change',
        'update tidemark.balance_record set block_number = 16 where block_number = 15',
        { missing: 1 },
      ],
      [
        'a balance that never was',
        `insert into tidemark.balance_record select position_id, 17, block_hash, timestamp, 77, 8, '{}', decimals, symbol, name, cause, unexplained from tidemark.balance_record where block_number = 15`,
        { extra: 1 },
      ],
      [
        'a record of another block',
        `update tidemark.balance_record set block_hash = decode(repeat('cd', 32), 'hex') where block_number = 15`,
        { wrong: 1 },
      ],
      ['a missing newest record', 'delete from tidemark.balance_record where block_number = 19', { missing: 1 }],
    ])('finds and repairs %s, with a note', async (_name, statement, found) => {
      const chain = new PaperChain([
        [one, steps],
        [two, []],
      ])
      await follow(chain, 10n, 25n)
      await tamper(statement)
      const dry = await verify(chain, true)
      expect(dry).toMatchObject({ ...found, repaired: 0 })
      expect(await store.corrections(await idOf(one), 10)).toEqual([])
      const seq = await newestSeq()
      const report = await verify(chain)
      expect(report).toMatchObject(found)
      expect(report.repaired).toBeGreaterThan(0)
      expect(await records(one)).toEqual(chain.expected(one, 10n, 25n))
      expect((await store.corrections(await idOf(one), 10)).length).toBeGreaterThan(0)
      expect(new Set((await events(seq)).map((event) => event.type))).toEqual(new Set(['history.extended']))
      expect(await verify(chain)).toMatchObject({ missing: 0, wrong: 0, extra: 0, repaired: 0 })
      expect(await reader.currentBalance(one)).toMatchObject({ balance: 3n, verified: { number: 25n } })
    })

    it('searches once more for all differences of some blocks at once', async () => {
      const chain = new PaperChain([
        [one, steps],
        [two, steps],
      ])
      await follow(chain, 10n, 25n)
      await tamper('delete from tidemark.balance_record where block_number = 15')
      const before = chain.searches.length
      expect(await verify(chain)).toMatchObject({ missing: 2, repaired: 2 })
      const whole = { from: 10n, to: 25n, positions: 2 }
      expect(chain.searches.slice(before)).toEqual([whole, whole])
      for (const position of both) expect(await records(position)).toEqual(chain.expected(position, 10n, 25n))
    })

    it('looks before the range when its first balance is wrong already', async () => {
      const chain = new PaperChain([[one, steps]])
      await follow(chain, 10n, 25n)
      await tamper('delete from tidemark.balance_record where block_number = 12')
      expect(await verify(chain, false, 14n)).toMatchObject({ missing: 1, repaired: 1 })
      expect(await records(one)).toEqual(chain.expected(one, 10n, 25n))
    })

    it('calls no record too many where it cannot prove that all changes were found', async () => {
      const chain = new PaperChain([[one, steps]])
      await follow(chain, 10n, 25n)
      chain.coverage = 'sampled'
      expect(await verify(chain)).toMatchObject({ unproven: 2, missing: 0, wrong: 0, extra: 0 })
      expect(await records(one)).toEqual(chain.expected(one, 10n, 25n))
    })

    it('brings back what any tampering took', { timeout: longTimeoutMs }, async () => {
      const anySteps = fc
        .uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 20 })
        .map((blocks) =>
          blocks.toSorted((a, b) => a - b).map((block, index): Step => [BigInt(block), BigInt((index * 7) % 5)]),
        )
      let first = 1n
      await fc.assert(
        fc.asyncProperty(
          anySteps,
          fc.array(fc.tuple(fc.constantFrom('delete', 'change', 'move'), fc.nat(30)), { minLength: 1, maxLength: 4 }),
          async (shape, damage) => {
            // Each round has blocks of its own, so that one database serves them all.
            const start = first + 100n
            const chain = new PaperChain([[one, shape.map(([block, balance]): Step => [start + block, balance])]])
            await database.query({
              name: 'clear',
              text: 'truncate tidemark.chain, tidemark.block, tidemark.coverage, tidemark.balance_record cascade',
            })
            await new PostgresWatchListStore(database).applyConfiguration({
              chains: [{ chainId, name: 'Paper', tokens: [] }],
              solvers: both.map(({ solver }) => ({ address: solver, label: null })),
            })
            await follow(chain, start, start + 3n)
            await fill(chain, start - 50n)
            await follow(chain, start + 4n, start + 70n)
            for (const [kind, place] of damage) {
              const rows = await records(one)
              const block = rows[place % rows.length]?.[0]
              if (block === undefined) continue
              if (kind === 'delete') await tamper(`delete from tidemark.balance_record where block_number = ${block}`)
              if (kind === 'change')
                await tamper(`update tidemark.balance_record set balance = balance + 1 where block_number = ${block}`)
              if (kind === 'move')
                await tamper(
                  `update tidemark.balance_record set block_number = block_number + 1000 where block_number = ${block}`,
                )
            }
            await tamper(`delete from tidemark.balance_record where block_number > ${start + 70n}`)
            await verify(chain)
            const from = start - 50n
            expect(await records(one)).toEqual(chain.expected(one, from, start + 70n))
            first = start
          },
        ),
        { numRuns: times(15, 300), endOnFailure: true },
      )
    })
  })

  describe('the comparison with the chain', () => {
    const steps: readonly Step[] = [
      [2n, 5n],
      [12n, 7n],
      [15n, 8n],
    ]

    it.each<[string, string, bigint]>([
      ['a newest record that is wrong', 'update tidemark.balance_record set balance = 99 where block_number = 15', 1n],
      ['a newest record that is gone', 'delete from tidemark.balance_record where block_number = 15', 1n],
      [
        'a wrong record with a wrong balance beside it',
        'with changed as (update tidemark.balance_record set balance = 99 where block_number = 15 returning position_id) update tidemark.position set balance = 99 from changed where id = position_id',
        1n,
      ],
    ])('finds %s, repairs and counts it, and announces no change', async (_name, statement, defects) => {
      const chain = new PaperChain([
        [one, steps],
        [two, []],
      ])
      const ledger = await follow(chain, 10n, 20n)
      const clean = { positions: 2, defects: 0, repaired: 0 }
      expect(await ledger.sync(chain.observe(20n, both))).toEqual(clean)
      await tamper(statement)
      const seq = await newestSeq()
      expect(await ledger.sync(chain.observe(20n, both))).toMatchObject({ positions: 2, defects: Number(defects) })
      expect(await records(one)).toEqual(chain.expected(one, 10n, 20n))
      expect(await ledger.sync(chain.observe(20n, both))).toEqual(clean)
      const told = await events(seq)
      expect(told.map((event) => event.type)).toEqual(['history.extended'])
      expect(told[0]?.data).toMatchObject({ reason: 'sync', balance: 8n })
      expect(await store.corrections(await idOf(one), 10)).toMatchObject([
        { blockNumber: 15n, found: 8n, reason: 'sync' },
      ])
      await follow(chain, 21n, 25n)
      expect((await events(seq)).length).toBe(1)
    })

    it('puts a balance right that differs from its record', async () => {
      const chain = new PaperChain([[one, steps]])
      const ledger = await follow(chain, 10n, 20n)
      await tamper('update tidemark.position set balance = 99 where balance = 8')
      expect(await ledger.sync(chain.observe(20n, both))).toMatchObject({ defects: 1 })
      expect((await store.loadPositions(chainId)).map(({ lastBalance }) => lastBalance)).toEqual([8n, 0n])
      expect(await records(one)).toEqual(chain.expected(one, 10n, 20n))
    })

    it('finds a record that is missing far back', async () => {
      const chain = new PaperChain([
        [
          one,
          [
            [2n, 5n],
            [12n, 7n],
          ],
        ],
      ])
      const ledger = await follow(chain, 10n, 1000n)
      await tamper('delete from tidemark.balance_record where block_number = 12')
      expect(await ledger.sync(chain.observe(1000n, both))).toEqual({ positions: 2, defects: 1, repaired: 1 })
      expect(await records(one)).toEqual(chain.expected(one, 10n, 1000n))
    })

    it('searches for all that is wrong at once, and further back only for what lies there', async () => {
      const chain = new PaperChain([
        [one, steps.slice(0, 2)],
        [two, [[990n, 4n]]],
      ])
      const ledger = await follow(chain, 10n, 1000n)
      await tamper('delete from tidemark.balance_record where block_number in (12, 990)')
      const before = chain.searches.length
      expect(await ledger.sync(chain.observe(1000n, both))).toEqual({ positions: 2, defects: 2, repaired: 2 })
      expect(chain.searches.slice(before)).toEqual([
        { from: 744n, to: 1000n, positions: 2 },
        { from: 232n, to: 744n, positions: 1 },
        { from: 10n, to: 232n, positions: 1 },
      ])
      expect(await records(one)).toEqual(chain.expected(one, 10n, 1000n))
      expect(await records(two)).toEqual(chain.expected(two, 10n, 1000n))
    })

    it('does not take a wrong stored balance for a change after a restart', async () => {
      const chain = new PaperChain([[one, steps]])
      await follow(chain, 10n, 20n)
      await tamper(
        'with changed as (update tidemark.balance_record set balance = 99 where block_number = 15 returning position_id) update tidemark.position set balance = 99 from changed where id = position_id',
      )
      const seq = await newestSeq()
      await expect(follow(chain, 21n, 21n)).rejects.toMatchObject({
        code: 'stored_balance_wrong',
        report: { defects: 1 },
      })
      await follow(chain, 21n, 25n)
      expect(await records(one)).toEqual(chain.expected(one, 10n, 25n))
      expect((await events(seq)).map((event) => event.type)).toEqual(['history.extended'])
    })

    it('does not take it for a change after a longer absence either', async () => {
      const chain = new PaperChain([[one, [...steps, [24n, 9n]]]])
      await follow(chain, 10n, 20n)
      await tamper(
        'with changed as (update tidemark.balance_record set balance = 99 where block_number = 15 returning position_id) update tidemark.position set balance = 99 from changed where id = position_id',
      )
      const span = async (): Promise<ChainEvent> => {
        const positions = [...(await (await load(chain)).positions()).values()].map((position) => ({
          ...position,
          balance: position.lastBalance ?? 0n,
        }))
        const found = await chain.source.search({ positions, from: chain.header(20n), to: chain.header(40n) })
        const silent = { transactionHashes: [], cause: 'unknown', unexplained: -91n } as const
        const first = { position: one, block: chain.header(21n), balance: 8n, attribution: silent }
        const changes = positions.some(({ balance }) => balance === 99n) ? [first, ...found.changes] : found.changes
        const target = chain.header(40n)
        const finality = { safe: null, finalized: null }
        return { kind: 'span', span: { ...found, changes, target, headers: [target], finality } }
      }
      const apply = async (): Promise<void> => {
        const ledger = await load(chain)
        const event = await span()
        await ledger.positions()
        await ledger.apply(event)
      }
      await expect(apply()).rejects.toMatchObject({ code: 'stored_balance_wrong' })
      await apply()
      expect(await records(one)).toEqual(chain.expected(one, 10n, 40n))
      expect(await reader.coverage(one)).toEqual([{ from: 10n, to: null, kind: 'exact' }])
      expect((await events()).filter(({ type }) => type === 'balance.updated')).toHaveLength(3)
    })
  })
})
