-- Who may do what only one process at a time may do. A row stays when its lease is let go: its epoch must never go back.

create table tidemark.lease (
  name text primary key check (length(name) between 1 and 200),
  -- Null while nobody has it.
  holder text check (length(holder) between 1 and 200),
  -- Another one whenever the lease changes hands, and always a higher one.
  epoch bigint not null,
  expires_at timestamptz,
  -- What its holder tells the others.
  note text,
  check ((holder is null) = (expires_at is null))
);

-- The epoch of the lease under which the chain was read last. A commit under another one is refused.
alter table tidemark.chain add column lease_epoch bigint not null default 0;
