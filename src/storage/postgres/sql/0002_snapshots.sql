-- Reported snapshots. The table carries the name that the snapshot system's document gives it.
-- Both books are kept as the text that came (type json, not jsonb): amounts are echoed as sent, never rounded.

create table tidemark."BalanceSnapshot" (
  seq bigint primary key,
  id uuid not null unique,
  ts timestamptz not null,
  pid bigint,
  onchain json not null,
  onsite json not null,
  idempotency_key text unique,
  -- SHA-256 of the body as it was before defaults, to tell a repeated request from a different one.
  body_hash bytea not null,
  received_at timestamptz not null default now()
);

create index balance_snapshot_newest on tidemark."BalanceSnapshot" (ts desc, seq desc);
