import type { RollbackCommit, RollbackPlan, RollbackRecords } from '../../ledger/ledger-store.js'
import { appendEvents } from './append-events.js'
import { toBytes } from './bytes.js'
import { insertHeaders, moveCursor } from './chain-cursor.js'
import type { Queryable } from './database.js'
import { recordsAbove, recordsAt } from './ledger-queries.js'

/**
 * Takes the blocks above an ancestor out of history: records are kept aside, coverage and balances go back. What this
 * means is worked out once the chain's row is locked, so that it is told of the records as they are taken out.
 */
export async function commitRollback(
  transaction: Queryable,
  commit: RollbackCommit,
  makePlan: (records: RollbackRecords) => Promise<RollbackPlan>,
  epoch: bigint | null,
): Promise<RollbackPlan> {
  const { chainId, cursor, ancestor } = commit
  await moveCursor(transaction, { chainId, from: cursor, to: ancestor, epoch })
  const plan = await makePlan({
    recordsAbove: (id, blockNumber) => recordsAbove(transaction, id, blockNumber),
    recordsAt: (positionIds, blockNumber) => recordsAt(transaction, positionIds, blockNumber),
  })
  await transaction.query({
    name: 'drop-orphaned-headers',
    text: 'delete from tidemark.block where chain_id = $1 and number > $2',
    values: [chainId, ancestor.number],
  })
  // The ancestor may be older than the headers that are kept: it is the cursor now, and must be there.
  await insertHeaders(transaction, chainId, [ancestor])
  await lowerFinality(transaction, commit)
  await orphanRecords(transaction, commit)
  await restoreCoverage(transaction, commit)
  await appendEvents(transaction, plan.events)
  return plan
}

/** A chain that went back behind what it called final does so again before the new blocks count as final. */
async function lowerFinality(transaction: Queryable, { chainId, ancestor }: RollbackCommit): Promise<void> {
  await transaction.query({
    name: 'lower-finality',
    text: `
      update tidemark.chain
      set safe_number = least(safe_number, $2), finalized_number = least(finalized_number, $2)
      where chain_id = $1 and greatest(safe_number, finalized_number) > $2`,
    values: [chainId, ancestor.number],
  })
}

/**
 * Keeps the records above the ancestor aside; the newest one that is left stands again. A position whose start is among
 * them is to be started again.
 */
async function orphanRecords(transaction: Queryable, { chainId, ancestor }: RollbackCommit): Promise<void> {
  await transaction.query({
    name: 'orphan-records',
    text: `
      with orphaned as (
        -- Position by position, and deleted where they lie: records of other chains have higher blocks, too, and may be
        -- many millions. The chain is locked, so that none of its records moves meanwhile.
        delete from tidemark.balance_record
        where ctid = any(array(
          select above.place
          from tidemark.position
          cross join lateral (
            select ctid as place from tidemark.balance_record
            where position_id = position.id and block_number > $2
            offset 0
          ) as above
          where chain_id = $1
        ))
        returning balance_record.*
      ), kept_aside as (
        insert into tidemark.orphaned_record (position_id, block_number, block_hash, timestamp, balance,
          previous_balance, transaction_hashes, ancestor_number, ancestor_hash)
        select position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes, $2, $3
        from orphaned
      ), touched as (
        select position_id as id, bool_or(previous_balance is null) as started from orphaned group by position_id
      )
      update tidemark.position
      set record_number = standing.block_number, balance = standing.balance, fresh = fresh or started
      from touched left join lateral (
        select block_number, balance from tidemark.balance_record
        where position_id = touched.id and block_number <= $2
        order by block_number desc limit 1
      ) as standing on true
      where position.id = touched.id`,
    values: [chainId, ancestor.number, toBytes(ancestor.hash)],
  })
}

/**
 * Intervals that began above the ancestor never were; those that reached it are open again, because it is the cursor
 * now, unless they were only sampled and the next block can be exact, or the other way round. A position that had turned
 * stale above the ancestor is followed again: the next block reads it anew. A position that is to be started is not: its
 * first record opens its coverage.
 */
async function restoreCoverage(transaction: Queryable, { chainId, ancestor }: RollbackCommit): Promise<void> {
  const values = [chainId, ancestor.number]
  await transaction.query({
    name: 'drop-orphaned-coverage',
    text: `
      delete from tidemark.coverage using tidemark.position
      where position.id = position_id and chain_id = $1 and from_number > $2`,
    values,
  })
  await transaction.query({
    name: 'reopen-coverage',
    text: `
      with reached as (
        select coverage.position_id, from_number,
               case when active and not fresh and (kind = 'sampled') = coalesce(accruing, false) then null
                    else $2::bigint end as to_number
        from tidemark.coverage
        join tidemark.position on position.id = position_id
        left join tidemark.token_metadata as known
          on known.chain_id = position.chain_id and known.token = position.token
        where position.chain_id = $1 and (coverage.to_number is null or coverage.to_number >= $2)
      )
      update tidemark.coverage set to_number = reached.to_number
      from reached
      where coverage.position_id = reached.position_id and coverage.from_number = reached.from_number
        and coverage.to_number is distinct from reached.to_number`,
    values,
  })
  await transaction.query({
    name: 'clear-orphaned-staleness',
    text: `
      update tidemark.position
      set stale_reason = null, verified_number = null, verified_hash = null, verified_timestamp = null
      where chain_id = $1 and active
        and (verified_number >= $2 or (stale_reason is not null and exists (
          -- It turned stale when it had no coverage to end, because an earlier rollback had taken that.
          select from tidemark.coverage where position_id = position.id and to_number is null
        )))`,
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
