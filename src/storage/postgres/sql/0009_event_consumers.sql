-- A reader of the event log stores its place together with what shows whether the place still is its own.

alter table tidemark.event_consumer
  -- The name that the log had then; null in rows from before.
  add column log uuid,
  -- Of the lease under which the place was taken last. Whoever has a lower one is refused.
  add column epoch bigint not null default 0,
  add column moved_at timestamptz not null default now(),
  -- A place moves ten times a second: its new version should fit into the same page.
  set (fillfactor = 50);
