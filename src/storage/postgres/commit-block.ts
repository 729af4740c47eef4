import { blockTime } from '../../model/block.js'
import type { BlockCommit } from '../../ledger/ledger-store.js'
import { appendEvents } from './append-events.js'
import { toBytes, tokenToBytes } from './bytes.js'
import { insertHeaders, moveCursor, pruneHeaders } from './chain-cursor.js'
import type { Queryable } from './database.js'

/** Stores everything one block changed. Statements with nothing to do are left out: most blocks change nothing. */
export async function commitBlock(transaction: Queryable, commit: BlockCommit): Promise<void> {
  const { chainId, header, parent, finality } = commit
  await moveCursor(transaction, { chainId, from: parent, to: header, finality })
  await insertHeaders(transaction, chainId, [header])
  if (commit.metadata.size > 0) await storeMetadata(transaction, commit)
  if (commit.stale.length > 0) await markStale(transaction, commit)
  if (commit.opened.length > 0) await openCoverage(transaction, commit)
  if (commit.records.length > 0) await insertRecords(transaction, commit)
  await pruneHeaders(transaction, chainId, header.number)
  await appendEvents(transaction, commit.events)
}

async function insertRecords(transaction: Queryable, { header, records }: BlockCommit): Promise<void> {
  await transaction.query({
    name: 'insert-records',
    text: `
      with inserted as (
        insert into tidemark.balance_record (position_id, block_number, block_hash, timestamp, balance,
          previous_balance, transaction_hashes, cause, unexplained, decimals, symbol, name)
        select id, $1, $2, $3, balance, previous,
          (select coalesce(array_agg(decode(hash, 'hex') order by place), '{}')
           from unnest(string_to_array(hashes, ',')) with ordinality as listed (hash, place)),
          cause, unexplained, decimals, symbol, name
        from unnest($4::bigint[], $5::numeric[], $6::numeric[], $7::text[], $8::text[], $9::numeric[], $10::smallint[], $11::text[], $12::text[])
          as entry (id, balance, previous, hashes, cause, unexplained, decimals, symbol, name)
        on conflict (position_id, block_number) do update
        set block_hash = excluded.block_hash, timestamp = excluded.timestamp, balance = excluded.balance,
            previous_balance = excluded.previous_balance, transaction_hashes = excluded.transaction_hashes,
            cause = excluded.cause, unexplained = excluded.unexplained
        returning position_id, balance
      )
      update tidemark.position set record_number = $1, balance = inserted.balance
      from inserted where id = inserted.position_id`,
    values: [
      header.number,
      toBytes(header.hash),
      blockTime(header),
      records.map((record) => record.positionId),
      records.map((record) => record.balance.toString()),
      records.map((record) => record.previousBalance?.toString() ?? null),
      records.map((record) => record.transactionHashes.map((hash) => hash.slice(2)).join(',')),
      records.map((record) => record.cause),
      records.map((record) => record.unexplained.toString()),
      records.map((record) => record.metadata.decimals),
      records.map((record) => record.metadata.symbol),
      records.map((record) => record.metadata.name),
    ],
  })
}

/** A position taken off the watch list in this very moment stays closed. */
async function openCoverage(transaction: Queryable, { header, opened }: BlockCommit): Promise<void> {
  await transaction.query({
    name: 'open-coverage',
    text: `
      with opened as (
        update tidemark.position
        set fresh = false, stale_reason = null, verified_number = null, verified_hash = null, verified_timestamp = null
        where id = any($2::bigint[]) and active
        returning id
      )
      insert into tidemark.coverage (position_id, from_number)
      select id, $1 from opened
      on conflict do nothing`,
    values: [header.number, opened],
  })
}

async function markStale(transaction: Queryable, { chainId, parent, stale }: BlockCommit): Promise<void> {
  await transaction.query({
    name: 'mark-stale',
    text: `
      with failed as (
        select * from unnest($4::bigint[], $5::text[]) as entry (id, reason)
      ), closed as (
        update tidemark.coverage set to_number = $2 from failed
        where position_id = failed.id and to_number is null
        returning position_id
      )
      update tidemark.position
      set stale_reason = failed.reason,
          verified_number = case when closed.position_id is null then verified_number else $2 end,
          verified_hash = case when closed.position_id is null then verified_hash else $3 end,
          verified_timestamp = case when closed.position_id is null then verified_timestamp
            else (select timestamp from tidemark.block where chain_id = $1 and number = $2) end
      from failed left join closed on closed.position_id = failed.id
      where position.id = failed.id`,
    values: [
      chainId,
      parent?.number ?? null,
      parent === null ? null : toBytes(parent.hash),
      stale.map((entry) => entry.positionId),
      stale.map((entry) => entry.reason),
    ],
  })
}

async function storeMetadata(transaction: Queryable, { chainId, metadata }: BlockCommit): Promise<void> {
  const entries = [...metadata]
  await transaction.query({
    name: 'store-metadata',
    text: `
      insert into tidemark.token_metadata as known (chain_id, token, decimals, symbol, name)
      select $1, * from unnest($2::bytea[], $3::smallint[], $4::text[], $5::text[])
      on conflict (chain_id, token) do update
      set decimals = coalesce(excluded.decimals, known.decimals), symbol = coalesce(excluded.symbol, known.symbol),
          name = coalesce(excluded.name, known.name), read_at = now()`,
    values: [
      chainId,
      entries.map(([token]) => tokenToBytes(token)),
      entries.map(([, entry]) => entry.decimals),
      entries.map(([, entry]) => entry.symbol),
      entries.map(([, entry]) => entry.name),
    ],
  })
}
