import type { RollbackCommit } from '../../ledger/ledger-store.js'
import { appendEvents } from './append-events.js'
import { toBytes } from './bytes.js'
import { insertHeaders, moveCursor } from './chain-cursor.js'
import type { Queryable } from './database.js'

/** Takes the blocks above an ancestor out of history: records are kept aside, coverage and balances go back. */
export async function commitRollback(transaction: Queryable, commit: RollbackCommit): Promise<void> {
  const { chainId, cursor, ancestor, events } = commit
  await moveCursor(transaction, { chainId, from: cursor, to: ancestor })
  await transaction.query({
    name: 'drop-orphaned-headers',
    text: 'delete from tidemark.block where chain_id = $1 and number > $2',
    values: [chainId, ancestor.number],
  })
  // The ancestor may be older than the headers that are kept: it is the cursor now, and must be there.
  await insertHeaders(transaction, chainId, [ancestor])
  await restoreCoverage(transaction, commit)
  await orphanRecords(transaction, commit)
  await restoreBalances(transaction, commit)
  await appendEvents(transaction, events)
}

async function orphanRecords(transaction: Queryable, { chainId, ancestor }: RollbackCommit): Promise<void> {
  await transaction.query({
    name: 'orphan-records',
    text: `
      with orphaned as (
        delete from tidemark.balance_record using tidemark.position
        where position.id = position_id and chain_id = $1 and block_number > $2
        returning balance_record.*
      )
      insert into tidemark.orphaned_record (position_id, block_number, block_hash, timestamp, balance, previous_balance,
        transaction_hashes, ancestor_number, ancestor_hash)
      select position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes, $2, $3
      from orphaned`,
    values: [chainId, ancestor.number, toBytes(ancestor.hash)],
  })
}

async function restoreBalances(transaction: Queryable, { standing }: RollbackCommit): Promise<void> {
  if (standing.size === 0) return
  const entries = [...standing]
  await transaction.query({
    name: 'restore-balances',
    text: `
      update tidemark.position set record_number = entry.number, balance = entry.balance
      from unnest($1::bigint[], $2::bigint[], $3::numeric[]) as entry (id, number, balance)
      where position.id = entry.id`,
    values: [
      entries.map(([id]) => id),
      entries.map(([, record]) => record?.blockNumber ?? null),
      entries.map(([, record]) => record?.balance.toString() ?? null),
    ],
  })
}

/**
 * Intervals that began above the ancestor never were; those that ended above it reach to it. A position that had turned
 * stale above the ancestor is open again there: the next block reads it anew. A position whose first record goes is to
 * be started again; one that had only been taken up after a failure or a gap goes on from its last known balance.
 */
async function restoreCoverage(transaction: Queryable, { chainId, ancestor }: RollbackCommit): Promise<void> {
  const values = [chainId, ancestor.number]
  await transaction.query({
    name: 'drop-orphaned-coverage',
    text: `
      with dropped as (
        delete from tidemark.coverage using tidemark.position
        where position.id = position_id and chain_id = $1 and from_number > $2
        returning position_id, from_number
      )
      update tidemark.position set fresh = true
      from dropped join tidemark.balance_record as record
        on record.position_id = dropped.position_id and record.block_number = from_number
      where position.id = dropped.position_id and record.previous_balance is null`,
    values,
  })
  await transaction.query({
    name: 'reopen-coverage',
    text: `
      update tidemark.coverage set to_number = case when position.active then null else $2::bigint end
      from tidemark.position
      where position.id = position_id and chain_id = $1 and to_number > $2`,
    values,
  })
  await transaction.query({
    name: 'clear-orphaned-staleness',
    text: `
      update tidemark.position
      set stale_reason = null, verified_number = null, verified_hash = null, verified_timestamp = null
      where chain_id = $1 and active and verified_number > $2`,
    values,
  })
  // What is no longer watched was last known to hold at a block that is gone: now it is the ancestor.
  await transaction.query({
    name: 'move-orphaned-verification',
    text: `
      update tidemark.position
      set verified_number = $2, verified_hash = block.hash, verified_timestamp = block.timestamp
      from tidemark.block
      where position.chain_id = $1 and not active and verified_number > $2
        and block.chain_id = $1 and block.number = $2`,
    values,
  })
}
