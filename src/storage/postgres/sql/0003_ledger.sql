-- Chains, the watch list, positions and their records. Addresses and hashes are bytes; a token is null bytes ('') for
-- the chain's native currency.

create table tidemark.chain (
  chain_id bigint primary key,
  name text not null,
  genesis_hash bytea check (length(genesis_hash) = 32),
  -- The newest block whose balances are committed. All three are null before the first start.
  cursor_number bigint,
  cursor_hash bytea check (length(cursor_hash) = 32),
  cursor_timestamp timestamptz,
  safe_number bigint,
  finalized_number bigint,
  check ((cursor_number is null) = (cursor_hash is null) and (cursor_number is null) = (cursor_timestamp is null))
);

-- Canonical headers up to the cursor, the newest few hundred of each chain.
create table tidemark.block (
  chain_id bigint not null references tidemark.chain,
  number bigint not null,
  hash bytea not null check (length(hash) = 32),
  parent_hash bytea not null check (length(parent_hash) = 32),
  timestamp timestamptz not null,
  primary key (chain_id, number)
);

create table tidemark.solver (
  address bytea primary key check (length(address) = 20),
  label text,
  in_config boolean not null,
  at_runtime boolean not null,
  added_at timestamptz not null default now()
);

create table tidemark.token (
  chain_id bigint not null references tidemark.chain,
  address bytea not null check (length(address) = 20),
  in_config boolean not null,
  at_runtime boolean not null,
  added_at timestamptz not null default now(),
  primary key (chain_id, address)
);

-- What tokens say of themselves, kept also for tokens no longer watched.
create table tidemark.token_metadata (
  chain_id bigint not null references tidemark.chain,
  token bytea not null,
  decimals smallint,
  symbol text,
  name text,
  read_at timestamptz not null default now(),
  primary key (chain_id, token)
);

create table tidemark.position (
  id bigint generated always as identity primary key,
  chain_id bigint not null references tidemark.chain,
  token bytea not null check (length(token) in (0, 20)),
  solver bytea not null check (length(solver) = 20),
  active boolean not null,
  -- The next reading makes a record whatever it is: the position is new, or was taken up again.
  fresh boolean not null default true,
  -- The newest record, kept here so that current balances need no search.
  record_number bigint,
  balance numeric(78, 0),
  -- Why the position cannot be read, and the newest block at which its balance is known to hold. Null while the
  -- position follows the chain's cursor.
  stale_reason text,
  verified_number bigint,
  verified_hash bytea,
  verified_timestamp timestamptz,
  unique (chain_id, token, solver),
  check ((record_number is null) = (balance is null))
);

create index position_solver on tidemark.position (solver);

create table tidemark.balance_record (
  position_id bigint not null references tidemark.position,
  block_number bigint not null,
  block_hash bytea not null check (length(block_hash) = 32),
  timestamp timestamptz not null,
  balance numeric(78, 0) not null check (balance >= 0),
  previous_balance numeric(78, 0),
  transaction_hashes bytea[] not null,
  explained boolean not null,
  decimals smallint,
  symbol text,
  name text,
  primary key (position_id, block_number)
);

-- Records that a reorganisation took out of history, for audit.
create table tidemark.orphaned_record (
  id bigint generated always as identity primary key,
  position_id bigint not null references tidemark.position,
  block_number bigint not null,
  block_hash bytea not null,
  timestamp timestamptz not null,
  balance numeric(78, 0) not null,
  previous_balance numeric(78, 0),
  transaction_hashes bytea[] not null,
  ancestor_number bigint not null,
  ancestor_hash bytea not null,
  orphaned_at timestamptz not null default now()
);

-- The block intervals in which a position was read at every block. An open interval has no end: it reaches to the
-- chain's cursor.
create table tidemark.coverage (
  position_id bigint not null references tidemark.position,
  from_number bigint not null,
  to_number bigint,
  primary key (position_id, from_number),
  check (to_number is null or to_number >= from_number)
);

create unique index coverage_open on tidemark.coverage (position_id) where to_number is null;
