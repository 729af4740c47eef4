import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { planRollback } from '../../src/ledger/roll-back.js'
import type { LedgerStore } from '../../src/ledger/ledger-store.js'
import {
  blockCommit,
  chainId,
  hashOf,
  header,
  historyCommit,
  openStore,
  record,
  row,
  spanCommit,
} from './ledger-store-fixture.js'
import type { StoreFixture } from './ledger-store-fixture.js'
import { until } from '../support/until.js'

const name = 'Test'
/** As large as epochs are: microseconds since 1970. */
const EPOCH = 1_800_000_000_000_000n
const changedEvent = { type: 'watch-list.changed', data: { reason: 'a test' } } as const

describe('a chain that another process follows by now', () => {
  let fixture: StoreFixture
  let old: LedgerStore
  let young: LedgerStore

  beforeEach(async () => {
    fixture = await openStore()
    old = fixture.store.underLease(EPOCH)
    young = fixture.store.underLease(EPOCH + 1n)
    await old.loadChain({ chainId, name })
    await old.commitBlock(
      blockCommit(header(9n), header(10n), {
        opened: [fixture.native],
        records: [record(fixture.native, 7n, null)],
      }),
    )
  })

  afterEach(() => fixture.close())

  const writes: Readonly<Record<string, (store: LedgerStore) => Promise<unknown>>> = {
    'a block': (store) =>
      store.commitBlock(
        blockCommit(header(10n), header(11n), {
          records: [record(fixture.native, 8n, 7n)],
          events: [changedEvent],
        }),
      ),
    'a block in which nothing changed': (store) => store.commitBlock(blockCommit(header(10n), header(11n))),
    'a span': (store) =>
      store.commitSpan(
        spanCommit(header(10n), [header(11n), header(12n)], {
          records: [row(fixture.native, header(12n), 8n, 7n)],
          events: [changedEvent],
        }),
      ),
    'a rollback': (store) =>
      store.commitRollback({ chainId, cursor: header(11n), ancestor: header(10n) }, (records) =>
        planRollback(records, chainId, header(10n)),
      ),
    'a gap': (store) =>
      store.commitGap({ chainId, cursor: header(10n), headers: [header(90n), header(91n)], reason: 'a test' }),
    'a start': (store) => store.commitStart(chainId, hashOf(1n), []),
    finality: (store) => store.commitFinality(chainId, { safe: 9n, finalized: 8n }),
    'history that was put right': (store) =>
      store.commitHistory(
        historyCommit(fixture.native, 8n, header(9n), { records: [row(fixture.native, header(9n), 3n, null)] }),
      ),
    'pieces of history': (store) =>
      store.commitHistoryPieces(chainId, [
        historyCommit(fixture.native, 8n, header(9n), { records: [row(fixture.native, header(9n), 3n, null)] }),
      ]),
  }

  /** Every row of the ledger and the log, to tell that nothing was written. */
  const everything = (): Promise<unknown> =>
    Promise.all(
      ['chain', 'block', 'position', 'coverage', 'balance_record', 'event', 'event_log'].map((table) =>
        fixture.database.query({
          name: `all-${table}`,
          text: `select * from tidemark.${table} as entry order by entry::text`,
        }),
      ),
    )

  it('takes every kind of write from that process, and nothing of it from the one before', async () => {
    await young.loadChain({ chainId, name })
    const before = await everything()
    for (const [what, write] of Object.entries(writes)) {
      await expect(write(old), what).rejects.toMatchObject({ code: 'lease_lost', retryable: true })
      expect(await everything(), what).toEqual(before)
    }
    let last = before
    for (const what of ['a block', 'a rollback', 'finality', 'history that was put right', 'a start']) {
      await writes[what]!(young)
      const now = await everything()
      expect(now, what).not.toEqual(last)
      last = now
    }
  })

  it('cannot be claimed back under the old lease', async () => {
    await young.loadChain({ chainId, name })
    await expect(old.loadChain({ chainId, name })).rejects.toMatchObject({ code: 'lease_lost' })
    await writes['a block']!(young)
  })

  it('has not moved any more once it is claimed, however many writes were under way', async () => {
    const write = (safe: number): Promise<void> => old.commitFinality(chainId, { safe: BigInt(safe), finalized: null })
    const early = Array.from({ length: 30 }, (_, index) => write(100 + index))
    const claim = young.loadChain({ chainId, name })
    const late = Array.from({ length: 30 }, (_, index) => write(200 + index))
    const outcomes = await Promise.allSettled([...early, ...late])
    const claimed = await claim
    expect(await young.loadChain({ chainId, name })).toEqual(claimed)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'lease_lost' })
  })

  it('is not held up by a process that froze in the middle of a transaction', async () => {
    let thaw: () => void = () => undefined
    const frozen = new Promise<void>((resolve) => (thaw = resolve))
    let locked = false
    const rollback = old.commitRollback({ chainId, cursor: header(10n), ancestor: header(9n) }, async (records) => {
      locked = true
      await frozen
      return planRollback(records, chainId, header(9n))
    })
    const outcome = rollback.then(
      () => 'done',
      (error: unknown) => error,
    )
    await until('the chain is locked', () => locked)
    const startedAtMs = performance.now()
    const { headers } = await young.loadChain({ chainId, name })
    expect(performance.now() - startedAtMs).toBeLessThan(9000)
    expect(headers.at(-1)?.number).toBe(10n)
    thaw()
    expect(await outcome).toMatchObject({ retryable: true })
    expect((await young.loadChain({ chainId, name })).headers).toEqual(headers)
  })

  it('still says that its cursor moved when that is what is wrong', async () => {
    await expect(old.commitBlock(blockCommit(header(9n), header(10n, 'b')))).rejects.toMatchObject({
      code: 'cursor_moved',
    })
    await expect(old.commitSpan(spanCommit(header(9n), [header(10n, 'b')]))).rejects.toMatchObject({
      code: 'cursor_moved',
    })
  })

  it('takes what a tool finds out about the past, which needs no lease', async () => {
    await young.loadChain({ chainId, name })
    await writes['history that was put right']!(fixture.store)
    expect(await fixture.records(fixture.native)).toEqual([
      [9n, 3n, null],
      [10n, 7n, 3n],
    ])
  })
})
