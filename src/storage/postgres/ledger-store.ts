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
import { insertHeaders, isClaimedFor, moveCursor, refusal } from './chain-cursor.js'
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
  /** Of the lease under which it writes; null where it needs none. */
  readonly #epoch: bigint | null

  constructor(database: Database, epoch: bigint | null = null) {
    this.#database = database
    this.#epoch = epoch
  }

  underLease(epoch: bigint): LedgerStore {
    return new PostgresLedgerStore(this.#database, epoch)
  }

  loadChain(chain: { readonly chainId: bigint; readonly name: string }): Promise<StoredChain> {
    return loadChain(this.#database, chain, this.#epoch)
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
    const epoch = this.#epoch
    await this.#database.transaction(async (transaction) => {
      const cursor = headers.at(-1)
      if (cursor !== undefined) await moveCursor(transaction, { chainId, from: null, to: cursor, epoch })
      const rows = await transaction.query({
        name: 'set-genesis',
        text: `
          update tidemark.chain set genesis_hash = $2 where chain_id = $1 and ${isClaimedFor('$3')}
          returning chain_id`,
        values: [chainId, genesisHash === null ? null : toBytes(genesisHash), epoch],
      })
      if (rows.length === 0) throw await refusal(transaction, { chainId, from: null, epoch })
      await insertHeaders(transaction, chainId, headers)
    })
  }

  commitBlock(commit: BlockCommit): Promise<readonly LoggedEvent[]> {
    return commitBlock(this.#database, commit, this.#epoch)
  }

  commitRollback(
    commit: RollbackCommit,
    plan: (records: RollbackRecords) => Promise<RollbackPlan>,
  ): Promise<RollbackPlan> {
    return this.#database.transaction((transaction) => commitRollback(transaction, commit, plan, this.#epoch))
  }

  async commitGap(commit: GapCommit): Promise<void> {
    await this.#database.transaction((transaction) => commitGap(transaction, commit, this.#epoch))
  }

  async commitSpan(commit: SpanCommit): Promise<void> {
    await this.#database.transaction((transaction) => commitSpan(transaction, commit, this.#epoch))
  }

  commitHistory(commit: HistoryCommit): Promise<{ readonly added: number; readonly removed: number }> {
    return this.#database.transaction((transaction) => commitHistory(transaction, commit, this.#epoch))
  }

  commitHistoryPieces(
    chainId: bigint,
    commits: readonly HistoryCommit[],
  ): Promise<{ readonly added: number; readonly removed: number }> {
    return this.#database.transaction((transaction) => commitHistoryPieces(transaction, chainId, commits, this.#epoch))
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
    const epoch = this.#epoch
    const rows = await this.#database.query({
      name: 'set-finality',
      text: `
        update tidemark.chain
        set safe_number = greatest($2, safe_number), finalized_number = greatest($3, finalized_number)
        where chain_id = $1 and ${isClaimedFor('$4')}
        returning chain_id`,
      values: [chainId, finality.safe, finality.finalized, epoch],
    })
    if (rows.length === 0) throw await refusal(this.#database, { chainId, from: null, epoch })
  }
}

/** All positions turn stale at the old cursor; the next block they are read at begins a new interval. */
async function commitGap(transaction: Queryable, commit: GapCommit, epoch: bigint | null): Promise<void> {
  const { chainId, cursor, headers, reason } = commit
  await moveCursor(transaction, { chainId, from: cursor, to: lastOf(headers), epoch })
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
