import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { HistoryRow, StoredPosition } from '../../src/ledger/ledger-store.js'
import type { TidemarkEvent } from '../../src/model/event.js'
import { planRollback } from '../../src/ledger/roll-back.js'
import { commitRollback } from '../../src/storage/postgres/commit-rollback.js'
import {
  blockCommit,
  chainId,
  hashOf,
  header,
  historyCommit,
  openStore,
  record,
  row,
  solver,
  spanCommit,
  token,
} from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'

let fixture: StoreFixture

beforeEach(async () => {
  fixture = await openStore()
})

afterEach(() => fixture.close())

/** Every row of the ledger and the log, to tell that nothing was written. */
async function everything(): Promise<unknown> {
  const tables = ['chain', 'block', 'position', 'coverage', 'balance_record', 'token_metadata', 'event', 'event_log']
  return Promise.all(
    tables.map((table) =>
      fixture.database.query({
        name: `all-${table}`,
        text: `select * from tidemark.${table} as entry order by entry::text`,
      }),
    ),
  )
}

/** Block 10, in which both positions are started with the given balances. */
async function started(native: bigint, erc20: bigint): Promise<void> {
  const ids = [fixture.native, fixture.erc20]
  await fixture.store.commitBlock(
    blockCommit(header(9n), header(10n), {
      opened: ids,
      records: [record(fixture.native, native, null), record(fixture.erc20, erc20, null)],
    }),
  )
}

const changedEvent = { type: 'watch-list.changed', data: { reason: 'a test' } } as const

describe('a block', () => {
  it('changes nothing at all when the cursor is elsewhere, whatever is in it', async () => {
    await started(5n, 6n)
    const before = await everything()
    const full = {
      opened: [fixture.erc20],
      stale: [{ positionId: fixture.erc20, reason: 'it reverted' }],
      records: [record(fixture.native, 7n, 5n)],
      metadata: new Map([[token, { decimals: 6, symbol: 'T', name: 'Token' }]]),
      accruing: [token],
      events: [changedEvent],
    }
    const elsewhere = blockCommit(header(10n, 'b'), header(64n, 'b'), full)
    await expect(fixture.store.commitBlock(elsewhere)).rejects.toMatchObject({ code: 'cursor_moved' })
    await expect(fixture.store.commitBlock(blockCommit(null, header(11n), full))).rejects.toMatchObject({
      code: 'cursor_moved',
    })
    expect(await everything()).toEqual(before)
  })

  it('is refused when a record continues from another balance than the stored one', async () => {
    await started(5n, 6n)
    const before = await everything()
    await expect(
      fixture.store.commitBlock(
        blockCommit(header(10n), header(11n), { records: [record(fixture.native, 9n, 8n)], events: [changedEvent] }),
      ),
    ).rejects.toMatchObject({ code: 'cursor_moved' })
    expect(await everything()).toEqual(before)
  })

  it('is written by exactly one of many writers at once', async () => {
    await started(5n, 6n)
    const attempts = Array.from({ length: 8 }, () =>
      fixture.store.commitBlock(
        blockCommit(header(10n), header(11n), { records: [record(fixture.native, 9n, 5n)], events: [changedEvent] }),
      ),
    )
    const outcomes = await Promise.allSettled(attempts)
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1)
    const events = await fixture.log.read(0n, 100)
    expect(
      events.filter((event) => event.type === 'watch-list.changed' && event.data.reason === 'a test'),
    ).toHaveLength(1)
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => BigInt(index + 1)))
  })

  it('gives its events back as a reader of the log finds them', async () => {
    await started(5n, 6n)
    const at = { chainId, solverAddress: solver, blockNumber: 11n, blockHash: hashOf(11n), timestamp: new Date(5000) }
    const events: readonly TidemarkEvent[] = [
      {
        type: 'balance.updated',
        data: {
          ...at,
          tokenAddress: 'native',
          previousBalance: 5n,
          newBalance: 10n ** 77n,
          changeAmount: 10n ** 77n - 5n,
          transactionHash: hashOf(1n, 'c'),
          transactionHashes: [hashOf(1n, 'c')],
          cause: 'transfer',
          unexplained: 0n,
        },
      },
      {
        type: 'balance.updated',
        data: {
          ...at,
          tokenAddress: token,
          previousBalance: 6n,
          newBalance: 0n,
          changeAmount: -6n,
          transactionHashes: [],
          cause: 'unknown',
          unexplained: -6n,
        },
      },
      {
        type: 'position.started',
        data: { ...at, tokenAddress: token, balance: 0n, decimals: null, symbol: null, name: 'T' },
      },
      {
        type: 'token.changed',
        data: { chainId, tokenAddress: token, accruing: true, decimals: 6, symbol: 'T', name: null },
      },
      changedEvent,
    ]
    const [before] = (await fixture.log.read(0n, 1000)).toReversed()
    const logged = await fixture.store.commitBlock(blockCommit(header(10n), header(11n), { events }))
    expect(logged).toHaveLength(events.length)
    expect(await fixture.log.read(before?.seq ?? 0n, 1000)).toStrictEqual(logged)
  })

  it('is refused when the balance it builds on was put right while it waited for the chain', async () => {
    await started(5n, 6n)
    let block: Promise<unknown> | undefined
    await whileWaiting(() => {
      block = fixture.store.commitBlock(
        blockCommit(header(10n), header(11n), { records: [record(fixture.native, 9n, 5n)] }),
      )
      block.catch(() => undefined)
    }, [
      `update tidemark.position set balance = 4 where id = ${fixture.native}`,
      'update tidemark.chain set rewrites = rewrites + 1',
    ])
    await expect(block).rejects.toMatchObject({ code: 'cursor_moved' })
    expect(await fixture.records(fixture.native)).toEqual([[10n, 5n, null]])
  })

  it('ends the exact coverage of a token that turns out to accrue, and opens its positions sampled from then on', async () => {
    await started(5n, 6n)
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n)))
    await fixture.store.commitBlock(blockCommit(header(11n), header(12n), { accruing: [token] }))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-11, sampled 12-')
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
    expect((await fixture.store.loadPositions(chainId)).map((position) => position.accruing)).toEqual([false, true])

    await fixture.store.commitBlock(
      blockCommit(header(12n), header(13n), { stale: [{ positionId: fixture.erc20, reason: 'it reverted' }] }),
    )
    await fixture.store.commitBlock(blockCommit(header(13n), header(14n), { opened: [fixture.erc20] }))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-11, sampled 12-12, sampled 14-')
  })

  it('covers a token exactly again from the block on in which it accrues no more', async () => {
    await started(5n, 6n)
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n), { accruing: [token] }))
    await fixture.store.commitBlock(blockCommit(header(11n), header(12n), { settled: [token] }))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-11, exact 12-')
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
    expect((await fixture.store.loadPositions(chainId)).map((position) => position.accruing)).toEqual([false, false])
  })

  it('opens a position exact when its token is found to accrue no more in that very block', async () => {
    await started(5n, 6n)
    const stale = [{ positionId: fixture.erc20, reason: 'it reverted' }]
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n), { accruing: [token] }))
    await fixture.store.commitBlock(blockCommit(header(11n), header(12n), { stale }))
    const opened = [fixture.erc20]
    await fixture.store.commitBlock(blockCommit(header(12n), header(13n), { opened, settled: [token] }))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-11, exact 13-')
  })

  it('opens a position sampled when its token is found to accrue in the very block of its start', async () => {
    await fixture.store.commitBlock(
      blockCommit(header(9n), header(10n), {
        opened: [fixture.erc20],
        records: [record(fixture.erc20, 1n, null)],
        accruing: [token],
        metadata: new Map([[token, { decimals: 6, symbol: 'T', name: null }]]),
      }),
    )
    expect(await fixture.coverage(fixture.erc20)).toBe('sampled 10-')
    const [, position] = await fixture.store.loadPositions(chainId)
    expect(position).toMatchObject({ accruing: true, fresh: false, metadata: { decimals: 6, symbol: 'T', name: null } })
  })
})

describe('a span', () => {
  beforeEach(() => started(5n, 6n))

  it('moves the cursor, keeps the records of their own blocks and goes on with exact coverage', async () => {
    await fixture.store.commitSpan(
      spanCommit(header(10n), [header(99n), header(100n)], {
        records: [row(fixture.native, header(40n), 7n, 5n), row(fixture.native, header(60n), 8n, 7n)],
        coverage: new Map([
          [fixture.native, 'exact'],
          [fixture.erc20, 'sampled'],
        ]),
        events: [changedEvent],
      }),
    )
    expect(await fixture.records(fixture.native)).toEqual([
      [10n, 5n, null],
      [40n, 7n, 5n],
      [60n, 8n, 7n],
    ])
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-99, exact 100-')
    const chain = await fixture.store.loadChain({ chainId, name: 'Test' })
    expect(chain.headers).toEqual([header(99n), header(100n)])
    expect(await fixture.reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      balance: 8n,
      blockNumber: 60n,
      blockHash: hashOf(60n),
      verified: { number: 100n },
    })
  })

  it('appends headers that lead to the kept ones', async () => {
    const coverage = new Map([[fixture.native, 'exact' as const]])
    await fixture.store.commitSpan(spanCommit(header(10n), [header(11n), header(12n)], { coverage }))
    const chain = await fixture.store.loadChain({ chainId, name: 'Test' })
    expect(chain.headers).toEqual([8n, 9n, 10n, 11n, 12n].map((number) => header(number)))
  })

  it('takes up what was stale, and says what could not be read', async () => {
    const reason = 'it reverted'
    await fixture.store.commitBlock(
      blockCommit(header(10n), header(11n), { stale: [{ positionId: fixture.native, reason }] }),
    )
    await fixture.store.commitSpan(
      spanCommit(header(11n), [header(50n)], {
        coverage: new Map([[fixture.native, 'exact']]),
        stale: [{ positionId: fixture.erc20, reason }],
      }),
    )
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-10, exact 12-')
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-11')
    expect(await fixture.reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      staleReason: null,
      verified: { number: 50n },
    })
    expect(await fixture.reader.currentBalance({ chainId, token, solver })).toMatchObject({
      balance: 6n,
      staleReason: reason,
      verified: { number: 11n, hash: hashOf(11n) },
    })
  })

  it('starts a new position at its target', async () => {
    const other = `0x${'b2'.repeat(20)}` as const
    await fixture.watchList.addSolver({ address: other })
    const position = (await fixture.store.loadPositions(chainId)).find((entry) => entry.solver === other)
    const id = position?.id ?? -1n
    await fixture.store.commitSpan(
      spanCommit(header(10n), [header(50n)], {
        records: [row(id, header(50n), 3n, null)],
        coverage: new Map([[id, 'sampled']]),
      }),
    )
    expect(await fixture.coverage(id)).toBe('exact 50-')
    expect((await fixture.store.loadPositions(chainId)).find((entry) => entry.id === id)).toMatchObject({
      fresh: false,
      covered: true,
      lastBalance: 3n,
    })
  })

  it('keeps an accruing token sampled without a break', async () => {
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n), { accruing: [token] }))
    await fixture.store.commitSpan(
      spanCommit(header(11n), [header(50n)], { coverage: new Map([[fixture.erc20, 'sampled']]) }),
    )
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-')
  })

  it('changes nothing when it builds on another cursor or another balance', async () => {
    const before = await everything()
    const change = { records: [row(fixture.native, header(40n), 7n, 4n)], events: [changedEvent] }
    for (const commit of [
      spanCommit(header(10n), [header(50n)], change),
      spanCommit(header(10n, 'b'), [header(50n, 'b')]),
    ]) {
      await expect(fixture.store.commitSpan(commit)).rejects.toMatchObject({ code: 'cursor_moved' })
    }
    expect(await everything()).toEqual(before)
  })

  it('passes ten thousand positions with a thousand records', async () => {
    await fixture.database.query({
      name: 'many-positions',
      text: `insert into tidemark.position (chain_id, token, solver, active, fresh, balance, record_number)
             select 1, '', decode(lpad(to_hex(i), 40, '0'), 'hex'), true, false, 1, 10
             from generate_series(1, 10000) as i`,
    })
    const ids = (await fixture.store.loadPositions(chainId)).flatMap((entry) =>
      entry.lastBalance === 1n ? entry.id : [],
    )
    const records = ids.slice(0, 1000).map((id, index) => row(id, header(11n + BigInt(index)), 2n, 1n))
    await fixture.store.commitSpan(
      spanCommit(header(10n), [header(2000n)], {
        records,
        coverage: new Map(ids.map((id, index) => [id, index % 2 === 0 ? 'exact' : 'sampled'])),
      }),
    )
    const positions = await fixture.store.loadPositions(chainId)
    expect(positions.filter((entry) => entry.covered)).toHaveLength(10_002)
    expect(positions.filter((entry) => entry.lastBalance === 2n)).toHaveLength(1000)
  })
})

describe('rewritten history', () => {
  const rows = (...entries: readonly (readonly [bigint, bigint, bigint | null])[]): HistoryRow[] =>
    entries.map(([number, balance, previous]) => row(fixture.native, header(number), balance, previous))

  /** Records at 10, 12 and 15, cursor at 20. */
  beforeEach(async () => {
    await started(5n, 6n)
    const balances = new Map([
      [12n, 7n],
      [15n, 9n],
    ])
    let last = 5n
    for (let number = 11n; number <= 20n; number += 1n) {
      const balance = balances.get(number)
      const records = balance === undefined ? [] : [record(fixture.native, balance, last)]
      last = balance ?? last
      await fixture.store.commitBlock(blockCommit(header(number - 1n), header(number), { records }))
    }
  })

  it('replaces a wrong record, links the next one to it, and keeps a note', async () => {
    const note = { blockNumber: 12n, blockHash: hashOf(12n), stored: 7n, found: 8n, note: 'the chain says 8' }
    const result = await fixture.store.commitHistory(
      historyCommit(fixture.native, 11n, header(14n), {
        records: rows([12n, 8n, 5n]),
        reason: 'verify',
        notes: [note],
      }),
    )
    expect(result).toEqual({ added: 1, removed: 1 })
    expect(await fixture.records(fixture.native)).toEqual([
      [10n, 5n, null],
      [12n, 8n, 5n],
      [15n, 9n, 8n],
    ])
    const page = await fixture.reader.history({ position: { chainId, token: 'native', solver }, limit: 1 })
    expect(page?.items[0]).toMatchObject({ previousBalance: 8n, unexplained: 1n })
    expect(await fixture.store.corrections(fixture.native, 10)).toMatchObject([{ ...note, reason: 'verify' }])
    const events = await fixture.log.read(0n, 100)
    expect(events.at(-1)).toMatchObject({
      type: 'history.extended',
      data: {
        chainId,
        tokenAddress: 'native',
        solverAddress: solver,
        added: 1,
        removed: 1,
        balance: 9n,
        reason: 'verify',
      },
    })
  })

  it('removes the record after it when that changes nothing any more, and the balance follows', async () => {
    await fixture.store.commitHistory(
      historyCommit(fixture.native, 11n, header(14n), { records: rows([12n, 7n, 5n], [13n, 9n, 7n]) }),
    )
    expect(await fixture.records(fixture.native)).toEqual([
      [10n, 5n, null],
      [12n, 7n, 5n],
      [13n, 9n, 7n],
    ])
    expect(await fixture.reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      balance: 9n,
      blockNumber: 13n,
    })
  })

  it('makes a writer that remembers the old balance start again', async () => {
    await fixture.store.commitHistory(
      historyCommit(fixture.native, 15n, header(20n), { records: rows([15n, 8n, 7n]), reason: 'sync' }),
    )
    await expect(
      fixture.store.commitBlock(blockCommit(header(20n), header(21n), { records: [record(fixture.native, 8n, 9n)] })),
    ).rejects.toMatchObject({ code: 'cursor_moved' })
    await fixture.store.commitBlock(
      blockCommit(header(20n), header(21n), { records: [record(fixture.native, 10n, 8n)] }),
    )
    expect((await fixture.records(fixture.native)).slice(-2)).toEqual([
      [15n, 8n, 7n],
      [21n, 10n, 8n],
    ])
  })

  it('goes on from a start: what was the first record is none when history before it says so', async () => {
    await fixture.store.commitFinality(chainId, { safe: null, finalized: 15n })
    await fixture.store.commitHistory(
      historyCommit(fixture.native, 3n, header(9n), { records: rows([3n, 1n, null], [6n, 5n, 1n]) }),
    )
    expect(await fixture.records(fixture.native)).toEqual([
      [3n, 1n, null],
      [6n, 5n, 1n],
      [12n, 7n, 5n],
      [15n, 9n, 7n],
    ])
    expect(await fixture.coverage(fixture.native)).toBe('exact 3-')
    const again = await fixture.store.commitHistory(
      historyCommit(fixture.native, 3n, header(9n), { records: rows([3n, 1n, null], [6n, 5n, 1n]) }),
    )
    expect(again).toEqual({ added: 0, removed: 0 })
    const events = await fixture.log.read(0n, 100)
    expect(events.filter((event) => event.type === 'history.extended')).toHaveLength(1)
  })

  it('leaves a start a start while blocks before it are unseen', async () => {
    await fixture.store.commitHistory(historyCommit(fixture.native, 2n, header(8n), { records: rows([2n, 5n, null]) }))
    expect((await fixture.records(fixture.native)).slice(0, 2)).toEqual([
      [2n, 5n, null],
      [10n, 5n, null],
    ])
    expect(await fixture.coverage(fixture.native)).toBe('exact 2-8, exact 10-')
    await fixture.store.commitHistory(historyCommit(fixture.native, 9n, header(9n)))
    expect((await fixture.records(fixture.native)).slice(0, 2)).toEqual([
      [2n, 5n, null],
      [12n, 7n, 5n],
    ])
    expect(await fixture.coverage(fixture.native)).toBe('exact 2-')
  })

  it('does not take away the known cause of a change that it only confirms', async () => {
    const hash = hashOf(77n, 'd')
    await fixture.store.commitHistory(
      historyCommit(fixture.native, 12n, header(12n), {
        records: rows([12n, 7n, 5n]).map((entry) => ({
          ...entry,
          cause: 'transfer',
          unexplained: 0n,
          transactionHashes: [hash],
        })),
      }),
    )
    const result = await fixture.store.commitHistory(
      historyCommit(fixture.native, 11n, header(14n), { records: rows([12n, 7n, 5n]), reason: 'verify' }),
    )
    expect(result).toEqual({ added: 0, removed: 0 })
    const page = await fixture.reader.history({
      position: { chainId, token: 'native', solver },
      limit: 1,
      toBlock: 12n,
    })
    expect(page?.items[0]).toMatchObject({ cause: 'transfer', transactionHashes: [hash], unexplained: 0n })
  })

  it('is refused when blocks that were read afterwards contradict its end', async () => {
    const before = await everything()
    await expect(
      fixture.store.commitHistory(historyCommit(fixture.native, 12n, header(13n), { records: rows([12n, 8n, 5n]) })),
    ).rejects.toMatchObject({ code: 'history_contradiction' })
    expect(await everything()).toEqual(before)
  })

  it('is refused above the cursor, and at a block that is not known to be canonical', async () => {
    const before = await everything()
    for (const to of [header(21n), header(15n, 'b'), header(3n)]) {
      await expect(
        fixture.store.commitHistory(historyCommit(fixture.native, 2n, to, { records: rows([2n, 1n, null]) })),
      ).rejects.toMatchObject({ code: 'cursor_moved' })
    }
    expect(await everything()).toEqual(before)
  })
})

describe('a rollback', () => {
  beforeEach(() => started(5n, 6n))

  it('leaves nothing both covered and stale, however often one went before', async () => {
    const { store, native } = fixture
    const stale = [{ positionId: native, reason: 'it reverted' }]
    await store.commitBlock(blockCommit(header(10n), header(11n), { stale }))
    await store.commitBlock(blockCommit(header(11n), header(12n), { opened: [native] }))
    await store.commitBlock(blockCommit(header(12n), header(13n), { stale }))
    await fixture.rollBack(header(13n), header(11n))
    // There is no coverage for this to end: that of block 12 is gone, and that of block 10 had ended.
    await store.commitBlock(blockCommit(header(11n), header(12n, 'b'), { stale }))
    expect(await fixture.coverage(native)).toBe('exact 10-10')
    await fixture.rollBack(header(12n, 'b'), header(10n))
    expect(await fixture.coverage(native)).toBe('exact 10-')
    const position = (await store.loadPositions(chainId)).find(({ id }) => id === native)
    expect(position).toMatchObject({ covered: true, staleReason: null })
  })

  it('cuts a sampled span off and lets an exact one go on', async () => {
    await fixture.store.commitSpan(
      spanCommit(header(10n), [header(100n)], {
        records: [row(fixture.native, header(40n), 7n, 5n), row(fixture.native, header(60n), 8n, 7n)],
        coverage: new Map([
          [fixture.native, 'exact'],
          [fixture.erc20, 'sampled'],
        ]),
      }),
    )
    await fixture.rollBack(header(100n), header(50n))
    expect(await fixture.records(fixture.native)).toEqual([
      [10n, 5n, null],
      [40n, 7n, 5n],
    ])
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-50')
    const chain = await fixture.store.loadChain({ chainId, name: 'Test' })
    expect(chain.headers).toEqual([header(50n)])
    await fixture.store.commitBlock(blockCommit(header(50n), header(51n, 'b', 'a'), { opened: [fixture.erc20] }))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-10, sampled 11-50, exact 51-')
  })

  it('does not make a token exact again that was found to accrue above the ancestor', async () => {
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n)))
    await fixture.store.commitBlock(blockCommit(header(11n), header(12n), { accruing: [token] }))
    await fixture.rollBack(header(12n), header(11n))
    expect(await fixture.coverage(fixture.erc20)).toBe('exact 10-11')
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
  })

  it('follows a position again that had turned stale right above the ancestor', async () => {
    await fixture.store.commitBlock(
      blockCommit(header(10n), header(11n), { stale: [{ positionId: fixture.native, reason: 'it reverted' }] }),
    )
    await fixture.rollBack(header(11n), header(10n))
    expect(await fixture.coverage(fixture.native)).toBe('exact 10-')
    expect(await fixture.reader.currentBalance({ chainId, token: 'native', solver })).toMatchObject({
      staleReason: null,
    })
  })

  it('does not open the coverage of a position that is to be started', async () => {
    await fixture.rollBack(header(10n), header(9n))
    const positions = await fixture.store.loadPositions(chainId)
    expect(positions.map(({ fresh, covered, lastBalance }) => ({ fresh, covered, lastBalance }))).toEqual([
      { fresh: true, covered: false, lastBalance: null },
      { fresh: true, covered: false, lastBalance: null },
    ])
  })

  it('starts a position again that was taken up again, although its older coverage reaches the ancestor', async () => {
    const other = `0x${'b2'.repeat(20)}` as const
    const find = async (): Promise<StoredPosition | undefined> =>
      (await fixture.store.loadPositions(chainId)).find((entry) => entry.solver === other && entry.token === 'native')
    await fixture.watchList.addSolver({ address: other })
    const id = (await find())?.id ?? -1n
    const start = { opened: [id], records: [record(id, 3n, null)] }
    await fixture.store.commitBlock(blockCommit(header(10n), header(11n), start))
    await fixture.watchList.removeSolver(other)
    await fixture.watchList.addSolver({ address: other })
    await fixture.store.commitBlock(blockCommit(header(11n), header(12n), start))
    await fixture.rollBack(header(12n), header(11n))
    expect(await fixture.coverage(id)).toBe('exact 11-11')
    expect(await find()).toMatchObject({ fresh: true, covered: false, lastBalance: 3n })
  })

  it('tells of the record that stands when it is done, not of what stood before it had the chain to itself', async () => {
    await fixture.store.commitBlock(
      blockCommit(header(10n), header(11n), { records: [record(fixture.native, 7n, 5n)] }),
    )
    let done: Promise<void> | undefined
    await whileWaiting(
      () => (done = fixture.rollBack(header(11n), header(10n))),
      [`update tidemark.balance_record set balance = 4 where position_id = ${fixture.native} and block_number = 10`],
    )
    await done
    const reverted = (await fixture.log.read(0n, 100)).filter((event) => event.type === 'balance.reverted')
    expect(reverted).toMatchObject([{ data: { items: [{ balance: 4n, blockNumber: 10n }] } }])
  })

  it('reads no records of other chains, however many there are above the same number', async () => {
    await fixture.store.commitBlock(
      blockCommit(header(10n), header(11n), { records: [record(fixture.native, 7n, 5n)], events: [changedEvent] }),
    )
    await fillOtherChain(20_000)
    const looked = await fixture.database.transaction(async (transaction) => {
      const commit = { chainId, cursor: header(11n), ancestor: header(10n) }
      await commitRollback(transaction, commit, (records) => planRollback(records, chainId, header(10n)), null)
      return transaction.query<{ rows: string }>({
        name: 'rows-looked-at',
        text: `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as rows
               from pg_stat_xact_user_tables where relname = 'balance_record'`,
      })
    })
    expect(Number(looked[0]?.rows)).toBeGreaterThan(0)
    expect(Number(looked[0]?.rows)).toBeLessThan(100)
    expect(await fixture.records(fixture.native)).toEqual([[10n, 5n, null]])
  })

  it('takes back what counted as final when it goes behind it', async () => {
    await fixture.store.commitFinality(chainId, { safe: 10n, finalized: 10n })
    await fixture.rollBack(header(10n), header(8n))
    expect((await fixture.reader.chains())[0]?.finality).toEqual({ safe: 8n, finalized: 8n })
  })
})

describe('reading back', () => {
  it('gives the records between two blocks, and the coverage of a position by name', async () => {
    await started(5n, 6n)
    await fixture.store.commitBlock(
      blockCommit(header(10n), header(11n), { records: [record(fixture.native, 7n, 5n)] }),
    )
    const bounds = { from: 10n, to: 11n, limit: 10 }
    const found = await fixture.store.recordsBetween(fixture.native, bounds)
    expect(found.map(({ blockNumber, balance }) => [blockNumber, balance])).toEqual([
      [10n, 5n],
      [11n, 7n],
    ])
    expect(await fixture.store.recordsBetween(fixture.native, { ...bounds, limit: 1 })).toHaveLength(1)
    expect(await fixture.store.recordsBetween(fixture.native, { ...bounds, from: 11n })).toHaveLength(1)
    expect(await fixture.reader.coverage({ chainId, token: 'native', solver })).toEqual([
      { from: 10n, to: null, kind: 'exact' },
    ])
    expect(await fixture.reader.coverage({ chainId: 2n, token: 'native', solver })).toBeNull()
  })

  it('finds known blocks by headers and records, newest first, through an index', async () => {
    await started(5n, 6n)
    await fixture.database.query({
      name: 'many-records',
      text: `insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, transaction_hashes)
             select position.id, 1000 + i, decode(lpad(to_hex(i), 64, '0'), 'hex'), now(), i, '{}'
             from generate_series(1, 50000) as i, tidemark.position`,
    })
    await fixture.database.query({ name: 'analyze', text: 'analyze tidemark.balance_record' })
    expect(await fixture.store.knownBlocks(chainId, 11n, 10)).toEqual(
      [10n, 9n, 8n].map((number) => ({ number, hash: hashOf(number) })),
    )
    const blocks = await fixture.store.knownBlocks(chainId, 40_000n, 3)
    expect(blocks.map((block) => block.number)).toEqual([39_999n, 39_998n, 39_997n])
    const plan = await fixture.database.query<{ 'QUERY PLAN': string }>({
      name: 'explain',
      text: `explain (analyze) select distinct on (block_number) block_number, block_hash
             from tidemark.balance_record join tidemark.position on position.id = position_id
             where chain_id = 1 and block_number < 40000 order by block_number desc limit 3`,
    })
    const text = plan.map((line) => line['QUERY PLAN']).join('\n')
    expect(text).toContain('balance_record_block')
    expect(text).not.toContain('Seq Scan on balance_record')
  })
})

/** Records of one position of another chain, one for each block from 1 on. */
async function fillOtherChain(count: number): Promise<void> {
  const other = 2n
  await fixture.watchList.applyConfiguration({
    chains: [
      { chainId, name: 'Test', tokens: [token] },
      { chainId: other, name: 'Other', tokens: [] },
    ],
    solvers: [{ address: solver, label: 'hot' }],
  })
  const [position] = await fixture.store.loadPositions(other)
  await fixture.database.query({
    name: 'fill-other-chain',
    text: `
      insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, transaction_hashes,
        unexplained)
      select $1, number, decode(lpad(to_hex(number), 64, '0'), 'hex'), now(), number, '{}', 0
      from generate_series(1, $2::bigint) as number`,
    values: [position?.id, count],
  })
  await fixture.database.query({ name: 'analyze', text: 'analyze tidemark.balance_record' })
}

/** Runs statements while what was started waits for the chain that they hold. */
async function whileWaiting(start: () => void, statements: readonly string[]): Promise<void> {
  await fixture.database.transaction(async (transaction) => {
    await transaction.query({ name: 'hold', text: 'select from tidemark.chain for update' })
    start()
    let waiting: readonly object[] = []
    while (waiting.length === 0) {
      waiting = await transaction.query({
        name: 'waiting',
        text: `select from pg_locks where not granted and locktype in ('transactionid', 'tuple')`,
      })
    }
    for (const [index, text] of statements.entries()) await transaction.query({ name: `meanwhile-${index}`, text })
  })
}
