-- Balances as of a time, and statistics over time.

-- A position's records with all that statistics look at, in the order of blocks: read without the records themselves,
-- which lie scattered. It does the primary key's work besides.
create unique index balance_record_folded on tidemark.balance_record (position_id, block_number)
  include (timestamp, balance, previous_balance);
alter table tidemark.balance_record drop constraint balance_record_pkey;
alter table tidemark.balance_record
  add constraint balance_record_pkey primary key using index balance_record_folded;

-- Finds the newest record at or before a time.
create index balance_record_time on tidemark.balance_record (position_id, timestamp, block_number);

-- An index alone answers for rows that a vacuum has seen. One of only new rows reads these alone, so it may be frequent.
alter table tidemark.balance_record set (
  autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_vacuum_insert_scale_factor = 0.02,
  autovacuum_analyze_scale_factor = 0.05
);

-- The times of the bounds, where they are known.
alter table tidemark.coverage
  add column from_timestamp timestamptz,
  add column to_timestamp timestamptz;

-- What is known of a block's time: by its header, by the position's record, by any record of the chain.
create function tidemark.time_of_block(of_chain bigint, of_position bigint, of_number bigint) returns timestamptz
language sql stable as $$
  select coalesce(
    (select timestamp from tidemark.block where chain_id = of_chain and number = of_number),
    (select timestamp from tidemark.balance_record where position_id = of_position and block_number = of_number),
    (select timestamp from tidemark.balance_record join tidemark.position on position.id = position_id
     where block_number = of_number and chain_id = of_chain limit 1)
  )
$$;

update tidemark.coverage
set from_timestamp = tidemark.time_of_block(chain_id, position_id, from_number),
    to_timestamp = tidemark.time_of_block(chain_id, position_id, to_number)
from tidemark.position
where position.id = position_id;

-- Whoever writes coverage need not care: a bound gets its time from what is stored once the statement is through. A time
-- that came with the row stands where nothing is stored.
create function tidemark.time_new_coverage() returns trigger language plpgsql as $$
begin
  update tidemark.coverage
  set from_timestamp = coalesce(
        tidemark.time_of_block(chain_id, fresh.position_id, fresh.from_number), fresh.from_timestamp),
      to_timestamp = coalesce(tidemark.time_of_block(chain_id, fresh.position_id, fresh.to_number), fresh.to_timestamp)
  from fresh join tidemark.position on position.id = fresh.position_id
  where coverage.position_id = fresh.position_id and coverage.from_number = fresh.from_number;
  return null;
end
$$;

create function tidemark.time_moved_coverage() returns trigger language plpgsql as $$
begin
  update tidemark.coverage
  set to_timestamp = tidemark.time_of_block(chain_id, fresh.position_id, fresh.to_number)
  from fresh
  join stale on stale.position_id = fresh.position_id and stale.from_number = fresh.from_number
  join tidemark.position on position.id = fresh.position_id
  where coverage.position_id = fresh.position_id and coverage.from_number = fresh.from_number
    and fresh.to_number is distinct from stale.to_number;
  return null;
end
$$;

create trigger coverage_begins after insert on tidemark.coverage
  referencing new table as fresh
  for each statement when (pg_trigger_depth() = 0) execute function tidemark.time_new_coverage();

create trigger coverage_moves after update on tidemark.coverage
  referencing old table as stale new table as fresh
  for each statement when (pg_trigger_depth() = 0) execute function tidemark.time_moved_coverage();
