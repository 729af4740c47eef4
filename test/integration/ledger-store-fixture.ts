import type { Address } from '../../src/model/address.js'
import type { BlockHeader } from '../../src/model/block.js'
import { silentLogger } from '../../src/model/logger.js'
import type { Hash } from '../../src/model/position.js'
import type { BlockCommit, HistoryCommit, HistoryRow, RecordRow, SpanCommit } from '../../src/ledger/ledger-store.js'
import { planRollback } from '../../src/ledger/roll-back.js'
import { PostgresBalanceReader } from '../../src/storage/postgres/balance-reader.js'
import { Database } from '../../src/storage/postgres/database.js'
import { PostgresEventLog } from '../../src/storage/postgres/event-log.js'
import { PostgresLedgerStore } from '../../src/storage/postgres/ledger-store.js'
import { PostgresWatchListStore } from '../../src/storage/postgres/watch-list-store.js'
import { createTestDatabase } from '../support/test-database.js'

export const chainId = 1n
export const solver: Address = `0x${'a1'.repeat(20)}`
export const token: Address = `0x${'c3'.repeat(20)}`
const noMetadata = { decimals: null, symbol: null, name: null }
const noFinality = { safe: null, finalized: null }

/** Hashes of a branch: block 7 of branch `a` is 0xaa…07. */
export const hashOf = (number: bigint, branch = 'a'): Hash =>
  `0x${branch.repeat(52)}${number.toString(16).padStart(12, '0')}`

export const header = (number: bigint, branch = 'a', parentBranch: string = branch): BlockHeader => ({
  number,
  hash: hashOf(number, branch),
  parentHash: hashOf(number - 1n, parentBranch),
  timestampSeconds: 1_700_000_000 + Number(number) * 12,
})

export const record = (positionId: bigint, balance: bigint, previousBalance: bigint | null): RecordRow => ({
  positionId,
  balance,
  previousBalance,
  transactionHashes: [],
  cause: previousBalance === null ? null : 'unknown',
  unexplained: previousBalance === null ? 0n : balance - previousBalance,
  metadata: noMetadata,
})

export const row = (
  positionId: bigint,
  block: BlockHeader,
  balance: bigint,
  previousBalance: bigint | null,
): HistoryRow => ({ ...record(positionId, balance, previousBalance), block })

export const blockCommit = (
  parent: BlockHeader | null,
  next: BlockHeader,
  change: Partial<BlockCommit> = {},
): BlockCommit => ({
  chainId,
  parent,
  header: next,
  finality: noFinality,
  records: [],
  opened: [],
  stale: [],
  metadata: new Map(),
  accruing: [],
  settled: [],
  events: [],
  ...change,
})

export const spanCommit = (
  parent: BlockHeader,
  headers: readonly BlockHeader[],
  change: Partial<SpanCommit> = {},
): SpanCommit => ({
  chainId,
  parent,
  headers,
  finality: noFinality,
  records: [],
  coverage: new Map(),
  stale: [],
  events: [],
  ...change,
})

export const historyCommit = (
  positionId: bigint,
  from: bigint,
  to: BlockHeader,
  change: Partial<HistoryCommit> = {},
): HistoryCommit => ({
  chainId,
  positionId,
  from,
  to,
  records: [],
  coverage: 'exact',
  reason: 'backfill',
  notes: [],
  ...change,
})

export interface StoreFixture {
  /** For `DATABASE_URL`. */
  readonly url: string
  readonly database: Database
  readonly store: PostgresLedgerStore
  readonly reader: PostgresBalanceReader
  readonly log: PostgresEventLog
  readonly watchList: PostgresWatchListStore
  /** Ids of the solver's native and token position. */
  readonly native: bigint
  readonly erc20: bigint
  /** A position's records, oldest first: block, balance, balance before. */
  records(positionId: bigint): Promise<(readonly [bigint, bigint, bigint | null])[]>
  /** A position's coverage in words, such as `exact 5-9, sampled 12-`. */
  coverage(positionId: bigint): Promise<string>
  rollBack(cursor: BlockHeader, ancestor: BlockHeader): Promise<void>
  close(): Promise<void>
}

/** A store of one solver with one token on one chain, its cursor at block 9. */
export async function openStore(): Promise<StoreFixture> {
  const testDatabase = await createTestDatabase()
  const database = new Database(testDatabase.address, silentLogger)
  const store = new PostgresLedgerStore(database)
  const watchList = new PostgresWatchListStore(database)
  await watchList.applyConfiguration({
    chains: [{ chainId, name: 'Test', tokens: [token] }],
    solvers: [{ address: solver, label: 'hot' }],
  })
  await store.commitStart(chainId, hashOf(0n), [header(8n), header(9n)])
  const positions = await store.loadPositions(chainId)
  const idOf = (wanted: string): bigint => positions.find((position) => position.token === wanted)?.id ?? -1n
  return {
    url: testDatabase.url,
    database,
    store,
    reader: new PostgresBalanceReader(database),
    log: new PostgresEventLog(database, silentLogger),
    watchList,
    native: idOf('native'),
    erc20: idOf(token),
    async records(positionId) {
      const rows = await database.query<{ block_number: string; balance: string; previous_balance: string | null }>({
        name: 'test-records',
        text: `select block_number, balance, previous_balance from tidemark.balance_record
               where position_id = $1 order by block_number`,
        values: [positionId],
      })
      return rows.map((entry) => [
        BigInt(entry.block_number),
        BigInt(entry.balance),
        entry.previous_balance === null ? null : BigInt(entry.previous_balance),
      ])
    },
    async coverage(positionId) {
      const intervals = await store.coverage(positionId)
      return intervals.map(({ kind, from, to }) => `${kind} ${from}-${to ?? ''}`).join(', ')
    },
    async rollBack(cursor, ancestor) {
      await store.commitRollback({ chainId, cursor, ancestor }, (records) => planRollback(records, chainId, ancestor))
    },
    async close() {
      await database.close()
      await testDatabase.drop()
    },
  }
}
