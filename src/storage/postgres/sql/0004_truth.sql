-- Why a balance changed, how blocks are known, and what was found wrong.

alter table tidemark.balance_record
  -- Null for a first record, which is no change.
  add column cause text,
  -- What of the change the known transactions do not add up to, signed.
  add column unexplained numeric(79, 0) not null default 0;

update tidemark.balance_record
set cause = case when transaction_hashes = '{}' then 'unknown' else 'transfer' end,
    unexplained = case when explained then 0 else balance - previous_balance end
where previous_balance is not null;

alter table tidemark.balance_record drop column explained;

-- `exact`: every change between the bounds has its record. `sampled`: there may be changes without one.
alter table tidemark.coverage add column kind text not null default 'exact' check (kind in ('exact', 'sampled'));

-- Balances of such a token grow by themselves in every block.
alter table tidemark.token_metadata add column accruing boolean not null default false;

-- Records that were found wrong, missing or too many by a check against the chain, and were put right.
create table tidemark.record_correction (
  id bigint generated always as identity primary key,
  position_id bigint not null references tidemark.position,
  block_number bigint not null,
  block_hash bytea not null check (length(block_hash) = 32),
  stored numeric(78, 0),
  found numeric(78, 0),
  reason text not null,
  note text not null,
  at timestamptz not null default now()
);

create index record_correction_position on tidemark.record_correction (position_id, id);

-- Finds the blocks that are known by their records, newest first.
create index balance_record_block on tidemark.balance_record (block_number);

-- Goes up when a position's newest record is changed without the cursor moving: a writer that remembers the balance
-- from before is refused.
alter table tidemark.chain add column rewrites bigint not null default 0;
