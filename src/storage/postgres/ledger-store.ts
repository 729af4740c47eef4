import type { LoggedEvent } from '../../model/event.js'
import type { BlockHeader, BlockRef, FinalityCursors } from '../../model/block.js'
import type { Hash } from '../../model/position.js'
import type {
  BlockCommit,
  GapCommit,
  HistoryCommit,
  LedgerStore,
  RollbackCommit,
  RollbackPlan,
  RollbackRecords,
  SpanCommit,
  StoredChain,
  StoredCorrection,
  StoredPosition,
  StoredRecord,
} from '../../ledger/ledger-store.js'
import type { CoverageInterval } from '../../model/coverage.js'
import { toBytes } from './bytes.js'
import { commitBlock } from './commit-block.js'
import { announceHistory } from './announce-history.js'
import { commitHistory, commitHistoryPieces } from './commit-history.js'
import { commitRollback } from './commit-rollback.js'
import { commitSpan } from './commit-span.js'
import type { Database, Queryable } from './database.js'
import { insertHeaders, moveCursor } from './chain-cursor.js'
import {
  corrections,
  knownBlocks,
  loadChain,
  loadPositions,
  recordsAbove,
  recordsAt,
  recordsBetween,
  selectCoverage,
} from './ledger-queries.js'

/** The ledger in PostgreSQL. */
export class PostgresLedgerStore implements LedgerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  loadChain(chain: { readonly chainId: bigint; readonly name: string }): Promise<StoredChain> {
    return loadChain(this.#database, chain)
  }

  loadPositions(
    chainId: bigint,
    options?: { readonly inactive?: boolean | undefined },
  ): Promise<readonly StoredPosition[]> {
    return loadPositions(this.#database, chainId, options)
  }

  recordsAbove(chainId: bigint, blockNumber: bigint): Promise<readonly StoredRecord[]> {
    return recordsAbove(this.#database, chainId, blockNumber)
  }

  recordsAt(positionIds: readonly bigint[], blockNumber: bigint): Promise<readonly StoredRecord[]> {
    return recordsAt(this.#database, positionIds, blockNumber)
  }

  async commitStart(chainId: bigint, genesisHash: Hash | null, headers: readonly BlockHeader[]): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      const cursor = headers.at(-1)
      if (cursor !== undefined) await moveCursor(transaction, { chainId, from: null, to: cursor })
      await transaction.query({
        name: 'set-genesis',
        text: 'update tidemark.chain set genesis_hash = $2 where chain_id = $1',
        values: [chainId, genesisHash === null ? null : toBytes(genesisHash)],
      })
      await insertHeaders(transaction, chainId, headers)
    })
  }

  commitBlock(commit: BlockCommit): Promise<readonly LoggedEvent[]> {
    return commitBlock(this.#database, commit)
  }

  commitRollback(
    commit: RollbackCommit,
    plan: (records: RollbackRecords) => Promise<RollbackPlan>,
  ): Promise<RollbackPlan> {
    return this.#database.transaction((transaction) => commitRollback(transaction, commit, plan))
  }

  async commitGap(commit: GapCommit): Promise<void> {
    await this.#database.transaction((transaction) => commitGap(transaction, commit))
  }

  async commitSpan(commit: SpanCommit): Promise<void> {
    await this.#database.transaction((transaction) => commitSpan(transaction, commit))
  }

  commitHistory(commit: HistoryCommit): Promise<{ readonly added: number; readonly removed: number }> {
    return this.#database.transaction((transaction) => commitHistory(transaction, commit))
  }

  commitHistoryPieces(
    chainId: bigint,
    commits: readonly HistoryCommit[],
  ): Promise<{ readonly added: number; readonly removed: number }> {
    return this.#database.transaction((transaction) => commitHistoryPieces(transaction, chainId, commits))
  }

  announceHistory(chainId: bigint): Promise<number> {
    return announceHistory(this.#database, chainId)
  }

  recordsBetween(
    positionId: bigint,
    bounds: { readonly from: bigint; readonly to: bigint; readonly limit: number },
  ): Promise<readonly StoredRecord[]> {
    return recordsBetween(this.#database, positionId, bounds)
  }

  coverage(positionId: bigint): Promise<readonly CoverageInterval[]> {
    return selectCoverage(this.#database, positionId)
  }

  corrections(positionId: bigint, limit: number): Promise<readonly StoredCorrection[]> {
    return corrections(this.#database, positionId, limit)
  }

  knownBlocks(chainId: bigint, below: bigint, limit: number): Promise<readonly BlockRef[]> {
    return knownBlocks(this.#database, chainId, below, limit)
  }

  async commitFinality(chainId: bigint, finality: FinalityCursors): Promise<void> {
    await this.#database.query({
      name: 'set-finality',
      text: `
        update tidemark.chain
        set safe_number = greatest($2, safe_number), finalized_number = greatest($3, finalized_number)
        where chain_id = $1`,
      values: [chainId, finality.safe, finality.finalized],
    })
  }
}

/** All positions turn stale at the old cursor; the next block they are read at begins a new interval. */
async function commitGap(transaction: Queryable, { chainId, cursor, headers, reason }: GapCommit): Promise<void> {
  await moveCursor(transaction, { chainId, from: cursor, to: lastOf(headers) })
  await transaction.query({
    name: 'gap-stale',
    text: `
      update tidemark.position
      set stale_reason = $2, verified_number = $3, verified_hash = $4,
          verified_timestamp = (select timestamp from tidemark.block where chain_id = $1 and number = $3)
      where chain_id = $1 and active and stale_reason is null
        and exists (select from tidemark.coverage where position_id = id and to_number is null)`,
    values: [chainId, reason, cursor.number, toBytes(cursor.hash)],
  })
  await transaction.query({
    name: 'gap-coverage',
    text: `
      update tidemark.coverage set to_number = $2
      from tidemark.position where position.id = position_id and chain_id = $1 and to_number is null`,
    values: [chainId, cursor.number],
  })
  await transaction.query({
    name: 'gap-headers',
    text: 'delete from tidemark.block where chain_id = $1',
    values: [chainId],
  })
  await insertHeaders(transaction, chainId, headers)
}

function lastOf(headers: readonly BlockHeader[]): BlockHeader {
  const last = headers.at(-1)
  if (last === undefined) throw new Error('invariant: at least one header')
  return last
}
