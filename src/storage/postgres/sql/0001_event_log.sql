-- The durable event log. One counter row gives out seq inside the writing transaction, so that its order is the order
-- of commits and a rollback leaves no gap. The same row counts the snapshots kept, so that a total needs no scan.

create table tidemark.event_log (
  singleton boolean primary key default true check (singleton),
  log uuid not null default gen_random_uuid(),
  seq bigint not null default 0,
  snapshots bigint not null default 0
);

insert into tidemark.event_log default values;

create table tidemark.event (
  seq bigint primary key,
  type text not null,
  -- Null for a snapshot, whose event only refers to its row.
  payload json,
  snapshot_id uuid,
  at timestamptz not null default now()
);
