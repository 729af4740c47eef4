import type { BlockHeader } from '../../src/model/block.js'
import type { CoverageKind } from '../../src/model/chain-event.js'
import { silentLogger } from '../../src/model/logger.js'
import type { HistoryRow } from '../../src/ledger/ledger-store.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestDatabase } from '../support/test-database.js'
import { blockCommit, chainId, hashOf, header, record, row, solver, spanCommit, token } from './ledger-store-fixture.js'
import type { ServiceOptions } from './server-fixture.js'

/** A change of a position, as the test knows it. */
export interface KnownRecord {
  readonly block: BlockHeader
  readonly balance: bigint
}

export interface RecordsFixture {
  readonly testDatabase: TestDatabase
  readonly database: Database
  /** Ids of the solver's native and token position. */
  readonly native: bigint
  readonly erc20: bigint
  /** Starts both positions at block 10 with these balances. */
  start(balances: { readonly native: bigint; readonly erc20: bigint }): Promise<void>
  /** Passes the blocks up to a target, with these records in them. */
  pass(to: bigint, records: readonly HistoryRow[], coverage: Coverage): Promise<void>
  close(): Promise<void>
}

interface Coverage {
  readonly native: CoverageKind
  readonly erc20: CoverageKind
}

/** The settings of a service that watches what the fixture holds; its node cannot be reached. */
export const watching: Pick<ServiceOptions, 'chains' | 'solvers'> = {
  solvers: [{ address: solver, label: 'hot' }],
  chains: [
    {
      chainId,
      name: 'Test',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: ['http://127.0.0.1:9'],
      wsUrls: [],
      tokens: [token],
      blockTimeMs: null,
      pollIntervalMs: null,
      syncIntervalMs: 60_000,
    },
  ],
}

/** A database in which a chain stands at block 9, and the means to let it go on. */
export async function openRecords(): Promise<RecordsFixture> {
  const testDatabase = await createTestDatabase()
  const database = new Database(testDatabase.address, silentLogger)
  const store = new PostgresLedgerStore(database)
  await new PostgresWatchListStore(database).applyConfiguration({
    chains: [{ chainId, name: 'Test', tokens: [token] }],
    solvers: [{ address: solver, label: 'hot' }],
  })
  await store.commitStart(chainId, hashOf(0n), [header(8n), header(9n)])
  const positions = await store.loadPositions(chainId)
  const idOf = (wanted: string): bigint => positions.find((position) => position.token === wanted)?.id ?? -1n
  const [native, erc20] = [idOf('native'), idOf(token)]
  let cursor = header(9n)
  return {
    testDatabase,
    database,
    native,
    erc20,
    async start(balances) {
      const block = header(10n)
      await store.commitBlock(
        blockCommit(cursor, block, {
          records: [record(native, balances.native, null), record(erc20, balances.erc20, null)],
          opened: [native, erc20],
        }),
      )
      cursor = block
    },
    async pass(to, records, coverage) {
      const target = header(to)
      const kinds = new Map([
        [native, coverage.native],
        [erc20, coverage.erc20],
      ])
      await store.commitSpan(spanCommit(cursor, [target], { records, coverage: kinds }))
      cursor = target
    },
    async close() {
      await database.close()
      await testDatabase.drop()
    },
  }
}

/** Records of a position whose balance goes from one to the next. */
export function rowsOf(positionId: bigint, records: readonly KnownRecord[], before: bigint): readonly HistoryRow[] {
  return records.map(({ block, balance }, index) =>
    row(positionId, block, balance, records[index - 1]?.balance ?? before),
  )
}

/** Records that one statement makes, well within the time it has. */
const FILL_ROWS = 50_000

/** The balance of the n-th record that `fillRecords` makes, from 1 on. */
export const filledBalance = (n: number): bigint => BigInt(n) * (10n ** 21n + 1n)

/** Gives a position very many records, one in each block after the cursor, and brings the cursor there. */
export async function fillRecords(fixture: RecordsFixture, positionId: bigint, count: number): Promise<void> {
  const { database } = fixture
  for (let first = 1; first <= count; first += FILL_ROWS) {
    await database.query({
      name: 'test-fill',
      text: `
        insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance, previous_balance,
          transaction_hashes, cause, unexplained, decimals, symbol, name)
        select $1, 10 + n, sha256(n::text::bytea), to_timestamp(1700000000 + (10 + n) * 12),
          n * 1000000000000000000001::numeric, (n - 1) * 1000000000000000000001::numeric,
          array[sha256((-n)::text::bytea)], 'transfer', 0, 18, 'TST', 'Test Token'
        from generate_series($2::bigint, $3::bigint) as n`,
      values: [positionId, first, Math.min(count, first + FILL_ROWS - 1)],
    })
  }
  await database.query({
    name: 'test-newest',
    text: `update tidemark.position set record_number = 10 + $2::bigint, balance = $2 * 1000000000000000000001::numeric
           where id = $1`,
    values: [positionId, count],
  })
  await fixture.pass(10n + BigInt(count), [], { native: 'exact', erc20: 'exact' })
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}
